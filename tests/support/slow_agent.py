"""The agent, which takes SECONDS before each write: ``slow_agent.py SECONDS agent run --config FILE``."""

from __future__ import annotations

import sys
import time
from typing import Any

from keyback.agent.steps import Steps
from keyback.cli.main import main


def slow(seconds: float) -> None:
    modify = Steps.modify

    def delayed(*arguments: Any) -> None:
        time.sleep(seconds)
        modify(*arguments)

    setattr(Steps, "modify", delayed)  # noqa: B010 — mypy knows that methods are not for assigning; this script does


if __name__ == "__main__":
    slow(float(sys.argv[1]))
    main(sys.argv[2:])
