"""Numbers that portal and agent must agree on. Durations are seconds unless the name says otherwise."""

from __future__ import annotations

__all__ = [
    "CLAIM_LEASE",
    "DIRECTORY_TIMEOUT",
    "HEARTBEAT_INTERVAL",
    "MAX_ASSERTION_LIFE",
    "MAX_BODY_BYTES",
    "MAX_GROUPS_PER_PUSH",
    "MAX_OBJECTS_PER_PUSH",
    "MAX_PASSWORD_UTF16",
    "MAX_PEOPLE_PER_PUSH",
    "MAX_WORK_PER_POLL",
    "PLAINTEXT_BYTES",
    "POLL_MAX",
    "QUEUE_LIFE",
    "TOKEN_LIFE",
    "WRITE_LEASE",
]

POLL_MAX = 50
"""A long poll is answered after this long even when there is no work: many proxies cut idle connections at 60 s."""

MAX_BODY_BYTES = 1_000_000
MAX_PEOPLE_PER_PUSH = 500
MAX_GROUPS_PER_PUSH = 200
MAX_OBJECTS_PER_PUSH = 20_000
"""objectGUIDs in one list: of members of a group, of who is in scope, of who has gone."""

MAX_WORK_PER_POLL = 16

TOKEN_LIFE = 300
MAX_ASSERTION_LIFE = 60
"""RFC 7523 client assertions live at most this long."""

DIRECTORY_TIMEOUT = 10
"""The agent gives the directory this long to answer one write."""

CLAIM_LEASE = 15
"""A claimed request goes back to the queue when its agent is silent for this long."""

WRITE_LEASE = DIRECTORY_TIMEOUT + 10
"""A request in ``writing`` becomes ``unresolved`` when its agent is silent for this long."""

QUEUE_LIFE = 60
"""A request that nobody has begun to write after this long expires: the person is told to try later."""

HEARTBEAT_INTERVAL = 300

MAX_PASSWORD_UTF16 = 256
"""Active Directory's own bound (MS-SAMR 3.1.1.7.2)."""

PLAINTEXT_BYTES = 4096
"""Every box has this many bytes inside, so that its length says nothing about the password.
Two passwords of 256 UTF-16 units, each escaped in JSON as \\uXXXX at worst, fit."""
