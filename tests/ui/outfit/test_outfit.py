"""Outfits as values; presets and styles that the policy allows and the embedded engine understands."""

import json
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from outfitswap_desktop import paths
from outfitswap_desktop.core.job import SwapRequest, Wishes, refuse_nonsense
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.ui.outfit.outfit import ENGINES, FABRIC, MOST_VARIATIONS, SPANS, Outfit
from outfitswap_desktop.ui.outfit.presets import bundled_presets, bundled_styles, styled


def test_an_outfit_survives_being_saved():
    outfit = Outfit("navy linen", ("Dark",), Path("cloth.png"), "sdxl", 7, True, 3, 20, "fast", 0.8, 6.5, 0.0, 0.3, 1.1)
    assert Outfit.from_values(json.loads(json.dumps(outfit.as_values()))) == outfit


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"words": 3, "styles": "x", "seed": "no", "variations": None},
        {"garment": "", "steps": -1, "seed": -5},
        {
            "mode": "quick",
            "strength": 1.2,
            "guidance": "7",
            "pose": True,
            "depth": -0.1,
            "garment_weight": 9,
            "steps": 10**6,
        },
        {"mode": ["fast"], "strength": float("nan"), "steps": float("nan")},
    ],
)
def test_nonsense_becomes_the_defaults(values):
    assert Outfit.from_values(values) == Outfit()


def test_what_the_panel_can_ask_is_what_a_request_takes():
    request = SwapRequest(Path("a.png"), Path("b.png"), prompt="navy")
    for name, (low, high) in SPANS.items():
        for value in (low, high, None):
            refuse_nonsense(replace(request, wishes=Outfit(**{name: value}).wishes))
        for value in (low - 0.01, high + 0.01):
            with pytest.raises(UsageProblem):
                refuse_nonsense(replace(request, wishes=Wishes(**{name: value})))
    assert {"mode", "seeds", *SPANS} == {one.name for one in fields(Wishes)}


@pytest.mark.parametrize(
    ("engine", "asked"),
    [
        ("auto", Wishes("fast", 0.8, 6.5, 0.5, 0.3, 1.1, (4, 5))),
        ("sd15", Wishes("fast", 0.8, 6.5, 0.5, 0.3, 1.1, (4, 5))),
        ("klein", Wishes(strength=0.8, seeds=(4, 5))),
        ("qwen", Wishes("fast", 0.8, 6.5, seeds=(4, 5))),
        ("fabric", Wishes()),
    ],
)
def test_an_engine_is_asked_only_what_it_heeds(engine, asked):
    outfit = Outfit("navy", (), None, engine, 4, False, 2, 12, "fast", 0.8, 6.5, 0.5, 0.3, 1.1)
    assert outfit.wishes == asked
    assert outfit.asked_steps == (None if engine == "fabric" else 12)


def test_a_single_result_is_no_batch():
    assert Outfit("navy", engine="sdxl", seed=4).wishes.seeds == ()


def test_the_engines_are_those_of_the_recipes_and_the_built_in_one():
    recipes = tomllib.loads(paths.resource("recipes.toml").read_text(encoding="utf-8"))
    assert {*recipes, FABRIC} == set(ENGINES)


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
