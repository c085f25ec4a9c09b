"""The portal's own help: every link of a page and of a refusal leads to a topic that is there."""

import re

import pytest
from django.test import Client

from keyback.portal.help.topics import FOR_ADMINISTRATORS, FOR_PEOPLE
from keyback.portal.organizations.models import Organization
from keyback.portal.recovery.wording import _REFUSALS
from tests.portal.walk import Walker, read

PAGES = ("/help", "/help/administrators")


@pytest.mark.parametrize("path", PAGES)
def test_each_topic_of_the_table_of_contents_is_on_the_page(path: str, organization: Organization) -> None:
    page = Walker().get(path)
    ids = re.findall(r'id="([^"]+)"', page.response.content.decode())
    fragments = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert fragments
    assert set(fragments) <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", PAGES)
def test_every_other_link_of_the_help_answers(path: str, organization: Organization) -> None:
    walker = Walker()
    others = [link for link in walker.get(path).links if not link.startswith("#")]
    assert others
    assert all(walker.get(link).status == 200 for link in others)


@pytest.mark.parametrize("code", sorted({refusal.code for refusal in _REFUSALS.values() if refusal.code}))
def test_each_code_that_a_refusal_shows_has_its_place(code: str, organization: Organization) -> None:
    assert f'id="{code}"' in Walker().get("/help").response.content.decode()


def test_the_help_is_there_without_a_database(settings: object, client: Client) -> None:
    """No ``db`` fixture: a query would fail the test."""
    for path in PAGES:
        assert read(client.get(path)).status == 200


def test_no_id_stands_for_two_topics() -> None:
    for chapters in (FOR_PEOPLE, FOR_ADMINISTRATORS):
        ids = [topic.id for chapter in chapters for topic in chapter.topics]
        assert len(ids) == len(set(ids))
