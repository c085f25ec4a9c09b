"""The whole report, section after section, as they are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta

from keyback.agent.checks.findings import Finding, Section, Status
from keyback.agent.checks.path import check_path
from keyback.agent.checks.plan import plan
from keyback.agent.checks.readiness import Candidate, candidates, hides_its_kind
from keyback.agent.checks.repairs import inherit_again
from keyback.agent.checks.rights import Judge
from keyback.agent.checks.servers import check_server
from keyback.agent.clock import SystemClock
from keyback.agent.config import AgentConfig, ForestConfig
from keyback.agent.exchange import http_client
from keyback.agent.forests import Forest
from keyback.agent.identity import Identity, load_identity
from keyback.agent.keys import KeyStore
from keyback.agent.link import Link
from keyback.directory import Account, Reason, Refusal, find_account, read_account
from keyback.directory.errors import DirectoryError, NotFound
from keyback.errors import ConfigurationError

__all__ = ["Report"]


@dataclass
class Report:
    """``idle``: see `check_path`. ``progress`` is told how many people were looked at.

    After `sections`, ``people`` holds who was looked at: nobody where one was named.
    """

    config: AgentConfig
    idle: float = 0
    progress: Callable[[int], None] = lambda _: None

    def __post_init__(self) -> None:
        self.people: list[Candidate] = []

    @property
    def portal(self) -> str | None:
        """The portal's address, from the file or from onboarding; None before either."""
        identity, _ = _identity(self.config)
        return self.config.portal or (identity.portal if identity else None)

    def sections(self, person: str | None = None) -> Iterator[Section]:
        """Everything; of the rights only those on ``person`` if one is named."""
        identity, problem = _identity(self.config)
        yield plan(self.config, self.portal)
        if problem:
            yield Section("This agent's own files", (Finding("agent.files", Status.WARNING, problem),))
        if self.portal is not None:
            yield self._way(self.portal, identity)
        for forest in self.config.forest:
            yield from self._forest(forest, person)

    def _way(self, portal: str, identity: Identity | None) -> Section:
        clock = SystemClock()
        with ExitStack() as opened:
            link = None
            if identity is not None:
                keys = KeyStore.load(self.config.state_dir / "keys", timedelta(seconds=self.config.key_life_s))
                link = Link(http_client(self.config.ca_file, self.config.proxy), identity, portal, keys.sign, clock)
                opened.callback(link.close)
            return check_path(portal, self.config.ca_file, self.config.proxy, now=clock.now, idle=self.idle, link=link)

    def _forest(self, forest: ForestConfig, person: str | None) -> Iterator[Section]:
        try:
            servers = forest.servers_with_password() or tuple(server for server, _ in forest.discover())
        except (ConfigurationError, DirectoryError) as error:
            failed = Finding("directory.configuration", Status.FAILED, str(error))
            yield Section(f"Directory {forest.name}", (failed,))
            return
        for server in servers:
            yield check_server(forest, server, now=SystemClock().now)
        with closing(Forest(forest, servers, self.config.protected, 2)) as reached:
            try:
                yield from self._people(reached, person)
            except DirectoryError as error:
                failed = Finding("rights.directory", Status.FAILED, f"Not judged: {error.message}")
                yield Section(f"Rights in {forest.name}", (failed,))

    def _people(self, forest: Forest, person: str | None) -> Iterator[Section]:
        with forest.connection() as connection:
            judge = Judge(connection, forest.config.base_dns)
            if person is None:
                for candidate in candidates(forest, judge, connection):
                    self.people.append(candidate)
                    self.progress(len(self.people))
                yield judge.everybody()
                return
            try:
                account = read_account(connection, find_account(connection, person))
            except NotFound as error:
                failed = Finding("rights.person", Status.FAILED, error.message)
                yield Section(f"Rights on {person} in {forest.name}", (failed,))
                return
            refusal = forest.guard(connection).refusal(account, connection.server_time())
            hidden = hides_its_kind(account)
            yield judge.person(account, protected=refusal is not None and refusal.protected and not hidden)
            if refusal:
                yield Section(f"{person} itself", (_refused(account, refusal),))


def _refused(account: Account, refusal: Refusal) -> Finding:
    if hides_its_kind(account):
        text = "Refused: its userAccountControl cannot be read, so that nobody knows what it is"
        return Finding("person.refused", Status.FAILED, text, inherit_again(account.dn))
    text = f"Refused whatever the rights: {refusal.reason.replace('_', ' ')} {refusal.detail}".rstrip()
    repair: tuple[str, ...] = ()
    if refusal.reason is Reason.ADMIN_COUNT:
        repair = (
            "If this is no administrator any more, clear adminCount and let it inherit again:",
            *inherit_again(account.dn),
        )
    return Finding("person.refused", Status.FAILED, text, repair)


def _identity(config: AgentConfig) -> tuple[Identity | None, str]:
    """Who this agent is, or what is wrong with what it knows of itself."""
    try:
        identity = load_identity(config.state_dir)
        KeyStore.load(config.state_dir / "keys", timedelta(seconds=config.key_life_s))
    except ConfigurationError as error:
        return None, str(error)
    return identity, ""
