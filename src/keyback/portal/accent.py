"""One accent colour for an organization, bent until it can be read: WCAG 2.2 contrast, 1.4.3 and 1.4.11."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass

__all__ = ["DEFAULT", "Shades", "contrast", "shades"]

DEFAULT = "#1d5fb8"
_LIGHT_PAGE, _DARK_PAGE = "#ffffff", "#1b2027"
_WHITE, _BLACK = "#ffffff", "#0b0c0e"
_ENOUGH = 4.6  # WCAG asks for 4.5; a little more survives rounding to eight bits


@dataclass(frozen=True, slots=True)
class Shades:
    """``light``/``dark``: the accent for each page, readable as text on it; ``on_…``: readable as text on the
    accent."""

    light: str
    on_light: str
    dark: str
    on_dark: str


def shades(accent: str) -> Shades:
    """The shades of this ``#rrggbb``; those of the default for anything else."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", accent):
        accent = DEFAULT
    light = _bend(accent.lower(), _LIGHT_PAGE, step=-0.01)
    dark = _bend(accent.lower(), _DARK_PAGE, step=0.01)
    return Shades(light, _text_on(light), dark, _text_on(dark))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _bend(colour: str, page: str, *, step: float) -> str:
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    while contrast(colour, page) < _ENOUGH and 0 <= lightness <= 1:
        lightness += step
        colour = _hex(colorsys.hls_to_rgb(hue, min(1.0, max(0.0, lightness)), saturation))
    return colour


def _text_on(colour: str) -> str:
    return max(_WHITE, _BLACK, key=lambda text: contrast(text, colour))


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)


def _luminance(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
