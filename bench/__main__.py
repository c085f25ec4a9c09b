"""``python -m bench [PART …]``: passwords, firstpage, resets, lookalike, sync. Without a name, all of these.
``corpus``, a thousand million hashes, takes half an hour and 14 GB of disk, and runs only when it is named."""

from __future__ import annotations

import click

from bench import corpus, firstpage, lookalike, passwords, resets, sync
from bench.site import site

ALONE = {"passwords": passwords.run, "firstpage": firstpage.run}
LONG = {"corpus": corpus.run}
ON_SITE = {"resets": resets.run, "lookalike": lookalike.run, "sync": sync.run}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*ALONE, *LONG, *ON_SITE]))
def main(parts: tuple[str, ...]) -> None:
    """Measure Keyback on this machine, beside the directory's own speed or what others do for the same question."""
    wanted = parts or (*ALONE, *ON_SITE)
    for part in wanted:
        if alone := (ALONE | LONG).get(part):
            alone()
    if not any(part in ON_SITE for part in wanted):
        return
    click.echo("Bringing up a forest, a database, two doors, a worker and an agent …")
    with site() as here:
        for part in wanted:
            if part in ON_SITE:
                ON_SITE[part](here)


if __name__ == "__main__":
    main()
