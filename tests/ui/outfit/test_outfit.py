"""Outfits as values; presets and styles that the policy allows and the embedded engine understands."""

from pathlib import Path

import pytest

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.ui.outfit.outfit import MOST_VARIATIONS, Outfit
from outfitswap_desktop.ui.outfit.presets import bundled_presets, bundled_styles, styled


def test_an_outfit_survives_being_saved():
    outfit = Outfit("navy linen", ("Dark",), Path("cloth.png"), "fabric", 7, True, 3, 20)
    assert Outfit.from_values(outfit.as_values()) == outfit


@pytest.mark.parametrize(
    "values",
    [{}, {"words": 3, "styles": "x", "seed": "no", "variations": None}, {"garment": "", "steps": -1, "seed": -5}],
)
def test_nonsense_becomes_the_defaults(values):
    assert Outfit.from_values(values) == Outfit()


def test_variations_have_a_limit():
    assert Outfit.from_values({"variations": 10_000}).variations == MOST_VARIATIONS


def test_styles_come_before_the_words_in_their_order():
    styles = bundled_styles()
    assert styled("navy wool", ("Matte", "Dark"), styles) == "dark matte navy wool"
    assert styled("  ", ("Dark",), styles) == ""


def test_every_preset_with_every_style_is_allowed():
    from outfitswap_desktop.safety.api import check_prompts

    presets, styles = bundled_presets(), bundled_styles()
    lines = [p.words for p in presets] + [f"{s.words} {p.words}" for p in presets for s in styles]
    assert [answer.prompt for answer in check_prompts(lines) if not answer.allowed] == []


def test_every_preset_is_understood_whole():
    from outfitswap_desktop.embedded.fabric.words import understand

    assert {p.words: understand(p.words, zone=Zone.TOP).limits for p in bundled_presets()} == {
        p.words: () for p in bundled_presets()
    }


def test_every_preset_has_its_swatch_and_a_name_of_its_own():
    presets = bundled_presets()
    assert all(p.swatch is not None and p.swatch.is_file() for p in presets)
    assert len({p.name for p in presets}) == len(presets) >= 40
