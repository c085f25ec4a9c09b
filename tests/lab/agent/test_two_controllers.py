"""Two controllers of one domain: the one that was written to knows; the other can prove *written*, and no more."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk
from tests.support.waiting import wait_until

import lab
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"


def test_without_the_written_one_the_other_proves_only_what_has_arrived_there(
    two_controllers: Forest, tmp_path: Path
) -> None:
    forest = two_controllers
    desk = Desk(forest, tmp_path / "pair")
    desk.close()
    desk.start(servers=[f"ldaps://{each.ip}" for each in forest.controllers])  # type: ignore[arg-type]  # as TOML gives it
    try:
        order = desk.order(
            UUID(bytes_le=api.get_attributes(forest, "grace", "objectGUID")["objectGUID"][0]), Operation.RESET, NEW
        )
        desk.granted = False
        desk.agent.carry_out(order.work())
        before = desk.intents[-1].before
        assert before.server.startswith("dc1.")

        lab.replication(forest.name, paused=True)
        api.set_password(forest, "grace", NEW)
        lab.kill(forest.name, "dc1")
        unsure = desk.do(order, fence=2, before=before)
        assert unsure.code is OutcomeCode.UNKNOWN
        assert "dc2" in unsure.detail

        lab.restart(forest.name, "dc1")
        lab.replication(forest.name, paused=False)
        written = before.password_version + 1
        wait_until(
            lambda: api.password_version(forest, "grace", "dc2") == written, timeout=60, what="the write's arrival"
        )
        lab.kill(forest.name, "dc1")
        proved = desk.do(order, fence=3, before=before)
        assert proved.code is OutcomeCode.DONE
        assert "dc2" in proved.detail
    finally:
        lab.restart(forest.name, "dc1")
        desk.close()
