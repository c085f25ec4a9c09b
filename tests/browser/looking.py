"""Looking at a page as everybody does: with axe's rules, at 360 pixels, in the dark, with a thumb."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

__all__ = ["SIZES", "accessible", "fits", "look", "shoot"]

_AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
SIZES = {"wide": ViewportSize(width=1280, height=900), "narrow": ViewportSize(width=360, height=740)}
# Colours depend on the scheme and what is there on the size, so that two of the four show both.
_EXAMINED = {("wide", "light"), ("narrow", "dark")}
_SHOTS = os.environ.get("KEYBACK_SHOTS")

# What is hidden, or sits in the middle of a sentence (WCAG 2.5.8 excepts that), is no target of its own.
_SMALL_TARGETS = """() => {
  const inSentence = (e) => e.tagName === "A"
    && [...e.parentNode.childNodes].some((n) => n !== e && n.nodeType === 3 && n.textContent.trim().length > 3);
  return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), audio, select, textarea")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !inSentence(e))
    .map((e) => [e.outerHTML.slice(0, 120), e.getBoundingClientRect()])
    .filter(([, box]) => box.width < 44 || box.height < 43.5)
    .map(([html, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${html}`);
}"""
_WIDER = """() => [document.documentElement.scrollWidth,
  ...[...document.querySelectorAll("body *")].map((e) => Math.ceil(e.getBoundingClientRect().right))
     .filter((right) => right > innerWidth)]"""


def accessible(page: Page) -> None:
    """axe finds nothing, not even by its best practices."""
    if not page.evaluate("() => 'axe' in window"):
        # Evaluated through the debugger, since the page's own policy lets no foreign script in.
        page.evaluate(_AXE)
    # Half of the work would be to describe what is in order.
    found = page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    problems = [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]
    assert problems == [], f"{page.title()}: {problems}"


def fits(page: Page) -> None:
    """Nothing reaches beyond the side of the screen, and everything can be hit with a thumb."""
    assert max(page.evaluate(_WIDER)) <= page.evaluate("() => innerWidth"), f"{page.url} scrolls sideways"
    small = page.evaluate(_SMALL_TARGETS)
    assert small == [], f"{page.title()}: {small}"


def shoot(page: Page, name: str) -> None:
    """A picture for people to look at, where KEYBACK_SHOTS names a folder for them."""
    if _SHOTS:
        page.screenshot(path=f"{_SHOTS}/{name}.png", full_page=True)


def look(page: Page, name: str) -> None:
    """With axe in the light of a wide screen and in the dark of a narrow one. The page stays the same page."""
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if (size, scheme) in _EXAMINED:
                accessible(page)
            shoot(page, f"{name}-{size}-{scheme}")
        fits(page)
