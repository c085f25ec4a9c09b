"""Example Ltd and its people, as the recovery's tests know them."""

from tests.portal.recovery.conftest import Clock, agent, cleo, clock, directory, make_ada, organization, walker

__all__ = ["Clock", "agent", "cleo", "clock", "directory", "make_ada", "organization", "walker"]
