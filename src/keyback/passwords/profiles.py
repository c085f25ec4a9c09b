"""Named sets of rules, and a policy file that names or changes one.

The *nist* profile: NIST SP 800-63B-4 section 3.1.1.2 for passwords as a single factor: 15 characters or more, at least
64 allowed, each code point counts as one, no composition rules, and a blocklist. The *typical* one: what most sites ask
for, 8 to 16 characters with a capital, a small letter, a digit and a special character.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from keyback.errors import ConfigurationError
from keyback.passwords.policy import DirectoryPolicy

__all__ = ["PROFILES", "Profile", "load_profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """Lengths count code points; ``units`` ones UTF-16 units, as Active Directory does. 0 and False switch a rule off.

    ``complexity``: Active Directory's (three of five classes, account name, display name).
    ``same_in_a_row`` and ``sequence``: how many are still allowed. ``similar_percent``: how alike to the current
    password, from where it is refused. ``strength``: the least score of zxcvbn, 0 to 4.
    """

    name: str = "none"
    min_length: int = 0
    max_length: int = 0
    min_units: int = 0
    max_units: int = 0
    complexity: bool = False
    upper: bool = False
    lower: bool = False
    digit: bool = False
    symbol: bool = False
    same_in_a_row: int = 0
    sequence: int = 0
    similar_percent: int = 0
    strength: int = 0

    @classmethod
    def of_directory(cls, policy: DirectoryPolicy) -> Profile:
        """What of a directory's policy can be judged from the password alone."""
        return cls("directory", min_units=policy.min_length, complexity=policy.complexity)

    def to_dict(self) -> dict[str, int]:
        """The rules, without the name."""
        rules = asdict(self)
        del rules["name"]
        return rules


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(),
        Profile("directory", min_units=7, complexity=True),
        Profile("nist", min_length=15),
        Profile("typical", min_length=8, max_length=16, upper=True, lower=True, digit=True, symbol=True),
        Profile("careful", min_length=12, same_in_a_row=3, sequence=4, similar_percent=70, strength=3),
    )
}

_LARGEST = 256


def load_profile(path: Path) -> Profile:
    """From TOML, or from JSON as `DirectoryPolicy.to_dict` writes it. Raises ConfigurationError with one line.

    TOML: ``profile = "typical"`` as the start, and any field of `Profile` beside it.
    """
    try:
        text = path.read_text("utf-8-sig")
        data = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    try:
        if "min_age_seconds" in data:
            return Profile.of_directory(DirectoryPolicy.from_dict(data))
        return _profile(dict(data))
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _profile(data: dict[str, object]) -> Profile:
    name = data.pop("profile", "none")
    start = PROFILES.get(str(name))
    if start is None:
        raise ValueError(f"profile must be one of: {', '.join(PROFILES)}")
    kinds = {field.name: type(getattr(start, field.name)) for field in fields(Profile) if field.name != "name"}
    for key, value in data.items():
        kind = kinds.get(key)
        if kind is None:
            raise ValueError(f"{key}: no such rule; there are: {', '.join(kinds)}")
        if kind is bool and not isinstance(value, bool):
            raise ValueError(f"{key} must be true or false")
        if kind is int and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST):
            raise ValueError(f"{key} must be a whole number from 0 to {_LARGEST}")
    return replace(start, **data)  # type: ignore[arg-type]  # checked above
