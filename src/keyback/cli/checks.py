"""How ``keyback agent check`` shows what it found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from keyback.agent.checks.findings import Finding, Section, Status, worst
from keyback.agent.checks.plan import accounts, hosts
from keyback.agent.checks.readiness import Candidate, as_csv, tally
from keyback.agent.checks.report import Report
from keyback.agent.files import write_private

__all__ = ["show", "show_json", "show_progress", "show_summary", "summary", "write_csv"]

_MARKS = {
    Status.OK: ("ok", "green"),
    Status.NOTE: ("", None),
    Status.SKIPPED: ("left out", "blue"),
    Status.WARNING: ("WARNING", "yellow"),
    Status.FAILED: ("FAILED", "red"),
}


def show(section: Section) -> None:
    click.echo(f"\n{section.title}")
    for finding in section.findings:
        _show(finding)


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.status]
    took = f" ({finding.took_ms} ms)" if finding.took_ms is not None else ""
    click.echo(f"  {click.style(f'{mark:<8}', fg=colour)}  {finding.text}{took}")
    for line in finding.repair:
        click.echo(f"            {line}")


def show_progress(count: int) -> None:
    """For whoever sits at the terminal; one search a person takes its time where there are many."""
    if count % 100 == 0 and sys.stderr.isatty():
        click.echo(f"\r{count} people", nl=False, err=True)


def summary(people: Sequence[Candidate]) -> dict[str, Any]:
    """How many could be reset today, and how often each reason and remark occurs."""
    total, ready, reasons, remarks = tally(people)
    return {
        "people": total,
        "ready": ready,
        "reasons": dict(reasons.most_common()),
        "remarks": dict(remarks.most_common()),
    }


def show_summary(summary: Mapping[str, Any]) -> None:
    click.echo(f"\nReady: {summary['ready']} of {summary['people']} people could be reset today")
    for title, counts in (("Why not the others", summary["reasons"]), ("Worth knowing", summary["remarks"])):
        if counts:
            click.echo(f"  {title}")
        for name, count in counts.items():
            click.echo(f"  {count:>8}  {name}")


def write_csv(path: Path, people: Sequence[Candidate]) -> None:
    try:
        write_private(path, as_csv(people).encode("utf-8-sig"))  # with the mark that spreadsheets look for
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None


def show_json(report: Report, sections: Sequence[Section], summary: Mapping[str, Any] | None) -> None:
    found: dict[str, object] = {
        "accounts": dict(accounts(report.config)),
        "hosts": hosts(report.config, report.portal),
        "status": worst(sections),
        "sections": [section.to_dict() for section in sections],
    }
    if summary is not None:
        found["readiness"] = summary
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
