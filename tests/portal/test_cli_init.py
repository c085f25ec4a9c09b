"""`keyback init`, `keyback migrate`, and what every command has in common."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.http.request import split_domain_port, validate_host

from keyback import __version__
from keyback.portal.config import load
from tests.portal.commands import Keyback


@pytest.fixture
def keyback(tmp_path: Path) -> Keyback:
    return Keyback(tmp_path / "portal" / "portal.toml")


def init(keyback: Keyback) -> str:
    return keyback.ok("init", "--dir", keyback.config.parent, "--public-url", "http://127.0.0.1:18000")


@pytest.fixture(scope="module")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keyback = Keyback(tmp_path_factory.mktemp("made") / "portal" / "portal.toml")
    init(keyback)
    return keyback.config.parent


@pytest.fixture
def made(_made_once: Path, keyback: Keyback) -> Keyback:
    """A portal fresh from `keyback init`."""
    shutil.copytree(_made_once, keyback.config.parent)
    text = keyback.config.read_text().replace(str(_made_once), str(keyback.config.parent))
    keyback.config.write_text(text)
    return keyback


def test_init_makes_configuration_keys_and_database_that_others_cannot_read(keyback: Keyback) -> None:
    said = init(keyback)
    assert "keyback org create" in said
    settings = tomllib.loads(keyback.config.read_text())
    assert settings["public_url"] == "http://127.0.0.1:18000"
    assert settings["listen"] == "127.0.0.1:18000"
    for path in (keyback.config, *keyback.config.parent.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    database = Path(settings["database"].removeprefix("sqlite:///"))
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM organizations_organization").fetchone() == (0,)
    keyback.ok("org", "list")


@pytest.mark.parametrize(
    "url",
    [
        *("https://reset.example.com/keyback", "https://reset.example.com/?a=b", "https://reset.example.com#a"),
        *("https://me:secret@reset.example.com", "https://reset.example.com:99999", "https://", "https://:8443"),
        *("http://reset.example.com", "http://localhost.example.com", "http://127.example.com", "reset.example.com"),
    ],
)
def test_what_is_no_address_for_people_is_refused(keyback: Keyback, url: str) -> None:
    said = keyback.refused("init", "--dir", keyback.config.parent, "--public-url", url)
    assert "secret" not in said
    assert not keyback.config.exists()


def test_browsers_say_it_in_small_letters_and_without_the_usual_port(keyback: Keyback) -> None:
    keyback.ok("init", "--dir", keyback.config.parent, "--public-url", "https://Reset.Example.com:443/")
    made = load(keyback.config)
    assert (made.origin, made.host_header) == ("https://reset.example.com", "reset.example.com")


def test_the_address_may_be_one_of_ipv6(keyback: Keyback) -> None:
    keyback.ok("init", "--dir", keyback.config.parent, "--public-url", "http://[::1]:18000")
    made = load(keyback.config)
    assert made.listen == "[::1]:18000"
    name, _port = split_domain_port("[::1]:18000")  # as Django reads what a browser sends
    assert validate_host(name, [made.host_header])
    assert made.origin == "http://[::1]:18000"


def test_init_on_postgresql(keyback: Keyback, postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE made_by_init")
    url = urlsplit(postgres)._replace(path="/made_by_init").geturl()
    os.environ["KEYBACK_DATABASE"] = url
    try:
        init(keyback)
    finally:
        del os.environ["KEYBACK_DATABASE"]
    keyback.ok("org", "create", "Example Ltd", "--slug", "example")
    assert "example" in keyback.ok("org", "list")
    assert keyback.ok("migrate") == "The database is up to date.\n"
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT slug FROM organizations_organization").fetchall() == [("example",)]


def test_init_never_overwrites(made: Keyback) -> None:
    before = {path: path.read_bytes() for path in made.config.parent.rglob("*") if path.is_file()}
    said = made.refused("init", "--dir", made.config.parent, "--public-url", "http://127.0.0.1:18000")
    assert "nothing was changed" in said
    assert before == {path: path.read_bytes() for path in made.config.parent.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--public-url", "http://portal.example.test"], "--public-url: must begin with https://"),
        (["--public-url", "portal"], "--public-url: must begin with https://"),
        (["--public-url", "http://127.0.0.1:port"], "--public-url"),
        (["--public-url", "https://portal.example.test", "--database", "mysql://x"], "--database: must begin with"),
        ([], "Missing option '--public-url'"),
    ],
)
def test_wrong_settings_are_one_line_and_make_nothing(keyback: Keyback, options: list[str], expected: str) -> None:
    assert expected in keyback.refused("init", "--dir", keyback.config.parent, *options)
    assert not keyback.config.parent.exists()


def test_a_database_that_cannot_be_reached_says_what_to_do(keyback: Keyback) -> None:
    url = "postgresql://keyback@127.0.0.1:1/keyback"
    options = ["--dir", str(keyback.config.parent), "--public-url", "https://portal.example.test", "--database", url]
    assert "run: keyback migrate" in keyback.refused("init", *options)


def test_a_password_in_a_database_url_on_the_command_line_is_warned_about(keyback: Keyback) -> None:
    url = "postgresql://keyback:canary@127.0.0.1:1/keyback"
    done = keyback("init", "--dir", keyback.config.parent, "--public-url", "https://a.test", "--database", url)
    assert "everybody on this machine could read it" in done.stderr
    assert "canary" not in done.stderr + done.stdout


def test_a_database_without_tables_says_what_to_do(made: Keyback) -> None:
    database = Path(tomllib.loads(made.config.read_text())["database"].removeprefix("sqlite:///"))
    database.unlink()
    assert "keyback migrate" in made.refused("org", "list")
    made.ok("migrate")
    made.ok("org", "list")


def test_migrate_makes_keys_that_are_new_and_leaves_the_others(made: Keyback) -> None:
    keys = made.config.parent / "keys"
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    (keys / "people.key").unlink()
    made.ok("migrate")
    after = {path.name: path.read_bytes() for path in keys.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} == {"people.key"}


def test_a_missing_configuration_is_one_line(keyback: Keyback) -> None:
    assert "there is no such file" in keyback.refused("org", "list")


def test_a_wrong_configuration_is_one_line(made: Keyback) -> None:
    made.config.write_text(made.config.read_text().replace("state_dir", "sate_dir"))
    said = made.refused("org", "list")
    assert "state_dir" in said or "sate_dir" in said


def test_a_key_that_others_may_read_stops_every_command(made: Keyback) -> None:
    (made.config.parent / "keys" / "django.key").chmod(0o644)
    assert "chmod 600" in made.refused("org", "list")


@pytest.mark.parametrize("arguments", [["nope"], ["org"], ["org", "nope"], ["org", "create"], ["--nope"]])
def test_what_is_no_command_is_one_line(keyback: Keyback, arguments: list[str]) -> None:
    done = keyback(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_help_and_version_need_no_configuration(keyback: Keyback) -> None:
    assert keyback.ok("--version") == f"keyback {__version__}\n"
    said = keyback.ok("--help")
    for name in ("init", "serve", "admin", "agent", "audit"):
        assert f"\n  {name} " in said


@pytest.mark.parametrize(
    ("command", "absent"),
    [("agent", "django"), ("admin", "ldap"), ("org", "ldap"), ("admin", "keyback.agent"), ("agent", "keyback.portal")],
)
def test_neither_side_loads_the_other(command: str, absent: str) -> None:
    """An agent's machine needs no Django, and a portal no LDAP library."""
    program = (
        "import sys\n"
        "from keyback.cli.main import main\n"
        "try:\n"
        f"    main([{command!r}, '--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        f"sys.exit(int({absent!r} in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
