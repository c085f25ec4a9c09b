"""What is kept of a cloud person's password, and what may become one."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from pydantic import ValidationError

from keyback.passwords.breached import BreachedDamaged, Kind, digest_of
from keyback.passwords.breachedbuild import build
from keyback.portal.config import PasswordsConfig
from keyback.portal.people import cloud
from keyback.portal.people.cloud import set_password, verify_password
from keyback.portal.people.models import CloudPassword, Person
from tests.support.ranges import ranges

OLD = "Sommer-war-warm-6"
FINE = "Kd8%vw-Qz2#m"

Configure = Callable[..., None]


@pytest.fixture
def cheap_hashes() -> None:
    """Not here: they are what people's are."""


def codes(person: Person, password: str) -> list[str]:
    return [finding.code.value for finding in cloud.findings(person, password)]


def test_the_hash_is_argon2id_and_an_older_one_is_made_anew_when_it_is_used(ana: Person, now: datetime) -> None:
    set_password(ana, OLD, now)
    CloudPassword.objects.update(hash=PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(OLD))
    assert not verify_password(ana, "wrong")
    assert "m=1024" in CloudPassword.objects.get().hash
    assert verify_password(ana, OLD)
    strong = CloudPassword.objects.get()
    assert strong.hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert strong.changed_at == now
    assert verify_password(ana, OLD)
    assert CloudPassword.objects.get().hash == strong.hash


def test_breached_ones_are_refused_out_of_a_file(ana: Person, configure: Configure, tmp_path: Path) -> None:
    assert codes(ana, FINE) == []
    (tmp_path / "corpus").write_text(digest_of(FINE, Kind.SHA1).hex() + ":1\n")
    build([tmp_path / "corpus"], tmp_path / "breached", Kind.SHA1)
    configure(breached_file=tmp_path / "breached")
    assert [codes(ana, FINE), codes(ana, FINE + "1")] == [["breached"], []]


def test_breached_ones_are_refused_by_a_range_service_and_what_it_cannot_say_by_the_setting(
    ana: Person, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ranges(FINE) as service:
        configure(breached_url=service.url, breached_without_answer="refuse")
        assert [codes(ana, FINE), codes(ana, FINE + "1")] == [["breached"], []]
        service.manner = "fails"
        assert codes(ana, FINE + "1") == ["unchecked"]
        configure(breached_url=service.url, breached_without_answer="accept")
        assert codes(ana, FINE) == []
    assert "could not be held against breached ones" in caplog.text
    assert "/range/" not in caplog.text  # the address holds digits of the hash


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"breached_url": "https://ranges.example.test"}, "needs breached_without_answer"),
        ({"breached_url": "http://ranges.example.test", "breached_without_answer": "accept"}, "https://"),
        ({"profile": "strong"}, "no such profile; there are: none, directory"),
        ({"profile": "nist", "policy_file": "/x"}, "not both"),
        ({"breached_url": "https://r.test", "breached_without_answer": "accept", "breached_file": "/x"}, "not both"),
    ],
)
def test_settings_that_say_too_little_or_too_much_are_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        PasswordsConfig.model_validate(values)


def test_a_file_that_cannot_be_used_stops_the_start(configure: Configure, tmp_path: Path) -> None:
    configure(breached_file=tmp_path / "missing")
    with pytest.raises(BreachedDamaged, match="No such file"):
        cloud.check_settings()


def test_a_profile_adds_its_rules(ana: Person, configure: Configure) -> None:
    seventeen = "Kd8%vw-Qz2#m-7x-R"
    assert [codes(ana, seventeen), codes(ana, "Kd8vwQz2m7xR")] == [[], []]
    configure(profile="typical")
    assert [codes(ana, seventeen), codes(ana, "Kd8vwQz2m7xR")] == [["too_long"], ["symbol"]]
    assert codes(ana, "Kd8%vw-Qz2#m-7x-") == []


def test_a_policy_file_may_look_at_the_password_until_now(ana: Person, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("similar_percent = 70\n")
    configure(policy_file=tmp_path / "policy.toml")
    assert [finding.code for finding in cloud.findings(ana, FINE + "-2", FINE + "-1")] == ["similar"]
    assert codes(ana, FINE + "-2") == []
