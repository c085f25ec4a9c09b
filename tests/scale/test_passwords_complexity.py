"""The complexity rule beside a real domain controller: 2,000 generated passwords, each of them written or refused, as
resets and as changes by turns.

Samba does not look at names, and takes every non-ASCII character that has no capital of one character for a letter of
a script without capitals: currency signs, and ß, which Windows counts as a small letter. These are left to the tables
of tests/unit/passwords/test_complexity.py.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import ldap
import pytest

from keyback.passwords import DirectoryPolicy, PersonNames, check
from lab import Forest
from lab.people import INITIAL_PASSWORD, Person
from tests.lab.conftest import forest, new_person, policy
from tests.lab.service import Service

__all__ = ["forest", "new_person", "policy"]

pytestmark = [pytest.mark.scale, pytest.mark.lab]

DOMAIN = DirectoryPolicy(7, 0, timedelta(0), None, True, 0)
CLASSES = (
    "ABCXYZÄÉÑΩЖŁ",
    "abcxyzäéñωжł",
    "0123456789",
    "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/",
    "日本語あいうعبهไทย한국",
    " ",  # of no class
)


def generated(rng: random.Random) -> str:
    """One to five classes, four to sixteen characters: near the edges of both rules."""
    chosen = rng.sample(CLASSES, rng.choice([1, 2, 2, 2, 3, 3, 4, 5]))
    length = rng.choice([4, 5, 6, 6, 7, 7, 8, 9, 12, 16])
    letters = [rng.choice(one) for one in chosen] + [rng.choice(chosen[0]) for _ in range(length)]
    letters = letters[:length]
    rng.shuffle(letters)
    return "".join(letters)


def answer(write: Callable[[], None]) -> set[str]:
    """What the controller says: nothing, or the first of its rules."""
    try:
        write()
    except (ldap.UNWILLING_TO_PERFORM, ldap.CONSTRAINT_VIOLATION) as error:
        text = str(error)
        assert "0000052D" in text
        return {"too_short"} if "too short" in text else {"classes"}
    return set()


def test_2000_generated_passwords_get_the_same_answer_here_and_there(
    forest: Forest,
    new_person: Callable[..., Person],
    policy: Callable[..., None],
) -> None:
    policy(length=DOMAIN.min_length)
    person, service = new_person(), Service(forest)
    rng = random.Random(85)
    current = INITIAL_PASSWORD
    seen: Counter[str] = Counter()
    for number in range(2_000):
        password = generated(rng)
        ours = {finding.code.value for finding in check(password, PersonNames(""), DOMAIN)}
        write = (
            partial(service.change, person.account, current, password)
            if number % 2
            else partial(service.reset, person.account, password, hints=False)
        )
        theirs = answer(write)
        assert bool(ours) == bool(theirs), (password, ours, theirs)
        assert theirs <= ours, (password, ours, theirs)
        current = current if theirs else password
        seen[",".join(sorted(ours)) or "accepted"] += 1
    assert min(seen["accepted"], seen["classes"], seen["too_short"]) > 100, seen
