"""WCAG 2.2 contrast, computed from the style sheet's own colours; needs no browser."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "handler" / "http" / "static" / "style.css"
TEXT = 4.5  # success criterion 1.4.3, AA
PARTS = 3.0  # success criterion 1.4.11: edges of controls, and what a picture is made of

TEXT_PAIRS = [
    ("text", "ground"),
    ("text", "raised"),
    ("quiet", "ground"),
    ("quiet", "raised"),
    ("accent", "ground"),
    ("accent", "raised"),
    ("on-accent", "accent"),
    ("ground", "text"),  # the chosen option
    ("same", "ground"),
    ("same", "same-wash"),
    ("differ", "ground"),
    ("failure", "ground"),
    ("failure", "failure-wash"),
    ("text", "failure-wash"),
    ("quiet", "failure-wash"),
    ("accent", "failure-wash"),
]
PART_PAIRS = [
    ("edge", "ground"),
    ("edge", "raised"),
    ("accent", "ground"),  # the focus ring
    ("accent", "raised"),
    ("curve", "ground"),
    ("strip-plus", "ground"),
    ("strip-minus", "ground"),
]


def colours(scheme: str) -> dict[str, str]:
    """The custom properties that hold under a colour scheme: {"ground": "#ffffff", ...}."""
    light, dark = CSS.read_text().split("@media (prefers-color-scheme: dark)", 1)
    dark = dark.split("}", 1)[0]
    pattern = re.compile(r"--([\w-]+):\s*(#[0-9a-f]{6});")
    found = dict(pattern.findall(light))
    return found if scheme == "light" else {**found, **dict(pattern.findall(dark))}


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
              for value in channels]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula_gives_the_known_ratios():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT_PAIRS)
def test_text_can_be_read(scheme: str, front: str, back: str):
    palette = colours(scheme)
    assert contrast(palette[front], palette[back]) >= TEXT


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), PART_PAIRS)
def test_edges_and_graphics_can_be_seen(scheme: str, front: str, back: str):
    palette = colours(scheme)
    assert contrast(palette[front], palette[back]) >= PARTS


def test_the_dark_scheme_replaces_every_colour():
    light, dark = colours("light"), colours("dark")
    assert [name for name in light if light[name] == dark[name]] == []
