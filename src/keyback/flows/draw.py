"""Draws the tables as Mermaid state diagrams: ``python -m keyback.flows.draw > docs/flows.md``; a test compares."""

from __future__ import annotations

import sys

from keyback.flows.recovery import ENDED, TRANSITIONS, State

__all__ = ["page"]

_HEAD = """\
# Flows

Drawn from the tables in `src/keyback/flows` by `python -m keyback.flows.draw`; do not edit by hand.

## Recovery

`prove`: the person shows who they are, through one gate or two. `inspect`: the agent looks at the account, before
anybody types a password. `choose`: the new password is typed and sealed in the browser. `write`: an agent writes it.
An arrow that leaves an end is a late outcome that corrects the story. Unknown people never leave `prove` but by time.

```mermaid
stateDiagram-v2
"""


def page() -> str:
    """The whole of docs/flows.md."""
    lines = [f"    [*] --> {State.PROVE}"]
    lines += [f"    {state} --> {to}: {event}" for (state, event), to in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return _HEAD + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
