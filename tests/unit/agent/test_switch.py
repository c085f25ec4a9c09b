"""The agent's switch for writeback: what it does to keys, file and log, and how it goes with the portal's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyback.agent.catalogue import Kind
from keyback.agent.config import AgentConfig
from keyback.agent.events import Field
from keyback.agent.exchange import Cause, LinkError, Refused, Unreachable
from keyback.agent.identity import Identity, load_identity, store_identity
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyStore
from keyback.agent.switch import State, Switchboard, SwitchFailed
from keyback.errors import ConfigurationError
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import ForestName, ForestState, ForestStates, Onboarded, Served

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CORP, LABS = "corp.example.test", "labs.example.test"


@dataclass
class Portal:
    """Answers for the forests that it knows; ``own``: its switch for each."""

    own: dict[str, bool] = field(default_factory=lambda: {CORP: True})
    numbers: dict[str, UUID] = field(default_factory=lambda: {CORP: uuid4(), LABS: uuid4()})
    said: list[Served] = field(default_factory=list)
    trouble: LinkError | None = None

    def serve(self, served: Served) -> ForestStates:
        if self.trouble:
            raise self.trouble
        self.said.append(served)
        states = [
            ForestState(id=self.numbers[one.name], name=one.name, writeback=self.own[one.name])
            for one in served.forests
            if one.name in self.own
        ]
        return ForestStates(forests=states)

    def last(self) -> dict[str, str]:
        return {one.name: one.writeback for one in self.said[-1].forests}


@dataclass
class Log:
    ids: list[str] = field(default_factory=list)

    def write(self, kind: Kind, message: str = "", *, tracking_id: UUID | None = None, **fields: Field) -> None:
        self.ids.append(kind.value.id)

    def has(self, kind: Kind, tracking_id: UUID, request_id: UUID) -> bool:
        return False


@dataclass
class Site:
    folder: Path
    portal: Portal = field(default_factory=Portal)
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        onboarded = Onboarded(
            agent_id=uuid4(),
            organization_id=uuid4(),
            organization="Example",
            portal_public=b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
            audience="",
            fingerprint="",
            forests=[ForestName(id=self.portal.numbers[CORP], name=CORP)],
        )
        self.identity: Identity = store_identity(self.folder, name="agent", portal="", onboarded=onboarded)
        self.keys = KeyStore.create(self.folder, timedelta(days=1), NOW)
        self.journal = Journal(self.folder / "journal.sqlite")
        self.board = self.make(CORP)

    def make(self, *forests: str) -> Switchboard:
        one = {
            "domains": ["example.test"],
            "servers": ["ldaps://127.0.0.1"],
            "ca_file": "ca.pem",
            "bind_dn": "CN=svc",
            "password_file": "password",
            "base_dns": ["DC=example"],
        }
        config = AgentConfig.model_validate(
            {"state_dir": self.folder, "forest": [{"name": name, **one} for name in forests]}
        )
        return Switchboard(
            config=config,
            identity=self.identity,
            keys=self.keys,
            link=self.portal,
            journal=self.journal,
            events=self.log,
        )

    def key(self) -> str:
        return self.keys.newest().key


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.journal.close()


def test_an_agent_from_before_the_switch_is_on(site: Site) -> None:
    assert site.board.switch.of(CORP) is State.ON
    site.board.agree(NOW)
    assert site.portal.last() == {CORP: "on"}
    assert site.log.ids == []


def test_off_destroys_the_keys_here_and_tells_the_portal(site: Site) -> None:
    old = site.key()
    site.board.off()
    assert site.board.switch.of(CORP) is State.OFF
    assert site.keys.private(old) is None
    assert site.portal.last() == {CORP: "off"}
    assert site.log.ids == ["31012", "31017", "31013"]


def test_on_makes_a_new_key_and_tells_it_with_the_switch(site: Site) -> None:
    old = site.key()
    site.board.off()
    site.log.ids.clear()
    assert site.board.on(NOW) == [CORP]
    assert site.key() != old
    assert site.portal.said[-1].unseal == site.keys.newest()
    assert not site.keys.unannounced()
    assert site.log.ids == ["31004", "31018", "31017", "31005"]


def test_off_counts_here_also_while_the_portal_cannot_be_told_which_is_done_later(site: Site) -> None:
    site.portal.trouble = Unreachable("no way", Cause.NETWORK)
    with pytest.raises(SwitchFailed, match="31014"):
        site.board.off()
    assert site.log.ids == ["31012", "32013", "31014"]
    assert site.board.switch.of(CORP) is State.OFF
    assert site.keys.ages() == []
    site.portal.trouble = None
    site.board.agree(NOW)
    assert site.portal.last() == {CORP: "off"}


@pytest.mark.parametrize(
    ("trouble", "event"),
    [(Unreachable("no way", Cause.NETWORK), "32011"), (Refused("agent_revoked", ""), "32009")],
)
def test_on_that_the_portal_does_not_hear_leaves_it_off(site: Site, trouble: LinkError, event: str) -> None:
    site.board.off()
    site.log.ids.clear()
    site.portal.trouble = trouble
    with pytest.raises(SwitchFailed, match=event):
        site.board.on(NOW)
    assert site.log.ids == ["31004", "31018", event]
    assert site.board.switch.of(CORP) is State.OFF


def test_the_portals_own_switch_is_followed_and_comes_back_with_new_keys(site: Site) -> None:
    old = site.key()
    site.portal.own[CORP] = False
    site.board.agree(NOW)
    assert site.board.switch.of(CORP) is State.OFF_BY_PORTAL
    assert site.keys.ages() == []
    site.board.agree(NOW)
    assert site.log.ids == ["31012", "31013"], "it is told once"
    site.portal.own[CORP] = True
    site.board.agree(NOW)
    assert site.board.switch.of(CORP) is State.ON
    assert site.key() != old and site.portal.said[-1].unseal == site.keys.newest()
    assert site.log.ids[2:] == ["31004", "31018", "31017", "31005"]


def test_what_the_agents_own_administrator_switched_off_the_portal_does_not_switch_on(site: Site) -> None:
    site.board.off()
    site.portal.own[CORP] = False
    site.board.agree(NOW)
    site.portal.own[CORP] = True
    site.board.agree(NOW)
    assert site.board.switch.of(CORP) is State.OFF


def test_on_while_the_portals_switch_is_off_says_so_by_what_it_leaves_out(site: Site) -> None:
    site.portal.own[CORP] = False
    assert site.board.on(NOW) == []
    assert "31005" not in site.log.ids


def test_a_forest_added_later_is_known_but_off_until_off_and_on(site: Site) -> None:
    board = site.make(CORP, LABS)
    site.portal.own[LABS] = True
    board.agree(NOW)
    assert site.portal.last() == {CORP: "on", LABS: "added"}
    assert board.switch.of(LABS) is State.ADDED
    assert load_identity(site.folder).forest_id(LABS) == site.portal.numbers[LABS]
    board.off()
    assert board.on(NOW) == [CORP, LABS]
    assert board.switch.of(LABS) is State.ON


def test_a_forest_that_the_portal_does_not_allow_is_told_as_6329(site: Site) -> None:
    board = site.make(CORP, LABS)
    assert board.on(NOW) == [CORP]
    assert "6329" in site.log.ids


def test_a_damaged_switch_is_named_and_mended_by_switching(site: Site) -> None:
    (site.folder / "writeback.json").write_text("{")
    (site.folder / "writeback.json").chmod(0o600)
    with pytest.raises(ConfigurationError, match="damaged"):
        site.board.switch.of(CORP)
    site.board.on(NOW)
    assert site.board.switch.of(CORP) is State.ON
