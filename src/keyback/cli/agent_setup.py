"""``keyback agent setup``: a few pages of questions, a summary, and only then anything is written.

portal and code → directory and service account → anchor → optional features → ready to configure → finished
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keyback.cli.agent_credentials import asked_password
from keyback.cli.agent_file import config_option
from keyback.errors import KeybackError

if TYPE_CHECKING:
    from keyback.agent.config import AgentConfig
    from keyback.agent.setup import Answers

__all__ = ["setup"]

CONFIRMATION_PAUSE = 2.0
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@config_option
@click.option("--portal", metavar="URL", help="The portal's address.")
@click.option("--portal-ca", type=_FILE, help="Authorities that vouch for the portal, in place of the system's.")
@click.option("--proxy", metavar="URL", help="A proxy on the way there; or: environment, none.")
@click.option("--code", help="One-time code of 'keyback agent-code create'; asked for if left out.")
@click.option("--name", help="What the portal calls this agent.")
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), help="Where it keeps keys and journal.")
@click.option("--forest", metavar="NAME", help="DNS name of the forest; a new name is set up beside the others.")
@click.option("--domain", "domains", multiple=True, help="What user IDs end in; may be repeated.")
@click.option("--server", "servers", multiple=True, help="ldaps://host or ldap://host; none: found by DNS.")
@click.option("--site", help="The Active Directory site whose controllers are preferred.")
@click.option("--scheme", type=click.Choice(["ldaps", "ldap"]), help="For controllers found by DNS.")
@click.option("--ca-file", type=_FILE, help="Authorities that vouch for the domain controllers.")
@click.option("--bind-dn", help="The service account.")
@click.option("--password-from", type=_FILE, help="A file that holds its password, for its owner alone.")
@click.option("--keytab", type=_FILE, help="Its keytab, in place of a password.")
@click.option("--base-dn", "base_dns", multiple=True, help="Where people are; may be repeated.")
@click.option("--filter", help="Which of them, as an LDAP filter.")
@click.option("--anchor", type=click.Choice(["objectGUID", "mS-DS-ConsistencyGuid"]), help="The source anchor.")
@click.option("--writeback/--no-writeback", default=None, help="Whether this agent takes resets.")
@click.option("--sync/--no-sync", default=None, help="Whether to synchronise at the end.")
@click.option("--yes", is_flag=True, help="Ask nothing: flags and what is set say everything.")
@click.option("--show", is_flag=True, help="Only show what is set.")
def setup(
    *, config_file: Path, yes: bool, show: bool, sync: bool | None, password_from: Path | None, **flags: Any
) -> None:
    """Set this agent up, or change how it is. Run again it shows what is set. Nothing is written before the end."""
    from keyback.agent.setup import Answers, answers_of, configure, onboarded

    present = _present(config_file)
    if show:
        if present is None:
            raise click.ClickException(f"{config_file}: there is nothing yet; run 'keyback agent setup'")
        _tell(config_file, answers_of(present, flags["forest"] or ""))
        return
    answers = Answers() if present is None else answers_of(present, flags["forest"] or "")
    answers = _with_flags(answers, flags, password_from)
    fresh = present is None or not onboarded(present)
    if present is not None and not yes and answers.forest:
        click.echo("As it is now")
        _tell(config_file, answers_of(present, answers.forest))
        click.echo()
    if not yes:
        click.echo("Setting up this agent. Enter keeps what stands in brackets; nothing is written before the end.")
        answers = _optional(_anchor(_directory(_portal(answers, fresh=fresh), config_file)))
    answers = _completed(answers, config_file, fresh=fresh)
    click.echo("\nReady to configure")
    _tell(config_file, answers)
    if not yes:
        click.confirm("Configure?", default=True, abort=True)
    done = configure(config_file, answers)
    click.echo("\nFinished")
    if done.onboarded:
        click.echo(f"{done.identity.organization} has to confirm this agent. Compare this fingerprint there:")
        click.echo(f"\n    {done.identity.fingerprint}\n")
        click.echo(f"Start it with: keyback agent run --config {config_file}. Confirmed, it synchronises by itself.")
    if sync is None:
        until = " (waits until it is confirmed; Ctrl-C leaves it to the running agent)" if done.onboarded else ""
        sync = not yes and click.confirm(f"Synchronise now?{until}", default=True)
    if sync:
        _synchronise(config_file)


def _present(file: Path) -> AgentConfig | None:
    from keyback.agent.config import load

    return load(file) if file.exists() else None


def _with_flags(answers: Answers, flags: dict[str, Any], password_from: Path | None) -> Answers:
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    if password_from is not None:
        given["password"] = asked_password("", password_from)
    for file in ("portal_ca", "ca_file", "keytab", "state_dir"):
        if file in given:
            given[file] = given[file].absolute()
    return replace(answers, **given)


# --- the pages


def _portal(answers: Answers, *, fresh: bool) -> Answers:
    _page("Portal")
    while True:
        answers = replace(
            answers,
            portal=_ask("Address of the portal", answers.portal, _address),
            proxy=_ask("Proxy (environment, none, or its address)", answers.proxy),
        )
        problem = _problem_on_the_way(answers)
        click.echo(f"That did not work: {problem}" if problem else "The portal answers.")
        if not problem or not click.confirm("Change something?", default=True):
            break
    answers = replace(answers, name=_ask("Name of this agent", answers.name))
    if answers.code:
        return answers
    question = "One-time code" if fresh else "One-time code (Enter: stay onboarded as it is)"
    return replace(answers, code=click.prompt(question, default=None if fresh else "", show_default=False).strip())


def _problem_on_the_way(answers: Answers) -> str:
    from pydantic import ValidationError

    from keyback.agent.checks.findings import Status
    from keyback.agent.checks.path import check_path
    from keyback.agent.clock import SystemClock
    from keyback.agent.proxies import ProxyConfig

    by_name = answers.proxy in ("environment", "none")
    given = {"mode": answers.proxy} if by_name else {"mode": "configured", "url": answers.proxy}
    try:
        proxy = ProxyConfig.model_validate(given)
        section = check_path(answers.portal, answers.portal_ca, proxy, now=SystemClock().now, idle=0, link=None)
    except ValidationError as error:
        return f"proxy: {error.errors()[0]['msg']}"
    except KeybackError as error:
        return str(error)
    failed = [finding for finding in section.findings if finding.status is Status.FAILED]
    return " ".join((failed[0].text, *failed[0].repair)) if failed else ""


def _directory(answers: Answers, file: Path) -> Answers:
    from keyback.agent.credentials import try_service_account
    from keyback.agent.setup import planned

    _page("Directory and service account")
    while True:
        answers = _completed(_account(answers), file, fresh=False)
        try:
            forest = next(one for one in planned(file, answers)[1].forest if one.name == answers.forest.lower())
            password = forest.service_password() if answers.password is None else answers.password
            click.echo(f"Signed in at {try_service_account(forest, password)}.")
        except KeybackError as error:
            click.echo(f"That did not work: {error}")
            if click.confirm("Change something?", default=True):
                answers = replace(answers, password=None)
                continue
        return answers


def _account(answers: Answers) -> Answers:
    forest = _ask("DNS name of the forest", answers.forest).lower()
    domains = _ask_list("User IDs end in", answers.domains or (forest,))
    servers = _ask_list("Domain controllers (ldaps://…; - to find them by DNS)", answers.servers or ("-",))
    servers = () if servers == ("-",) else servers
    site = answers.site if servers else _ask("Site (- for any)", answers.site or "-").replace("-", "", 1)
    ca_file = answers.ca_file
    if answers.keytab is None or any(one.startswith("ldaps:") for one in servers or (f"{answers.scheme}:",)):
        ca_file = Path(_ask("File of the authorities that vouch for them", str(ca_file or ""), _existing))
    answers = replace(answers, forest=forest, domains=domains, servers=servers, site=site, ca_file=ca_file)
    if answers.keytab is None:
        answers = replace(answers, bind_dn=_ask("Service account (distinguished name)", answers.bind_dn))
        if answers.password is None and _wants_password(answers):
            answers = replace(answers, password=asked_password("Its password", None))
    base = ",".join(f"DC={label}" for label in forest.split("."))
    return replace(answers, base_dns=_ask_list("People are in (; between several)", answers.base_dns or (base,), ";"))


def _wants_password(answers: Answers) -> bool:
    stored = answers.password_file is not None and answers.password_file.exists()
    return not stored or click.confirm("Its password is stored. Enter another one?", default=False)


def _anchor(answers: Answers) -> Answers:
    _page("Source anchor")
    click.echo("What a person is recognised by, whatever they are called. objectGUID suits one forest;")
    click.echo("mS-DS-ConsistencyGuid also accounts that move from forest to forest.")
    choice = click.Choice(["objectGUID", "mS-DS-ConsistencyGuid"], case_sensitive=False)
    return replace(answers, anchor=click.prompt("Anchor", default=answers.anchor, type=choice))


def _optional(answers: Answers) -> Answers:
    _page("Optional features")
    return replace(answers, writeback=click.confirm("Writeback: carry out resets", default=answers.writeback))


def _synchronise(file: Path) -> None:
    from keyback.cli.agent import agent

    _await_confirmation(file)
    agent.main(["sync", "run", "--config", str(file)], standalone_mode=False)


def _await_confirmation(file: Path) -> None:
    """Raises LinkError for anything else that keeps it out."""
    from keyback.agent.build import parts
    from keyback.agent.config import load
    from keyback.agent.exchange import NotConfirmed

    with parts(load(file)) as made:
        while True:
            try:
                made.link.sign_in()
                return
            except NotConfirmed:
                time.sleep(CONFIRMATION_PAUSE)


# --- small parts


def _completed(answers: Answers, file: Path, *, fresh: bool) -> Answers:
    """With what follows from the rest. Raises UsageError for what is still missing."""
    if answers.keytab is None and answers.password_file is None and answers.forest:
        folder = file.absolute().parent
        secrets = folder / "secrets"  # the package's: what is in there the service gets as a credential
        answers = replace(
            answers, password_file=(secrets if secrets.is_dir() else folder) / f"{answers.forest}.password"
        )
    if not answers.domains and answers.forest:
        answers = replace(answers, domains=(answers.forest,))
    missing = [f"--{name}" for name in ("portal", "forest") if not getattr(answers, name)]
    missing += ["--base-dn"] * (not answers.base_dns)
    missing += ["--bind-dn, or --keytab"] * (not answers.bind_dn and answers.keytab is None)
    stored = answers.password is not None or answers.keytab is not None or _stored(answers.password_file)
    missing += ["--password-from"] * (not stored)
    missing += ["--code"] * (fresh and not answers.code)
    if missing:
        raise click.UsageError(f"still needed: {', '.join(missing)}")
    return answers


def _stored(file: Path | None) -> bool:
    return file is not None and file.exists()


def _tell(file: Path, answers: Answers) -> None:
    from keyback.agent.setup import planned, summary

    forest = next(one for one in planned(file, answers)[1].forest if one.name == answers.forest.lower())
    lines = summary(answers, forest)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"  {name:<{width}}  {value}")
    click.echo(f"  {'Written to':<{width}}  {file}")


def _page(title: str) -> None:
    click.echo(f"\n{title}\n{'-' * len(title)}")


def _ask(question: str, present: str, check: Callable[[str], str] = str) -> str:
    answer = click.prompt(question, default=present or None, value_proc=lambda text: check(text.strip()))
    return str(answer)


def _ask_list(question: str, present: tuple[str, ...], between: str = ",") -> tuple[str, ...]:
    text = _ask(question, f"{between} ".join(present))
    return tuple(part.strip() for part in text.split(between) if part.strip())


def _address(text: str) -> str:
    from keyback.agent.config import secure_url

    try:
        return secure_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _existing(text: str) -> str:
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise click.BadParameter(f"{path}: there is no such file")
    return str(path)
