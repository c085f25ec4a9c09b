"""A made-up organization and its people, as the portal's tests need them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from django.conf import settings
from django.db import connection

from keyback.portal.agents.models import Agent
from keyback.portal.config import PasswordsConfig
from keyback.portal.methods.questions import answers
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people import cloud
from keyback.portal.people.models import Person
from tests.portal.agents import confirmed_agent
from tests.portal.commands import Here, Keyback

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords and answers are hashed at next to no cost. What it must be is shown in test_cloud_passwords.py."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(cloud, "_hasher", cheap)
    monkeypatch.setattr(answers, "_hasher", cheap)
    cloud._nobody.cache_clear()
    answers._nobodys.cache_clear()
    yield
    cloud._nobody.cache_clear()
    answers._nobodys.cache_clear()


@pytest.fixture
def now() -> datetime:
    """The moment at which a test happens, where it does not walk through time."""
    return NOW


@pytest.fixture
def make_organization(db: None) -> Callable[..., Organization]:
    """make_organization("Example Ltd", "example.test", …): with verified domains."""

    def make(name: str = "Example Ltd", *domains: str) -> Organization:
        organization = setup.create(name, by="operator:test", now=NOW)
        for name_of_domain in domains:
            domain = setup.add_domain(organization, name_of_domain, by="operator:test", now=NOW)
            setup.verify_domain(domain, by="operator:test", how="operator", now=NOW)
        return organization

    return make


@pytest.fixture
def organization(make_organization: Callable[..., Organization]) -> Organization:
    """Example Ltd with example.test; the instance's default organization."""
    return make_organization("Example Ltd", "example.test")


@pytest.fixture
def agent(organization: Organization) -> Agent:
    """A confirmed agent of Example Ltd that serves corp.example.test."""
    return confirmed_agent(organization, "corp.example.test", now=NOW).row


@pytest.fixture
def verified(organization: Organization) -> Domain:
    return Domain.objects.get(organization=organization)


@pytest.fixture
def ana(organization: Organization) -> Person:
    """A cloud person."""
    from keyback.portal.people.create import create_cloud_person

    return create_cloud_person(organization, "ana@example.test", display_name="Ana Abel", by="operator:test", now=NOW)


@pytest.fixture
def keyback(transactional_db: None, tmp_path: Path) -> Keyback:
    """`keyback` on the database and the keys of this test."""
    own = settings.CONFIG
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        place = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
        url = f"postgresql://{database['USER']}:{quote(database['PASSWORD'])}@{place}"
    config = tmp_path / "portal.toml"
    config.write_text(
        f'public_url = "{own.public_url}"\nstate_dir = "{tmp_path}"\nkeys_dir = "{own.keys_dir}"\ndatabase = "{url}"\n'
    )
    return Keyback(config)


@pytest.fixture
def here(db: None) -> Here:
    """`keyback` within this process."""
    return Here()


@pytest.fixture
def configure() -> Iterator[Callable[..., None]]:
    """[passwords] of the portal's own file, as if it had been started with it."""
    before = settings.CONFIG

    def take(config: Any) -> None:
        settings.CONFIG = config
        cloud._breached.cache_clear()
        cloud.further_rules.cache_clear()

    yield lambda **values: take(before.model_copy(update={"passwords": PasswordsConfig.model_validate(values)}))
    take(before)
