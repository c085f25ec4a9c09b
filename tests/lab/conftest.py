"""Everything below runs against real Samba controllers; see :mod:`lab.testing` for what these fixtures promise."""

import keyback.directory  # noqa: F401 — before lab, which loads libldap: it must find what it reads once
from lab.testing import (
    forest,
    forest_to_break,
    new_person,
    older_forest,
    other_forest,
    password_filter,
    policy,
    rights,
    two_controllers,
)

__all__ = [
    "forest",
    "forest_to_break",
    "new_person",
    "older_forest",
    "other_forest",
    "password_filter",
    "policy",
    "rights",
    "two_controllers",
]
