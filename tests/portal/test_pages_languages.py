"""Pages and mail speak the browser's language, and no sentence is left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import to_locale

import keyback.portal
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.models import Person
from tests.portal.walk import Walker, mails

PORTAL = Path(keyback.portal.__file__).parent
LOCALES = [to_locale(code) for code, _name in settings.LANGUAGES if code != "en"]


def test_a_german_browser_gets_german_pages(organization: Organization) -> None:
    page = Walker(language="de-AT,de;q=0.9,en;q=0.5").identify("nobody@example.test")
    assert page.heading == "Wie möchten Sie zeigen, dass Sie es sind?"
    assert '<html lang="de">' in page.response.content.decode()
    assert "Support-Code" in page.text


def test_an_unknown_language_gets_english(organization: Organization) -> None:
    assert Walker(language="tlh").get("/recover/").heading == "Who are you?"


def test_a_link_may_ask_for_a_language_and_the_pages_after_it_keep_it(organization: Organization) -> None:
    walker = Walker(language="en")
    assert '<html lang="fr">' in walker.get("/recover/?lang=fr").response.content.decode()
    assert '<html lang="fr">' in walker.get("/help").response.content.decode()
    assert '<html lang="zh-hans">' in walker.get("/help?lang=zh-Hans").response.content.decode()


@pytest.mark.parametrize("asked", ["tlh", "", "../../etc", "x" * 600, "%00", "de%0d%0aSet-Cookie:a=b"])
def test_a_language_that_is_none_of_ours_changes_nothing(asked: str, organization: Organization) -> None:
    page = Walker(language="de").get(f"/help?lang={asked}")
    assert page.status == 200
    assert '<html lang="de">' in page.response.content.decode()
    assert not page.response.cookies


def test_mail_is_in_the_language_of_the_recovery(ana: Person) -> None:
    add_mail(ana, "ana@private.test", origin="operator", by="operator:test", now=ana.organization.created_at)
    walker = Walker(language="de")
    walker.ask_for_code(walker.identify("ana@example.test"))
    assert mails()[-1]["subject"] == "Ihr Code von Example Ltd"


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogues as they become when every text of the portal is gathered anew."""
    copy = tmp_path_factory.mktemp("gathered") / "portal"
    shutil.copytree(PORTAL, copy, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    wanted = [argument for locale in LOCALES for argument in ("-l", locale)]
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", *wanted, "--no-location", "--no-obsolete"],
        cwd=copy,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(Path.cwd())},
        check=True,
        capture_output=True,
    )
    return copy / "locale"


@pytest.mark.parametrize("locale", LOCALES)
def test_no_sentence_is_untranslated(locale: str, gathered: Path) -> None:
    catalogue = gathered / locale / "LC_MESSAGES" / "django.po"
    for wanting in ("--untranslated", "--only-fuzzy"):
        left = subprocess.run(["msgattrib", wanting, catalogue], check=True, capture_output=True, text=True).stdout
        assert left == ""


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalogue_is_the_written_one(locale: str, tmp_path: Path) -> None:
    folder = PORTAL / "locale" / locale / "LC_MESSAGES"
    compiled = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "--check-format", "-o", compiled, folder / "django.po"], check=True)
    assert compiled.read_bytes() == (folder / "django.mo").read_bytes()
