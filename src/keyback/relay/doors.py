"""Both doors on one port: the agents' under /agents/, the people's for everything else."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["BothDoors"]


class BothDoors:
    def __init__(self, agents: ASGIApp, people: ASGIApp) -> None:
        self._agents = agents
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        to_agents = scope["type"] == "lifespan" or scope["path"].startswith("/agents/")
        await (self._agents if to_agents else self._people)(scope, receive, send)
