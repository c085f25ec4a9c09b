"""Real Chromium before a whole Keyback of real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from tests.browser.alone import gateway, page, portal
from tests.browser.walk import Walk
from tests.support.person import new_address
from tests.support.whole import Whole, mail, whole

from lab.testing import forest, password_filter, policy

__all__ = ["forest", "gateway", "mail", "page", "password_filter", "policy", "portal", "whole"]

_ARGUMENTS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's own Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, whole: Whole) -> Iterator[Callable[..., Walk]]:
    """``visit(color_scheme="dark", viewport=…)``: a person with a browser of their own, on no page yet.

    At the end no page may have thrown, nor broken its content security policy.
    """
    contexts = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Chromium also mentions every status that is no success; those are each test's own business.
        if message.type == "error" and "the server responded with a status of" not in message.text:
            complaints.append(f"{message.location.get('url')}: {message.text}")

    def open_page(**options: Any) -> Walk:
        options = {"locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
        headers = {"X-Forwarded-For": new_address()}
        context = chromium.new_context(base_url=whole.url, extra_http_headers=headers, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page: Page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        return Walk(page, whole)

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
