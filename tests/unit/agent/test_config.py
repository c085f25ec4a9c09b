"""agent.toml: read once, and a wrong value is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyback.agent.config import ServicePasswordTooLong, load, secure_url
from keyback.errors import ConfigurationError
from keyback.protocol.messages import Operation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_text("certificates")
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("S3rvice-Secret\n")
    return tmp_path


def toml(folder: Path, *, top: str = "", forest: str = "", end: str = "") -> Path:
    path = folder / "agent.toml"
    path.write_text(
        f"""
portal = "https://portal.example.test"
state_dir = "{folder}/state"
{top}
[[forest]]
name = "Corp.Example.Test"
domains = ["corp.example.test"]
servers = ["ldaps://127.0.0.2"]
ca_file = "{folder}/ca.pem"
bind_dn = "CN=svc"
password_file = "{folder}/password"
base_dns = ["OU=People"]
{forest}
{end}
"""
    )
    return path


def test_a_short_file_is_enough_and_the_rest_has_safe_values(folder: Path) -> None:
    config = load(toml(folder))
    assert config.forest[0].name == "corp.example.test"
    assert config.limits.operations == {
        Operation.INSPECT,
        Operation.VERIFY,
        Operation.RESET,
        Operation.CHANGE,
        Operation.UNLOCK,
    }
    assert config.limits.per_hour == 1_000
    assert config.key_life_s == 86_400


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ({"top": "portl = 1"}, "portl: Extra inputs are not permitted"),
        ({"top": "capacity = 0"}, "capacity: Input should be greater than or equal to 1"),
        ({"top": "key_life_s = 'long'"}, "key_life_s: Input should be a valid integer"),
        ({"forest": "anchor = 'mail'"}, "forest.0.anchor: Input should be 'objectGUID'"),
        (
            {"forest": "group_base_dns = ['OU=A, nonsense']"},
            "forest.0.group_base_dns: Value error, 'OU=A, nonsense' is not",
        ),
        ({"forest": "contacts = {mobile = ['(x)']}"}, "forest.0.contacts.mobile.0: String should match"),
        ({"end": "[limits]\noperations = ['delete']"}, "limits.operations.0: Input should be 'inspect'"),
        ({"end": "[limits]\nper_hour = 0"}, "limits.per_hour: Input should be greater"),
        ({"top": "= broken"}, "Invalid statement"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(folder: Path, extra: dict[str, str], line: str) -> None:
    path = toml(folder, **extra)
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    text = str(refused.value)
    assert text.startswith(f"{path}: ")
    assert line in text
    assert "\n" not in text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://a.example:8443/", "http://127.0.0.1:8080", "http://[::1]:1"]
)
def test_the_portal_is_reached_by_https_or_on_loopback(url: str) -> None:
    assert secure_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://a.example", "http://127.0.0.1@evil.example", "ftp://a.example", "", "https://"]
)
def test_other_addresses_of_the_portal_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        secure_url(url)


def test_the_service_password_is_read_without_its_line_feed_and_is_not_shown(folder: Path) -> None:
    (server,) = load(toml(folder)).forest[0].servers_with_password()
    assert server.password == "S3rvice-Secret"
    assert "S3rvice-Secret" not in repr(server)


def test_a_password_file_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "password").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load(toml(folder)).forest[0].servers_with_password()


def test_a_service_password_that_is_too_long_is_refused_with_its_event_number(folder: Path) -> None:
    (folder / "password").write_text("x" * 257)
    with pytest.raises(ServicePasswordTooLong, match="800700CE"):
        load(toml(folder)).forest[0].servers_with_password()


def test_a_directory_that_would_not_be_encrypted_is_refused(folder: Path) -> None:
    path = toml(folder)
    path.write_text(path.read_text().replace("ldaps://127.0.0.2", "cldap://127.0.0.2"))
    with pytest.raises(ConfigurationError, match="ldaps://"):
        load(path).forest[0].servers_with_password()


@pytest.mark.parametrize(
    "name",
    [
        "DC=test",
        r"OU=A\, B \+ \#1 \= \\ \<x\>\;\"q\",DC=test",
        "OU=Süd 東京,DC=test",
        r"CN=\20a\20+UID=1,DC=test",
        "1.2.3=x,DC=t",
    ],
)
def test_any_name_of_rfc_4514_may_be_a_base(folder: Path, name: str) -> None:
    literal = name.replace("\\", "\\\\").replace('"', '\\"')
    assert load(toml(folder, forest=f'group_base_dns = ["{literal}"]')).forest[0].group_base_dns == (name,)


def test_contact_attributes_are_a_table(folder: Path) -> None:
    shape = load(toml(folder, forest='contacts = {mobile = ["pager", "mobile"], office_phone = []}')).forest[0].shape
    assert (shape.contacts.mail, shape.contacts.mobile) == (("mail", "otherMailbox"), ("pager", "mobile"))
    assert "pager" in shape.attributes and "telephoneNumber" not in shape.attributes
