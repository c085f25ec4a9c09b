"""``keyback org``: organizations and their settings."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.portal import Refused, chosen_organization, chosen_person, json_option, on_portal, operator, show

__all__ = ["org"]


@click.group()
def org() -> None:
    """Organizations and their settings."""


@org.command()
@click.argument("name")
@click.option("--slug", default="", help="Its short name in commands; made from the name if left out.")
@click.option("--admin-mail", multiple=True, metavar="ADDRESS", help="Who is told what needs an administrator.")
@click.option("--admin-language", default="en", type=click.Choice(["en", "de"]), show_default=True)
@on_portal
def create(*, name: str, slug: str, admin_mail: tuple[str, ...], admin_language: str) -> None:
    """Make an organization. The first one is where user IDs of unknown domains walk on."""
    from django.db import transaction

    from keyback.portal.organizations import setup

    with transaction.atomic():
        made = setup.create(name, slug=slug, by=operator(), now=datetime.now(UTC))
        for address in admin_mail:
            name = address.partition("@")[0]
            setup.add_administrator(made, name, address, language=admin_language, by=operator())
    click.echo(f"Made {made.name} ({made.slug}): everybody may reset with a code sent by e-mail.")
    click.echo(f"Next: keyback domain add {made.slug} example.com")


@org.command("list")
@json_option
@on_portal
def list_(*, as_json: bool) -> None:
    """All organizations of this portal."""
    from django.db.models import Count, Q

    from keyback.portal.organizations.models import Organization

    counted = Organization.objects.annotate(
        people_count=Count("people", filter=Q(people__removed_at__isnull=True), distinct=True),
        domain_count=Count("domains", filter=Q(domains__verified_at__isnull=False), distinct=True),
        agent_count=Count("agents", filter=Q(agents__state="confirmed"), distinct=True),
    ).order_by("name")
    rows = [
        {
            "slug": row.slug,
            "name": row.name,
            "default": row.is_default,
            "reset": row.reset_scope,
            "domains": row.domain_count,
            "people": row.people_count,
            "agents": row.agent_count,
            "id": row.id,
        }
        for row in counted
    ]
    show(rows, ["slug", "name", "default", "reset", "domains", "people", "agents"], as_json=as_json)


@org.command("set")
@click.argument("slug")
@click.option(
    "--reset",
    "reset_scope",
    type=click.Choice(["none", "selected", "all"]),
    help="Who may reset; selected: only policies that name groups count.",
)
@click.option("--human-check", type=click.Choice(["work", "characters"]), help="How machines are kept out.")
@click.option("--plain-page/--no-plain-page", "allow_plain_page", default=None, help="The page without JavaScript.")
@click.option(
    "--explain/--no-explain",
    "explain_to_person",
    default=None,
    help="Masks and exact refusals before any proof, as Microsoft's service does. It reveals which accounts exist.",
)
@click.option(
    "--count-per",
    "limit_profile",
    type=click.Choice(["client", "account"]),
    help="For whom tries are counted: each client apart, or the whole account, which a stranger can then close.",
)
@click.option("--contact-url", help="Where 'contact your administrator' leads; empty for none.")
@click.option("--phone-region", metavar="XX", help="Of telephone numbers without a country code, such as DE or GB.")
@click.option(
    "--two-step/--no-two-step",
    "two_step_sign_in",
    default=None,
    help="Whoever signs in proves something more than the password, where something is on file.",
)
@click.option(
    "--own-mail",
    "own_mail_domains",
    metavar="DOMAIN,…|verified|none",
    help="Whose mailboxes open with the password that may be forgotten, so that codes to them prove nothing; verified: "
    "all verified domains, as at first.",
)
@click.option(
    "--cloud-history",
    type=click.IntRange(0, 24),
    help="How many earlier passwords may not come back, of those that the portal keeps.",
)
@click.option(
    "--cloud-max-age-days",
    type=click.IntRange(0, 730),
    help="After how many days a password that the portal keeps expires; 0: never.",
)
@click.option(
    "--removal-share",
    type=click.IntRange(0, 100),
    help="Percent of a forest's people that may go within 24 hours before you are asked; 100: never ask.",
)
@click.option("--accent", help="Colour of buttons and links, as #rrggbb; empty for the usual one.")
@on_portal
def set_(*, slug: str, **settings: object) -> None:
    """Change settings of an organization; what is left out stays as it is."""
    from keyback.portal.organizations import setup

    changes = {name: value for name, value in settings.items() if value is not None}
    if not changes:
        raise Refused("nothing to set (see 'keyback org set --help')")
    setup.change(chosen_organization(slug), changes, by=operator(), now=datetime.now(UTC))
    for name, value in changes.items():
        click.echo(f"{name.replace('_', ' ')}: {'-' if value == '' else value}")


@org.group("admin")
def admin() -> None:
    """Who has an administrative role, and gets the mails that need it."""


@admin.command("add")
@click.argument("slug")
@click.argument("address")
@click.option("--name", default="", help="Their name; the address's first part if left out.")
@click.option("--role", type=click.Choice(["administrator", "helpdesk", "auditor"]), default="administrator")
@click.option("--language", default="en", show_default=True, help="Of the mails to them.")
@click.option("--person", metavar="USER_ID", help="Whose role this is, where the address does not tell.")
@on_portal
def admin_add(*, slug: str, address: str, name: str, role: str, language: str, person: str | None) -> None:
    """Give ADDRESS a role in the organization SLUG."""
    from keyback.portal.organizations import setup

    setup.add_administrator(
        chosen_organization(slug),
        name or address.partition("@")[0],
        address,
        language=language,
        role=role,
        person=chosen_person(person) if person else None,
        by=operator(),
        now=datetime.now(UTC),
    )
    click.echo(f"{address} is {role} of {slug}; as one of its people they need two proofs from now on.")


@admin.command("remove")
@click.argument("slug")
@click.argument("address")
@on_portal
def admin_remove(*, slug: str, address: str) -> None:
    """Take every role of ADDRESS in the organization SLUG away."""
    from keyback.portal.organizations import setup

    setup.remove_administrator(chosen_organization(slug), address, by=operator(), now=datetime.now(UTC))
    click.echo(f"{address} has no role in {slug} any more.")


@admin.command("list")
@click.argument("slug")
@json_option
@on_portal
def admin_list(*, slug: str, as_json: bool) -> None:
    """Who has a role in the organization SLUG. Addresses are shown in full."""
    from keyback.portal.organizations import setup

    rows = [
        {
            "name": row.name,
            "address": address,
            "role": row.role,
            "language": row.language,
            "person": row.person.user_id if row.person else "",
        }
        for row, address in setup.administrators(chosen_organization(slug))
    ]
    show(rows, ["name", "address", "role", "language", "person"], as_json=as_json)
