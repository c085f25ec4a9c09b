"""Breached passwords asked of a range service over HTTP, by an agent and for people whose password the portal keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyback.passwords.ranges import RangeUnavailable
from tests.support.ranges import Ranges, ranges
from tests.unit.agent.test_screen import ADA, FINE, codes, screen

OTHER = "Kd8%vw-Qz2#n"


@pytest.fixture
def service() -> Iterator[Ranges]:
    with ranges(FINE) as service:
        yield service


def test_an_agent_asks_and_tells_five_digits_only(service: Ranges, tmp_path: Path) -> None:
    found = screen(tmp_path, breached_url=service.url + "/", breached_without_answer="refuse")
    assert [codes(found, password, ADA) for password in (FINE, OTHER)] == [["breached"], []]
    for path, headers in service.asked:
        assert path.startswith("/range/")
        assert len(path) == len("/range/00000")
        assert headers["Add-Padding"] == "true"


@pytest.mark.parametrize("manner", ["fails", "stalls", "drips", "floods", "away"])
def test_without_an_answer_in_time_the_setting_decides(service: Ranges, tmp_path: Path, manner: str) -> None:
    settings = {"breached_url": service.url, "breached_timeout_s": 0.3}
    if manner == "away":
        service.close()
    else:
        service.manner = manner  # type: ignore[assignment]  # one of its words
    assert screen(tmp_path, breached_without_answer="accept", **settings).judge(FINE, ADA) == []
    with pytest.raises(RangeUnavailable, match="cannot be looked up"):
        screen(tmp_path, breached_without_answer="refuse", **settings).judge(FINE, ADA)
