"""The colours of both schemes can be read: WCAG 2.2 AA, from the values in the style sheet."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "css" / "tokens.css"
TEXT = [
    *((text, ground) for text in ("text", "muted") for ground in ("page", "surface", "sunken")),
    *((text, "surface") for text in ("accent", "good", "bad", "warn")),
    *((text, "page") for text in ("accent", "warn")),
    *((text, "accent-soft") for text in ("text", "muted", "accent")),
    *((tone, f"{tone}-soft") for tone in ("good", "bad", "warn")),
    *(("text", "bad-soft"), ("on-accent", "accent"), ("surface", "bad")),
    *(("white", "good-solid"), ("white", "good-solid-hover")),
]
EDGES = [("edge", "surface"), ("edge", "page"), ("accent", "page"), ("accent", "surface")]


def schemes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", CSS.read_text(encoding="utf-8"), re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", b)) for b in blocks[:2])
    light["white"] = "#ffffff"
    return {"light": light, "dark": light | dark}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as WCAG 2.2 defines it."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
class TestContrast:
    @pytest.mark.parametrize(("text", "ground"), TEXT)
    def test_text_stands_out(self, scheme, text, ground):
        colours = schemes()[scheme]

        assert contrast(colours[text], colours[ground]) >= 4.5

    @pytest.mark.parametrize(("edge", "ground"), EDGES)
    def test_edges_of_controls_and_the_focus_stand_out(self, scheme, edge, ground):
        colours = schemes()[scheme]

        assert contrast(colours[edge], colours[ground]) >= 3
