"""Where breached passwords are looked up, as the configuration files of an agent and of the portal say it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import httpx2
from pydantic import BaseModel, Field, model_validator

from keyback.passwords.breached import LatestFile
from keyback.passwords.ranges import LONGEST_ANSWER, RangeService
from keyback.passwords.rules import Breached

__all__ = ["BreachedSettings", "breached_of"]


class BreachedSettings(BaseModel):
    """A file, or the address of a range service with what happens when it does not answer in time (seconds). The
    address is checked by whoever takes these fields over."""

    breached_file: Path | None = None
    breached_url: str | None = None
    breached_timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    breached_without_answer: Literal["accept", "refuse"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> BreachedSettings:
        if self.breached_file and self.breached_url:
            raise ValueError("give breached_file or breached_url, not both")
        if self.breached_url and self.breached_without_answer is None:
            raise ValueError("breached_url needs breached_without_answer: accept or refuse")
        return self


def breached_of(settings: BreachedSettings) -> Breached | None:
    """None where nothing is named. Raises BreachedDamaged."""
    if settings.breached_file is not None:
        return LatestFile(settings.breached_file)
    if settings.breached_url is None:
        return None
    # Padding hides from whoever watches the line how many hashes were found.
    client = httpx2.Client(timeout=settings.breached_timeout_s, headers={"Add-Padding": "true"})
    address = settings.breached_url

    def ask(prefix: str) -> str:
        give_up = time.monotonic() + settings.breached_timeout_s
        body = bytearray()
        try:
            with client.stream("GET", f"{address}/{prefix}") as answer:
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    body += piece
                    # The client's own limit counts from one piece to the next, and knows no largest answer.
                    if len(body) > LONGEST_ANSWER or time.monotonic() > give_up:
                        raise OSError("too long")
        except httpx2.HTTPError as error:
            raise OSError(type(error).__name__) from None
        return body.decode("ascii", "replace")

    return RangeService(ask, fail_open=settings.breached_without_answer == "accept")
