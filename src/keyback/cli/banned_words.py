"""``keyback banned-words``: an organization's own banned words, which its agents get signed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from keyback.cli.portal import chosen_organization, on_portal, operator

__all__ = ["banned_words"]


@click.group("banned-words")
def banned_words() -> None:
    """Words that passwords may not be made of, beside the built-in ones."""


@banned_words.command()
@click.argument("slug")
@on_portal
def show(*, slug: str) -> None:
    """The list of the organization SLUG, one term a line, as `set` takes it."""
    from keyback.portal.organizations import banned

    found = banned.shown(chosen_organization(slug))
    if found is None:
        click.echo("No list of its own; the built-in one is enforced.", err=True)
        return
    words = [found.mode, *(name for name in ("strict", "extended") if getattr(found, name))]
    click.echo(f"version {found.version}: {', '.join(words)}", err=True)
    if found.terms:
        click.echo(found.terms)


@banned_words.command("set")
@click.argument("slug")
@click.option(
    "--terms",
    "terms_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Up to 100,000 terms of 4 to 16 characters, one a line; they replace those before.",
)
@click.option("--mode", type=click.Choice(["off", "audit", "enforce"]), help="audit: tell, but accept.")
@click.option("--strict/--no-strict", default=None, help="A term counts once; parts may be like a term.")
@click.option("--extended/--no-extended", default=None, help="Take 3, 4, 5, 7, ! and | for letters too.")
@on_portal
def set_(*, slug: str, terms_file: Path | None, mode: str | None, strict: bool | None, extended: bool | None) -> None:
    """Change the list of the organization SLUG; what is left out stays as it is."""
    from keyback.passwords.terms import read_terms
    from keyback.portal.organizations import banned

    new = banned.change(
        chosen_organization(slug),
        terms=None if terms_file is None else read_terms(terms_file),
        mode=mode,
        strict=strict,
        extended=extended,
        by=operator(),
        now=datetime.now(UTC),
    )
    count = len(new.terms.split("\n")) if new.terms else 0
    click.echo(f"version {new.version}: {count} terms, {new.mode}; agents get it within five minutes")
