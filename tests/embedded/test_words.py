"""Prompts -> colours, pattern, material; what cannot be done is said; nothing understood is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import colours as arithmetic
from outfitswap_desktop.embedded.fabric import palette
from outfitswap_desktop.embedded.fabric.colours import parse_hex
from outfitswap_desktop.embedded.fabric.lexicon import colour_names, colour_of, table
from outfitswap_desktop.embedded.fabric.materials import materials
from outfitswap_desktop.embedded.fabric.patterns import plans
from outfitswap_desktop.embedded.fabric.words import beside_picture, cut_limits, understand
from outfitswap_desktop.errors import InputRefused

TABLE = Path(__file__).parent / "prompts.txt"
LINE = re.compile(r"(?P<prompt>.+?)(?: @(?P<zone>\w+))? -> (?P<pattern>[^|]+?)(?: x(?P<scale>[\d.]+))? \| (?P<rest>.+)")


def value_of(name):
    """A colour as people write it, not as our own tables mean it."""
    return parse_hex(name) if name.startswith("#") else colour_names()[name]


def rows():
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            found = LINE.fullmatch(line)
            assert found is not None, line
            material, _, colours = found["rest"].partition(" | ")
            zone = Zone(found["zone"] or "top")
            names = [name for name in colours.split(", ") if name]
            yield pytest.param(
                found["prompt"], zone, found["pattern"], material, names, float(found["scale"] or 1), id=found["prompt"]
            )


def test_the_table_is_long_enough():
    assert len(list(rows())) >= 150


@pytest.mark.parametrize(("prompt", "zone", "pattern", "material", "names", "scale"), list(rows()))
def test_prompt_is_understood(prompt, zone, pattern, material, names, scale):
    design = understand(prompt, zone=zone)
    assert design.pattern == pattern
    assert design.material.name == material
    assert design.colours[: len(names)] == tuple(value_of(name) for name in names)
    assert design.scale == pytest.approx(scale, rel=0.05)


def test_the_vocabulary_is_rich():
    assert len(colour_names()) >= 300
    assert len(materials()) >= 25
    assert set(table("patterns")) == set(plans()), "every pattern word can be drawn and every drawing can be said"


@pytest.mark.parametrize(
    "prompt", ["", "   ", "a nice shirt", "make me look elegant", "xyzzy plugh", "red shoes and a hat", "#12345"]
)
def test_nothing_about_fabric_is_refused_with_examples(prompt):
    with pytest.raises(InputRefused) as refused:
        understand(prompt, zone=Zone.TOP)
    assert refused.value.reason == "prompt_not_understood"
    assert "pinstripe" in refused.value.hint


def test_css_names_are_all_there():
    from PIL import ImageColor

    ours = {name.replace(" ", ""): value for name, value in colour_names().items()}
    for name in ImageColor.colormap:
        assert name in ours
        assert ours[f"css{name}"] == ImageColor.getrgb(name)


def test_hex_colours_are_exact():
    assert understand("#1f6f54 linen", zone=Zone.TOP).colours == ((0x1F, 0x6F, 0x54),)
    assert understand("shirt in #ABC", zone=Zone.TOP).colours == ((0xAA, 0xBB, 0xCC),)


CUTS = [
    ("white shirt with long sleeves", Zone.TOP, "cannot make long sleeves"),
    ("sleeveless red top", Zone.TOP, "take the sleeves away"),
    ("a red dress", Zone.BOTTOM, "make a dress out of trousers or a skirt"),
    ("a red dress", Zone.TOP, "make a dress out of a top"),
    ("cropped blue jumper", Zone.TOP, "“cropped”"),
    ("black hoodie", Zone.TOP, "a hoodie where none is worn"),
    ("blue shirt with a collar", Zone.TOP, "a collar"),
    ("oversized white shirt", Zone.TOP, "“oversized”"),
    ("black leather mini skirt", Zone.BOTTOM, "“mini skirt”"),
    ("grey turtleneck", Zone.TOP, "a turtleneck where none is worn"),
    ("navy V-neck sweater", Zone.TOP, "“v neck”"),
    ("slim fit beige chinos", Zone.BOTTOM, "“slim fit”"),
    ("ripped blue jeans", Zone.BOTTOM, "“ripped”"),
    ("green shorts", Zone.BOTTOM, "shorts where none is worn"),
    ("white shirt with gold buttons", Zone.TOP, "“gold buttons”"),
    ("blue jeans", Zone.TOP, "make jeans out of a top"),
]


@pytest.mark.parametrize(("prompt", "zone", "words"), CUTS)
def test_cut_words_are_told_not_pretended(prompt, zone, words):
    limits = cut_limits(prompt, zone)
    assert any(words in sentence for sentence in limits), limits
    assert set(limits) <= set(understand(prompt, zone=zone).limits)
    assert all(sentence.endswith(".") for sentence in limits)


@pytest.mark.parametrize(
    ("prompt", "zone"),
    [
        ("navy pinstripe linen shirt", Zone.TOP),
        ("blue jeans", Zone.BOTTOM),
        ("camel wool coat", Zone.OUTER),
        ("red floral dress", Zone.DRESS),
        ("charcoal suit", Zone.OUTER),
        ("black outfit", Zone.FULL),
        ("an elegant summer blouse in soft pink silk", Zone.TOP),
        ("oversized houndstooth", Zone.TOP),
    ],
)
def test_no_limits_where_all_can_be_done(prompt, zone):
    assert understand(prompt, zone=zone).limits == ()


def test_unknown_words_are_named_and_fillers_are_not():
    limits = understand("an elegant unicorn green shirt for the summer", zone=Zone.TOP).limits
    assert limits == ("Not understood and left out: “unicorn”.",)


def test_sheer_cloth_is_made_opaque_and_said():
    design = understand("sheer black chiffon blouse", zone=Zone.TOP)
    assert any("opaque" in sentence for sentence in design.limits)


def test_corrected_slips_are_said():
    design = understand("burgandy velvit", zone=Zone.TOP)
    assert "read “burgandy” as “burgundy”" in design.said
    assert "read “velvit” as “velvet”" in design.said


def test_colours_of_the_other_garment_stay_out():
    top = understand("white shirt and blue jeans", zone=Zone.TOP)
    bottom = understand("white shirt and blue jeans", zone=Zone.BOTTOM)
    assert top.colours == (value_of("white"),)
    assert bottom.material.name == "denim"
    assert any("blue jeans" in sentence for sentence in top.limits)
    assert any("white shirt" in sentence for sentence in bottom.limits)


@pytest.mark.parametrize("name", ["red", "navy", "sage", "camel", "lilac", "teal", "grey", "mustard"])
def test_modifiers_move_the_colour_the_way_they_say(name):
    colour = colour_of(name)
    light, chroma, _ = arithmetic.to_lch(colour)
    assert arithmetic.lightness(arithmetic.modified(colour, "dark")) < light
    assert arithmetic.lightness(arithmetic.modified(colour, "light")) > light
    assert arithmetic.to_lch(arithmetic.modified(colour, "muted"))[1] <= chroma + 1e-3
    assert arithmetic.lightness(arithmetic.modified(colour, "pastel")) > 0.85
    assert (
        arithmetic.lightness(arithmetic.modified(colour, "pale"))
        > arithmetic.lightness(arithmetic.modified(colour, "light")) - 0.02
    )


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_oklch_goes_there_and_back(colour):
    back = arithmetic.from_lch(arithmetic.to_lch(colour))
    assert max(abs(a - b) for a, b in zip(colour, back, strict=True)) <= 1


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text):
    try:
        design = understand(text, zone=Zone.TOP)
    except InputRefused:
        return
    assert design.colours


WORDS = [
    "navy",
    "white",
    "red",
    "with",
    "on",
    "and",
    "polka",
    "dots",
    "striped",
    "linen",
    "silk",
    "shirt",
    "jeans",
    "dark",
    "pale",
    "without",
    "collar",
    "tartan",
    "lace",
    ",",
    "turn",
    "into",
    "the",
    "oversized",
    "gold",
    "buttons",
    "rainbow",
    "bluish",
    "to",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.sampled_from(list(Zone)))
def test_any_order_of_known_words_gives_a_whole_design(words, zone):
    try:
        design = understand(" ".join(words), zone=zone)
    except InputRefused:
        return
    assert design.colours
    assert all(0 <= channel <= 255 for colour in design.colours for channel in colour)
    if design.pattern != "solid":
        assert len(design.colours) >= 2
        assert palette.completed(design.pattern, design.colours)[: len(design.colours)] == design.colours


@pytest.mark.parametrize(
    "prompt",
    [
        "navy pinstripe linen shirt",
        "Navy Pinstripe Linen Shirt",
        "linen shirt, navy pinstripe",
        "pin-stripe navy linen shirts",
    ],
)
def test_order_case_hyphens_and_plurals_do_not_matter(prompt):
    plain = understand("navy pinstripe linen shirt", zone=Zone.TOP)
    design = understand(prompt, zone=Zone.TOP)
    assert (design.colours, design.pattern, design.material) == (plain.colours, plain.pattern, plain.material)


def test_words_beside_a_picture_give_the_material_alone():
    material, limits, said = beside_picture("red velvet with long sleeves", zone=Zone.TOP)
    assert material is not None
    assert material.name == "velvet"
    assert "“red”" in limits[0]
    assert any("long sleeves" in sentence for sentence in limits)
    assert said
    assert beside_picture("put this on", zone=Zone.TOP)[0] is None


@pytest.mark.parametrize("words", ["nude pink coat", "nude beige linen", "dusty pink wool", "blush pink silk"])
def test_a_colour_of_two_words_is_one_colour(words):
    design = understand(words, zone=Zone.OUTER)
    assert design.pattern == "solid"
    assert len(design.colours) == 1
