"""``python -m bench [PART …]``: resets, lookalike. Without a name, all of them."""

from __future__ import annotations

import click

from bench import lookalike, resets
from bench.site import site

PARTS = {"resets": resets.run, "lookalike": lookalike.run}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
def main(parts: tuple[str, ...]) -> None:
    """Measure Keyback on this machine, beside the directory's own speed."""
    click.echo("Bringing up a forest, a database, two doors, a worker and an agent …")
    with site() as here:
        for part in parts or PARTS:
            PARTS[part](here)


if __name__ == "__main__":
    main()
