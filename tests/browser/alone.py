"""A portal alone in front of Chromium, under a name: passkeys belong to names, and nobody here has a directory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from tests.serve.portal import COMMAND, Portal, make_portal
from tests.support import gateway as gateway_support
from tests.support.gateway import Gateway

__all__ = ["KEYS", "NUMBER", "OLD", "at", "click", "gateway", "new_cloud_person", "page", "portal"]

OLD = "Sommer-war-warm-6"
METHODS = ("passkey", "authenticator", "questions", "access_pass", "call_mobile", "call_office", "sms", "email")
NUMBER, KEYS = "+44 7700900123", "gateway-7d1e-40b2-9c55"
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """To the telephone network; it reports keys."""
    with gateway_support.running() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory, gateway: Gateway) -> Iterator[Portal]:
    portal = make_portal(tmp_path_factory.mktemp("portal"))
    keys = portal.directory / "gateway-keys"
    keys.write_text(KEYS)
    voice = f'[voice]\nurl = "{gateway.url}"\nbody = "json"\nkeys = "{keys}"\n'
    voice += 'fields = { to = "{to}", text = "{text}", id = "{id}" }\n'
    portal.public_url = f"http://localhost:{portal.port}"
    sms = f'[sms]\nurl = "{gateway.url}"\nfields = {{ to = "{{to}}", text = "{{text}}" }}\n'
    config = portal.config.read_text().replace(f"http://127.0.0.1:{portal.port}", portal.public_url)
    portal.config.write_text(config + voice + sms)
    methods = [part for method in METHODS for part in ("--method", method)]
    for command in (
        ("org", "create", "Example Ltd", "--slug", "example"),
        ("domain", "add", "example", "example.test"),
        ("domain", "verify", "example", "example.test", "--by-operator"),
        ("policy", "set", "example", *methods, "--gates", "2"),
    ):
        done = portal.run(*command)
        assert done.returncode == 0, done.stderr
    with portal.process("serve"):
        yield portal


def new_cloud_person(portal: Portal, user_id: str, name: str) -> None:
    """Whose password :data:`OLD` lives in the portal, and whose number is on file."""
    command = ["person", "add", "example", user_id, "--name", name, "--password-stdin"]
    done = subprocess.run(
        [*COMMAND, *command], input=f"{OLD}\n", env=portal._environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert portal.run("person", "phone", user_id, NUMBER).returncode == 0


@pytest.fixture
def page(chromium: Browser, portal: Portal) -> Iterator[Page]:
    """A browser with a passkey device of its own, which its owner unlocks."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "the server responded with a status of" not in message.text:
            complaints.append(message.text)

    context = chromium.new_context(base_url=portal.public_url, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    debugger = context.new_cdp_session(page)
    debugger.send("WebAuthn.enable")
    debugger.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
    yield page
    context.close()
    assert complaints == []


def at(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title, timeout=30_000)


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
