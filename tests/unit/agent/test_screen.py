"""The agent's own look at new passwords: its modes, the organization's signed list, and what becomes of a bad one."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from tests.unit.agent.test_events import FixedClock

from keyback.agent.config import Passwords
from keyback.agent.events import EventLog, read_events
from keyback.agent.files import write_private
from keyback.agent.identity import Identity
from keyback.agent.screen import Screen
from keyback.errors import ConfigurationError
from keyback.passwords import PersonNames
from keyback.passwords.breached import Kind, digest_of
from keyback.passwords.breachedbuild import build
from keyback.passwords.terms import TermsRefused
from keyback.protocol.encoding import b64encode
from keyback.protocol.errors import Forged
from keyback.protocol.messages import BannedTerms, SignedTerms
from keyback.protocol.signing import sign_banned_terms

PORTAL = Ed25519PrivateKey.generate()
ORGANIZATION = uuid4()
ADA = PersonNames("ada", "Ada Lovelace", "Ada", "King", "countess@corp.example.test")
FINE = "Kd8%vw-Qz2#m"


def signed(
    version: int, *terms: str, key: Ed25519PrivateKey = PORTAL, organization: UUID = ORGANIZATION, **more: object
) -> SignedTerms:
    values = {"organization_id": organization, "version": version, "terms": "\n".join(terms), **more}
    content = BannedTerms.model_validate(values).to_bytes()
    return SignedTerms(content=b64encode(content), signature=b64encode(sign_banned_terms(key, content)))


def screen(folder: Path, **settings: object) -> Screen:
    identity = Identity(
        uuid4(), ORGANIZATION, "Contoso Ltd", "agent", "https://p.test", PORTAL.public_key(), "https://p.test", "", {}
    )
    passwords = Passwords.model_validate(settings)
    return Screen(passwords, identity=identity, state_dir=folder, events=EventLog(folder, FixedClock()))


def codes(screen: Screen, password: str, names: PersonNames, current: str | None = None) -> list[str]:
    return [finding.code.value for finding in screen.judge(password, names, current)]


def names_of(folder: Path) -> list[str]:
    return [event.name for event in read_events(folder)]


def test_without_a_list_the_builtin_one_is_enforced(tmp_path: Path) -> None:
    found = screen(tmp_path)
    assert (found.mode, found.version) == ("enforce", 0)
    assert codes(found, "Password1", ADA) == ["banned"]
    assert codes(found, "xx-c0ntoso-xx", ADA) == ["name"]  # the organization's name
    assert codes(found, "c0untess-1842", ADA) == ["name"]  # the local part of the user ID
    assert codes(found, FINE, ADA) == []


def test_a_signed_list_counts_beside_the_builtin_one_and_after_a_restart(tmp_path: Path) -> None:
    first = screen(tmp_path)
    assert codes(first, "Zyxopolis1", ADA) == []
    assert first.take(signed(7, "zyxopolis"))
    assert not first.take(signed(7, "other"))  # not newer
    again = screen(tmp_path)
    for one in (first, again):
        assert one.version == 7
        assert codes(one, "Zyxop0lis1", ADA) == ["banned"]
        assert codes(one, "Password1", ADA) == ["banned"]
    assert names_of(tmp_path) == ["BannedListTaken"]


def test_the_list_brings_its_mode_and_the_agents_own_file_wins(tmp_path: Path) -> None:
    found = screen(tmp_path)
    found.take(signed(1, mode="audit", strict=True))
    assert found.mode == "audit"
    assert screen(tmp_path, mode="enforce").mode == "enforce"
    assert codes(found, "zyxopoliszyxopolis", ADA) == []
    found.take(signed(2, "zyxopolis", mode="off"))
    assert codes(found, "Password1", ADA) == []


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (signed(9, "zyxopolis", key=Ed25519PrivateKey.generate()), Forged),
        (signed(9, "zyxopolis", organization=uuid4()), TermsRefused),
        (signed(9, "abc"), TermsRefused),
    ],
    ids=["forged", "another organization's", "not a term"],
)
def test_a_bad_list_is_refused_and_the_last_good_one_stays(
    tmp_path: Path, bad: SignedTerms, error: type[Exception]
) -> None:
    found = screen(tmp_path)
    found.take(signed(3, "vexillum"))
    with pytest.raises(error):
        found.take(bad)
    for one in (found, screen(tmp_path)):
        assert one.version == 3
        assert codes(one, "Vexillum1", ADA) == ["banned"]


def test_a_damaged_compiled_list_is_made_anew(tmp_path: Path) -> None:
    screen(tmp_path).take(signed(3, "vexillum"))
    for damage in (b"KEYBACK BANNED 1\n{}", b""):
        (tmp_path / "banned.compiled").write_bytes(damage)
        assert codes(screen(tmp_path), "Vexillum1", ADA) == ["banned"]


def test_a_kept_list_that_somebody_altered_is_not_believed(tmp_path: Path) -> None:
    screen(tmp_path).take(signed(3, "vexillum"))
    altered = signed(3, mode="off", key=Ed25519PrivateKey.generate())
    write_private(tmp_path / "banned.json", altered.model_dump_json().encode())
    found = screen(tmp_path)
    assert (found.mode, found.version) == ("enforce", 0)
    assert codes(found, "Password1", ADA) == ["banned"]
    assert names_of(tmp_path)[-1] == "BannedListDamaged"


def test_the_agents_own_terms_and_strictness(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("gondwana\n")
    found = screen(tmp_path, banned_file=str(tmp_path / "own.txt"), strict=True)
    assert codes(found, "Gondwana9", ADA) == ["banned"]
    assert codes(found, "gondwana" * 6, ADA) == ["banned"]
    found.take(signed(1, "vexillum"))
    assert codes(found, "Gondwana9", ADA) == ["banned"]
    assert codes(found, "Vexillum9", ADA) == ["banned"]


def test_a_file_of_breached_passwords(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text(digest_of(FINE, Kind.SHA1).hex() + ":1\n")
    build([tmp_path / "corpus"], tmp_path / "breached", Kind.SHA1)
    found = screen(tmp_path, breached_file=str(tmp_path / "breached"))
    assert codes(found, FINE, ADA) == ["breached"]
    (tmp_path / "corpus").write_text(digest_of("another", Kind.SHA1).hex() + ":1\n")
    build([tmp_path / "corpus"], tmp_path / "breached", Kind.SHA1)
    assert codes(found, FINE, ADA) == []  # the new file, without a restart


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "loud"},
        {"breached_url": "https://ranges.example.test/range"},  # without the choice
        {"breached_url": "http://ranges.example.test/range", "breached_without_answer": "accept"},
        {"breached_url": "https://r.test", "breached_without_answer": "accept", "breached_file": "/x"},
    ],
)
def test_settings_that_say_too_little_or_too_much_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Passwords.model_validate(settings)


@pytest.mark.parametrize("mode", ["enforce", "off"])
def test_a_profile_counts_whatever_the_mode(tmp_path: Path, mode: str) -> None:
    found = screen(tmp_path, mode=mode, profile="typical")
    assert codes(found, "Kd8%vw-Qz2#m-7x-R", ADA) == ["too_long"]
    assert codes(found, "Kd8vwQz2m7xR", ADA) == ["symbol"]
    assert found.judge("Kd8%vw-Qz2#m-7x-R", ADA)[0].params == {"maximum": 16}


def test_a_policy_file_may_look_at_the_password_until_now(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("similar_percent = 70\n")
    found = screen(tmp_path, policy_file=str(tmp_path / "policy.toml"))
    assert codes(found, FINE + "-2", ADA, FINE + "-1") == ["similar"]
    assert codes(found, FINE + "-2", ADA) == []
    with pytest.raises(ConfigurationError, match="No such file"):
        screen(tmp_path, policy_file=str(tmp_path / "missing"))
