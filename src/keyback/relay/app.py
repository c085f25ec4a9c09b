"""The agents' door as a Starlette application. ``django.setup()`` must have run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyback.relay.answers import Tracking, http_error, refusal
from keyback.relay.arrivals import onboard, token
from keyback.relay.bodies import ClientGone
from keyback.relay.calls import CALLS, PREFIX
from keyback.relay.database import Database
from keyback.relay.door import Door
from keyback.relay.failures import Failures
from keyback.relay.openapi import document
from keyback.relay.problems import Refusal
from keyback.relay.room import Room
from keyback.relay.work import endpoint, poll

__all__ = ["create_app"]


def create_app() -> Starlette:
    """One door. ``app.state.door.room.dismiss_all()`` ends its open polls, for a stop without waiting for them."""
    database = Database()
    door = Door(database, Room(database), Failures(), {})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        door.room.open()
        yield
        await door.room.close()
        database.close()

    posts = {
        f"{PREFIX}/onboard": onboard,
        f"{PREFIX}/token": token,
        f"{PREFIX}/poll": poll,
        **{call.path: endpoint(call) for call in CALLS},
    }
    app = Starlette(
        routes=[
            Route(f"{PREFIX}/health", health),
            Route(f"{PREFIX}/openapi.json", openapi),
            *(Route(path, handler, methods=["POST"]) for path, handler in posts.items()),
        ],
        middleware=[Middleware(Tracking)],
        exception_handlers={Refusal: refusal, HTTPException: http_error, ClientGone: _nobody},
        lifespan=lifespan,
    )
    # A redirect would answer a signed call with another path than the one that was signed.
    app.router.redirect_slashes = False
    app.state.door = door
    return app


async def health(_: Request) -> Response:
    """The event loop runs. Says nothing about the database, so that a balancer does not drop every door at once."""
    return JSONResponse({"status": "ok"})


async def openapi(_: Request) -> Response:
    return JSONResponse(document())


async def _nobody(_: Request, __: Exception) -> Response:
    """For a client that has gone: nobody reads it."""
    return Response(status_code=400)
