"""What the commands of an agent's machine share: its own file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from keyback.agent.config import AgentConfig

__all__ = ["config_option", "load"]

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KEYBACK_AGENT_CONFIG",
    default=Path("/etc/keyback/agent.toml"),
    show_default=True,
    help="The agent's own file.",
)


def load(path: Path) -> AgentConfig:
    """Raises ConfigurationError with one line that names the field."""
    from keyback.agent.config import load as load_config
    from keyback.credentials import give_back

    config = load_config(path)
    give_back(config.state_dir)
    return config
