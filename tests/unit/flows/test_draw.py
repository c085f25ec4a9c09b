"""The diagram in the docs is the table."""

from __future__ import annotations

from pathlib import Path

from keyback.flows.draw import page


def test_the_documented_diagram_is_drawn_from_the_table() -> None:
    document = Path(__file__).parents[3] / "docs" / "flows.md"
    assert document.read_text("utf-8") == page(), "run: python -m keyback.flows.draw > docs/flows.md"
