"""[passwords], as it stands in the configuration files of an agent and of the portal: a profile, and where breached
passwords are looked up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from keyback.passwords.breached import LatestFile
from keyback.passwords.profiles import PROFILES, Profile, load_profile
from keyback.passwords.ranges import LONGEST_ANSWER, RangeService
from keyback.passwords.rules import Breached

__all__ = ["PasswordSettings", "breached_of", "profile_of"]


class PasswordSettings(BaseModel):
    """``profile``: a name of `PROFILES`, or ``policy_file``: rules as ``keyback password check --policy`` takes them.

    Breached passwords: a file, or the address of a range service with what happens when it does not answer in time
    (seconds). The address is checked by whoever takes these fields over.
    """

    profile: str = "none"
    policy_file: Path | None = None
    breached_file: Path | None = None
    breached_url: str | None = None
    breached_timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    breached_without_answer: Literal["accept", "refuse"] | None = None

    @field_validator("profile")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"there is no such profile; there are: {', '.join(PROFILES)}")
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> PasswordSettings:
        if self.policy_file and self.profile != "none":
            raise ValueError("give profile or policy_file, not both")
        if self.breached_file and self.breached_url:
            raise ValueError("give breached_file or breached_url, not both")
        if self.breached_url and self.breached_without_answer is None:
            raise ValueError("breached_url needs breached_without_answer: accept or refuse")
        return self


def profile_of(settings: PasswordSettings) -> Profile:
    """Raises ConfigurationError."""
    return PROFILES[settings.profile] if settings.policy_file is None else load_profile(settings.policy_file)


def breached_of(settings: PasswordSettings) -> Breached | None:
    """None where nothing is named. Raises BreachedDamaged."""
    if settings.breached_file is not None:
        return LatestFile(settings.breached_file)
    if settings.breached_url is None:
        return None
    import httpx2  # some megabytes, which a portal without a range service does not need

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
