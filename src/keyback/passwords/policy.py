"""What a directory demands of a password: the domain's own policy, or a fine-grained one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

__all__ = ["DirectoryPolicy"]


@dataclass(frozen=True, slots=True)
class DirectoryPolicy:
    """The effective password policy of one account.

    ``min_length`` counts UTF-16 units, ``history`` remembered passwords, ``lockout_threshold`` failed tries
    (0: accounts are never locked out). ``max_age`` is None where passwords never expire. ``name`` is that of
    the fine-grained policy, None for the domain's own.
    """

    min_length: int
    history: int
    min_age: timedelta
    max_age: timedelta | None
    complexity: bool
    lockout_threshold: int
    name: str | None = None

    def to_dict(self) -> dict[str, int | bool | str | None]:
        """Plain values for JSON; ages in whole seconds, rounded up (a wait told too short annoys)."""
        return {
            "min_length": self.min_length,
            "history": self.history,
            "min_age_seconds": math.ceil(self.min_age.total_seconds()),
            "max_age_seconds": None if self.max_age is None else math.ceil(self.max_age.total_seconds()),
            "complexity": self.complexity,
            "lockout_threshold": self.lockout_threshold,
            "name": self.name,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> DirectoryPolicy:
        """Read what `to_dict` wrote. Raises ValueError naming the field that is missing or wrong."""
        if not isinstance(complexity := data.get("complexity"), bool):
            raise ValueError("complexity must be true or false")
        name = data.get("name")
        if name is not None and not isinstance(name, str):
            raise ValueError("name must be text or null")
        maximum = data.get("max_age_seconds")
        return cls(
            min_length=_count(data, "min_length"),
            history=_count(data, "history"),
            min_age=timedelta(seconds=_count(data, "min_age_seconds")),
            max_age=None if maximum is None else timedelta(seconds=_count(data, "max_age_seconds")),
            complexity=complexity,
            lockout_threshold=_count(data, "lockout_threshold"),
            name=name,
        )


_LARGEST = 2**63 // 10**7
"""The longest age that a directory can hold (2^63 steps of 100 ns), in seconds; no count comes near it."""


def _count(data: Mapping[str, object], field: str) -> int:
    value = data.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError(f"{field} must be a whole number, 0 or more")
    return value
