"""Somebody of each kind."""

from tests.portal.recovery.conftest import (
    Clock,
    ada,
    agent,
    cleo,
    clock,
    directory,
    make_ada,
    organization,
    walker,
)

__all__ = ["Clock", "ada", "agent", "cleo", "clock", "directory", "make_ada", "organization", "walker"]
