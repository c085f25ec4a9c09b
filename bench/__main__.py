"""``python -m bench [PART …]``: passwords, resets, lookalike. Without a name, all of them."""

from __future__ import annotations

import click

from bench import lookalike, passwords, resets
from bench.site import site

ALONE = {"passwords": passwords.run}
ON_SITE = {"resets": resets.run, "lookalike": lookalike.run}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*ALONE, *ON_SITE]))
def main(parts: tuple[str, ...]) -> None:
    """Measure Keyback on this machine, beside the directory's own speed or what others do for the same question."""
    wanted = parts or (*ALONE, *ON_SITE)
    for part in wanted:
        if part in ALONE:
            ALONE[part]()
    if not any(part in ON_SITE for part in wanted):
        return
    click.echo("Bringing up a forest, a database, two doors, a worker and an agent …")
    with site() as here:
        for part in wanted:
            if part in ON_SITE:
                ON_SITE[part](here)


if __name__ == "__main__":
    main()
