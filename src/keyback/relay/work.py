"""What an admitted agent does: calls that are answered at once, and the poll that waits for work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from keyback.portal.agents.models import Agent
from keyback.portal.writeback import claims
from keyback.protocol.messages import Poll, Work, WorkList
from keyback.relay import bodies
from keyback.relay.admission import JSON, Credentials, admit, take_body
from keyback.relay.answers import answer
from keyback.relay.calls import Call
from keyback.relay.door import Door, door_of
from keyback.relay.problems import AGENT_REVOKED, Refusal
from keyback.relay.room import Seat

__all__ = ["endpoint", "poll"]


def endpoint(call: Call) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of one row of the table: the whole call is one job with one connection."""

    async def answer_call(request: Request) -> Response:
        body = await take_body(request, JSON)
        credentials = Credentials.of(request)
        request_id: UUID | None = request.path_params.get("request_id")

        def job(now: datetime) -> BaseModel | None:
            agent = admit(credentials, body, now)
            return call.handle(agent, bodies.message(call.takes, body), request_id, now)

        done = await door_of(request).run(request, job)
        return answer(done, 204 if call.gives is None else 200, version=credentials.version())

    return answer_call


async def poll(request: Request) -> Response:
    """Work as soon as there is some, nothing after ``wait_s``. While it waits it holds no thread and no connection."""
    body = await take_body(request, JSON)
    credentials = Credentials.of(request)
    door = door_of(request)
    rings = door.room.rings

    def enter(now: datetime) -> tuple[Agent, Poll, list[Work]]:
        agent = admit(credentials, body, now)
        message = bodies.message(Poll, body)
        return agent, message, _look(door, agent, message, now)

    agent, message, work = await door.run(request, enter)
    if work or not message.wait_s:
        return answer(WorkList(work=work), version=credentials.version())
    until = asyncio.get_running_loop().time() + message.wait_s
    with door.room.seat(agent, rings) as seat:
        async with _departure(request, seat) as gone:
            while not work and not seat.over:
                rung = await seat.wait(until)
                if gone.done():
                    break  # nobody would get it
                claim = rung and not seat.over
                work = await door.run(request, partial(_look_again, agent, message, claim))
    return answer(WorkList(work=work), version=credentials.version())


@asynccontextmanager
async def _departure(request: Request, seat: Seat) -> AsyncIterator[asyncio.Task[None]]:
    """A task that is done when the client has gone; the seat rings then."""

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.create_task(listen())
    gone.add_done_callback(lambda _: seat.ring())
    try:
        yield gone
    finally:
        gone.cancel()


def _look(door: Door, agent: Agent, message: Poll, now: datetime) -> list[Work]:
    if door.boots.get(agent.id) == message.boot_id and not claims.may_have_work(agent, message, now):
        return []  # without taking a lock, which on SQLite everybody shares
    door.boots[agent.id] = message.boot_id
    return claims.answer_poll(agent, message, now)


def _look_again(agent: Agent, message: Poll, claim: bool, now: datetime) -> list[Work]:
    """A poll is open for longer than a revocation may take: the agent's state is read anew."""
    if claim and (work := claims.claim(agent, message, now)):
        return work
    state = Agent.objects.filter(id=agent.id).values_list("state", flat=True).first()
    if state != Agent.State.CONFIRMED:
        raise Refusal(AGENT_REVOKED)
    return []
