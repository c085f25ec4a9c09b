"""What ``keyback agent setup`` asks, as one value: read from an agent's file, written into it, told as a summary.

The file keeps its comments and everything that the questions are not about. Only `configure` writes to disk.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from keyback.agent.build import Parts, alone, event_log, parts
from keyback.agent.clock import SystemClock
from keyback.agent.config import AgentConfig, ForestConfig, parse_config
from keyback.agent.events import EventLog
from keyback.agent.files import make_private_directory, write_private
from keyback.agent.identity import Identity, load_identity
from keyback.agent.onboarding import onboard_agent
from keyback.agent.switch import State, Switch
from keyback.directory import PEOPLE
from keyback.errors import ConfigurationError

__all__ = ["Answers", "Done", "answers_of", "configure", "planned", "summary"]

_STATE = Path("/var/lib/keyback-agent")


@dataclass(frozen=True)
class Answers:
    """``password``: a new one for the service account; None keeps what is stored. ``code``: "" keeps the onboarding.

    ``proxy``: ``environment``, ``none``, or the address of one.
    """

    portal: str = ""
    portal_ca: Path | None = None
    proxy: str = "environment"
    name: str = field(default_factory=socket.gethostname)
    state_dir: Path = _STATE
    code: str = field(default="", repr=False)
    forest: str = ""
    domains: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    site: str = ""
    scheme: str = "ldaps"
    ca_file: Path | None = None
    bind_dn: str = ""
    password_file: Path | None = None
    keytab: Path | None = None
    password: str | None = field(default=None, repr=False)
    base_dns: tuple[str, ...] = ()
    filter: str = PEOPLE
    anchor: str = "objectGUID"
    writeback: bool = True


@dataclass(frozen=True)
class Done:
    """``onboarded``: just now, so that nobody has confirmed it yet."""

    identity: Identity
    onboarded: bool


def answers_of(config: AgentConfig, forest: str = "") -> Answers:
    """What is set, for this forest or the first."""
    chosen = next((one for one in config.forest if one.name == forest.lower()), None)
    general = Answers(
        portal=config.portal or "",
        portal_ca=config.ca_file,
        proxy=config.proxy.url or config.proxy.mode,
        name=config.name,
        state_dir=config.state_dir,
        writeback=not onboarded(config) or State.OFF not in _switch(config).states().values(),
    )
    if forest and chosen is None:
        return general  # a new one beside those that are there
    one = chosen or config.forest[0]
    return replace(
        general,
        forest=one.name,
        domains=one.domains,
        servers=one.servers,
        site=one.site,
        scheme=one.scheme,
        ca_file=one.ca_file,
        bind_dn=one.bind_dn,
        password_file=one.password_file,
        keytab=one.keytab,
        base_dns=one.base_dns,
        filter=one.filter,
        anchor=one.anchor,
    )


def onboarded(config: AgentConfig) -> bool:
    try:
        load_identity(config.state_dir)
    except ConfigurationError:
        return False
    return True


def _switch(config: AgentConfig) -> Switch:
    return Switch(config.state_dir, [forest.name for forest in config.forest])


def planned(file: Path, answers: Answers) -> tuple[str, AgentConfig]:
    """The text that the file would get, and what it would mean. Raises ConfigurationError."""
    try:
        document = tomlkit.parse(file.read_text("utf-8")) if file.exists() else tomlkit.document()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigurationError(f"{file}: {error}") from None
    _set(document, "portal", answers.portal)
    _set(document, "name", answers.name)
    _set(document, "state_dir", str(answers.state_dir))
    _set(document, "ca_file", answers.portal_ca)
    _set_proxy(document, answers.proxy)
    _set_forest(document, answers)
    text = tomlkit.dumps(document)
    return text, parse_config(text, file)


def _set_proxy(document: MutableMapping[str, Any], proxy: str) -> None:
    now = document.get("proxy", {})
    if proxy == now.get("url", now.get("mode", "environment")):
        return
    if proxy == "environment":
        del document["proxy"]
        return
    table = tomlkit.table()
    table.update({"mode": "none"} if proxy == "none" else {"mode": "configured", "url": proxy})
    document["proxy"] = table


def _set_forest(document: MutableMapping[str, Any], answers: Answers) -> None:
    forests = document.setdefault("forest", tomlkit.aot())
    table = next((one for one in forests if str(one.get("name", "")).lower() == answers.forest.lower()), None)
    if table is None:
        table = tomlkit.table()
        forests.append(table)
        table = forests[-1]
    values: dict[str, object] = {
        "name": answers.forest,
        "domains": answers.domains,
        "servers": answers.servers,
        "site": "" if answers.servers else answers.site,
        "scheme": "" if answers.servers or answers.scheme == "ldaps" else answers.scheme,
        "ca_file": answers.ca_file,
        "bind_dn": answers.bind_dn,
        "password_file": None if answers.keytab else answers.password_file,
        "keytab": answers.keytab,
        "base_dns": answers.base_dns,
        "filter": "" if answers.filter == PEOPLE and "filter" not in table else answers.filter,
        "anchor": answers.anchor,
    }
    for name, value in values.items():
        _set(table, name, value)


def _set(table: MutableMapping[str, Any], name: str, value: object) -> None:
    """ "", None and () take the line out."""
    if not value:
        table.pop(name, None)
        return
    plain = list(value) if isinstance(value, tuple) else str(value)
    if table.get(name) != plain:
        table[name] = plain


def summary(answers: Answers, forest: ForestConfig) -> list[tuple[str, str]]:
    """Names and values, as they will be; no secret among them."""
    found = f"found by DNS{f', site {answers.site}' if answers.site else ''}, {answers.scheme}"
    secret = answers.keytab or answers.password_file
    return [
        ("Portal", answers.portal),
        ("Portal trusted by", str(answers.portal_ca or "this system's authorities")),
        ("Proxy", {"environment": "what the environment names", "none": "none"}.get(answers.proxy, answers.proxy)),
        ("This agent's name", answers.name),
        ("Keys and journal in", str(answers.state_dir)),
        ("Forest", f"{forest.name} (user IDs of {', '.join(forest.domains)})"),
        ("Domain controllers", ", ".join(answers.servers) or found),
        ("Trusted by", str(answers.ca_file or "Kerberos alone, which encrypts")),
        ("Service account", f"{forest.account}, its secret in {secret}{', a new one' if answers.password else ''}"),
        ("People in", "; ".join(forest.base_dns)),
        ("Filter", forest.filter),
        ("Source anchor", forest.anchor),
        ("Writeback", "on: resets reach the directory" if answers.writeback else "off: people are synchronised only"),
        ("Onboarding", "now, with the code given" if answers.code else "stays as it is"),
    ]


def configure(file: Path, answers: Answers) -> Done:
    """Writes the password, then the file; onboards where a code was given; then moves the switch for writeback. Raises
    ConfigurationError, OnboardingFailed and SwitchFailed; what was done before stays, and it can be run again."""
    text, config = planned(file, answers)
    try:
        if answers.password is not None and answers.password_file is not None:
            answers.password_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(answers.password_file, answers.password.encode())
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_private(file, text.encode())
        file.chmod(0o644)  # no secret is in it, and the service reads it as somebody else than who sets it up
    except OSError as error:
        raise ConfigurationError(f"{error.filename or file}: {error.strerror}") from None
    make_private_directory(config.state_dir)
    if answers.code:
        return Done(_onboard(config, answers), True)
    with parts(config) as made:
        _move_switch(made, answers)
        return Done(made.identity, False)


def _onboard(config: AgentConfig, answers: Answers) -> Identity:
    events: EventLog = event_log(config)
    try:
        with alone(config.state_dir):
            identity = onboard_agent(config, answers.portal, answers.code, events, SystemClock())
    finally:
        events.close()
    if not answers.writeback:
        # Nobody has confirmed it yet, so that it cannot tell the portal: it does as soon as it runs and may.
        _switch(config).store({forest.name: State.OFF for forest in config.forest})
    return identity


def _move_switch(made: Parts, answers: Answers) -> None:
    board = made.switchboard()
    states = [board.switch.of(forest.name) for forest in made.config.forest]
    if answers.writeback and {State.OFF, State.ADDED} & set(states):
        board.on(made.clock.now())
    elif not answers.writeback and State.ON in states:
        board.off()
