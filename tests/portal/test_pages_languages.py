"""Pages and mail speak the browser's language, and no sentence is left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

import keyback.portal
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.models import Person
from tests.portal.walk import Walker, mails

PORTAL = Path(keyback.portal.__file__).parent
OTHERS = [code for code, _name in settings.LANGUAGES if code != "en"]


def test_a_german_browser_gets_german_pages(organization: Organization) -> None:
    page = Walker(language="de-AT,de;q=0.9,en;q=0.5").identify("nobody@example.test")
    assert page.heading == "Wie möchten Sie zeigen, dass Sie es sind?"
    assert '<html lang="de">' in page.response.content.decode()
    assert "Support-Code" in page.text


def test_an_unknown_language_gets_english(organization: Organization) -> None:
    assert Walker(language="tlh").get("/recover/").heading == "Who are you?"


def test_mail_is_in_the_language_of_the_recovery(ana: Person) -> None:
    add_mail(ana, "ana@private.test", origin="operator", by="operator:test", now=ana.organization.created_at)
    walker = Walker(language="de")
    walker.ask_for_code(walker.identify("ana@example.test"))
    assert mails()[-1]["subject"] == "Ihr Code von Example Ltd"


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_is_untranslated(language: str, tmp_path: Path) -> None:
    copy = tmp_path / "portal"
    shutil.copytree(PORTAL, copy, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", language, "--no-location", "--no-obsolete"],
        cwd=copy,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(Path.cwd())},
        check=True,
        capture_output=True,
    )
    catalogue = copy / "locale" / language / "LC_MESSAGES" / "django.po"
    for wanting in ("--untranslated", "--only-fuzzy"):
        left = subprocess.run(["msgattrib", wanting, catalogue], check=True, capture_output=True, text=True).stdout
        assert left == ""


@pytest.mark.parametrize("language", OTHERS)
def test_the_compiled_catalogue_is_the_written_one(language: str, tmp_path: Path) -> None:
    folder = PORTAL / "locale" / language / "LC_MESSAGES"
    compiled = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "--check-format", "-o", compiled, folder / "django.po"], check=True)
    assert compiled.read_bytes() == (folder / "django.mo").read_bytes()
