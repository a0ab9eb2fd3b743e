"""Weaving: every pattern and material gives a seamless, deterministic tile of the right size in the asked colour."""

from __future__ import annotations

import time

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.design import Design
from outfitswap_desktop.embedded.fabric.lexicon import colour_of
from outfitswap_desktop.embedded.fabric.materials import material, materials
from outfitswap_desktop.embedded.fabric.patterns import LARGEST_REPEAT_CM, MAX_SIDE, plans, weave
from outfitswap_desktop.embedded.fabric.words import understand

SPANNING = ("colour block", "gradient")
COLOURS = ("black", "white", "red", "navy", "camel", "ivory", "neon pink")


def difference(tile, colour):
    mean = tile.reshape(-1, 3).mean(axis=0)
    asked = np.asarray(colour) / 255
    return float(deltaE_ciede2000(rgb2lab(mean[None, None]), rgb2lab(asked[None, None]))[0, 0])


def edge_jump(tile):
    """How much rougher the wrap is than the tile's roughest inner lines: about 1 or less for a seamless tile."""
    across = np.abs(np.diff(tile, axis=1)).mean(axis=(0, 2))
    down = np.abs(np.diff(tile, axis=0)).mean(axis=(1, 2))
    wrap_across = np.abs(tile[:, 0] - tile[:, -1]).mean()
    wrap_down = np.abs(tile[0] - tile[-1]).mean()
    floor = 0.004
    return max(wrap_across / (np.percentile(across, 99.5) + floor), wrap_down / (np.percentile(down, 99.5) + floor))


def patterned(name, **changes):
    return Design(colours=(), material=material("cotton"), pattern=name, **changes)


@pytest.mark.parametrize("name", sorted(plans()))
def test_patterns_are_seamless_bounded_and_drawn_in_their_colours(name):
    cloth = weave(patterned(name), pixels_per_cm=12, seed=3)
    assert cloth.albedo.dtype == np.float32
    assert cloth.albedo.shape[2] == 3
    assert max(cloth.albedo.shape[:2]) <= MAX_SIDE
    assert float(cloth.albedo.min()) >= 0
    assert float(cloth.albedo.max()) <= 1
    assert np.isfinite(cloth.albedo).all()
    assert cloth.height is not None
    assert cloth.height.shape == cloth.albedo.shape[:2]
    assert float(cloth.albedo.std(axis=(0, 1)).max()) > 0.02, "there is something to see"
    if name in SPANNING:
        assert min(cloth.cm) > 40
    else:
        assert max(cloth.cm) <= LARGEST_REPEAT_CM + 1e-6
        assert edge_jump(cloth.albedo) < 1.6


@pytest.mark.parametrize("name", ["tartan", "floral", "leopard", "polka", "herringbone"])
@pytest.mark.parametrize("scale", [0.4, 2.3, 3.0])
def test_scale_keeps_tiles_repeating(name, scale):
    cloth = weave(patterned(name, scale=scale), pixels_per_cm=8, seed=0)
    assert max(cloth.cm) <= LARGEST_REPEAT_CM + 1e-6
    assert edge_jump(cloth.albedo) < 1.8


@pytest.mark.parametrize("key", sorted(materials()))
def test_materials_are_seamless(key):
    cloth = weave(Design(colours=(colour_of("camel"),), material=material(key)), pixels_per_cm=15, seed=1)
    assert edge_jump(cloth.albedo) < 1.6
    assert cloth.height is not None
    wrap = np.abs(cloth.height[:, 0] - cloth.height[:, -1]).mean()
    assert wrap <= 1.6 * np.percentile(np.abs(np.diff(cloth.height, axis=1)).mean(axis=0), 99.5) + 1e-4


@pytest.mark.parametrize("key", sorted(materials()))
def test_solid_cloth_has_the_asked_colour(key):
    worst = 0.0
    for name in COLOURS:
        cloth = weave(Design(colours=(colour_of(name),), material=material(key)), pixels_per_cm=10, seed=5)
        worst = max(worst, difference(cloth.albedo, colour_of(name)))
    assert worst <= 1.0


def test_the_same_seed_gives_the_same_cloth_and_another_one_another():
    for prompt in ("floral", "camouflage", "navy pinstripe linen", "gold sequins"):
        design = understand(prompt, zone=Zone.TOP)
        np.random.seed(1)
        one = weave(design, pixels_per_cm=10, seed=7)
        np.random.seed(2)
        two = weave(design, pixels_per_cm=10, seed=7)
        other = weave(design, pixels_per_cm=10, seed=8)
        assert np.array_equal(one.albedo, two.albedo)
        assert not np.array_equal(one.albedo, other.albedo)


@pytest.mark.parametrize(
    ("prompt", "axis", "cm"),
    [
        ("navy pinstripe", 1, 1.5),
        ("breton", 0, 2.65),
        ("blue and white vertical stripes", 1, 1.8),
        ("red gingham", 1, 1.8),
        ("red and white horizontal stripes", 0, 4.0),
    ],
)
def test_stripes_repeat_in_real_centimetres(prompt, axis, cm):
    cloth = weave(understand(prompt, zone=Zone.TOP), pixels_per_cm=20, seed=0)
    line = cloth.albedo[..., 1].mean(axis=1 - axis)
    spectrum = np.abs(np.fft.rfft(line - line.mean()))
    side = cloth.cm[1] if axis == 0 else cloth.cm[0]
    strongest = int(spectrum[1:].argmax()) + 1
    fundamental = min(
        k for k in range(1, strongest + 1) if strongest % k == 0 and spectrum[k] > 0.2 * spectrum[strongest]
    )
    assert side / fundamental == pytest.approx(cm, rel=0.06)


def test_tartan_mixes_warp_and_weft():
    """Where red warp meets white weft the cloth is half and half: neither red nor white, and the sett is symmetrical."""
    design = Design(colours=((200, 0, 0), (255, 255, 255)), material=material("cotton"), pattern="tartan")
    tile = weave(design, pixels_per_cm=4, seed=0).albedo
    flipped = tile[::-1, ::-1]
    red = (np.abs(tile - np.array([200, 0, 0]) / 255).max(axis=2) < 0.1).mean()
    half = ((tile[..., 1] > 0.4) & (tile[..., 1] < 0.8) & (tile[..., 0] > 0.8)).mean()
    assert red > 0.05
    assert half > 0.02
    assert tile.mean() == pytest.approx(flipped.mean())
    assert np.abs(tile.mean(axis=0) - tile.mean(axis=1)).mean() < 0.03, "warp and weft have the same sett"


def test_gradient_runs_from_the_upper_edge_to_the_lower_one():
    cloth = weave(understand("gradient from black to white", zone=Zone.TOP), pixels_per_cm=6, seed=0)
    rows = cloth.albedo.mean(axis=(1, 2))
    assert rows[: len(rows) // 20].mean() < 0.15
    assert rows[-len(rows) // 20 :].mean() > 0.85
    assert np.all(np.diff(rows[:: len(rows) // 16]) > -0.02)


def test_colour_blocks_stand_in_the_order_said():
    cloth = weave(understand("colour block in red, white and navy", zone=Zone.TOP), pixels_per_cm=6, seed=0)
    height = cloth.albedo.shape[0]
    for share, name in ((0.1, "red"), (0.5, "white"), (0.9, "navy")):
        row = cloth.albedo[int(share * height)]
        assert difference(row[None], colour_of(name)) < 3


def test_brocade_and_lace_take_a_second_colour():
    plain = weave(understand("black brocade", zone=Zone.TOP), pixels_per_cm=10, seed=0).albedo
    gold = weave(understand("black and gold brocade", zone=Zone.TOP), pixels_per_cm=10, seed=0).albedo
    assert np.percentile(gold[..., 0], 90) > np.percentile(plain[..., 0], 90) + 0.3


def test_unknown_patterns_and_resolutions_are_errors():
    with pytest.raises(ValueError, match="unknown pattern"):
        weave(Design(colours=((1, 2, 3),), material=material("cotton"), pattern="plasma"), pixels_per_cm=10, seed=0)
    with pytest.raises(ValueError, match="positive"):
        weave(patterned("polka"), pixels_per_cm=0, seed=0)


@pytest.mark.parametrize("pixels_per_cm", [0.5, 1.7, 3, 90])
def test_far_and_near_pictures_work(pixels_per_cm):
    for name in ("houndstooth", "floral", "tartan", "leopard", "gradient"):
        cloth = weave(patterned(name), pixels_per_cm=pixels_per_cm, seed=0)
        assert max(cloth.albedo.shape[:2]) <= MAX_SIDE
        assert min(cloth.albedo.shape[:2]) >= 4


def test_weaving_is_quick():
    """Processor time at 20 px/cm, the slowest of the usual ones; generous, since the machine may be busy."""
    slowest = 0.0
    for prompt in ("floral", "tropical", "camouflage", "red tartan", "black leather", "gold sequins", "cable knit"):
        design = understand(prompt, zone=Zone.TOP)
        start = time.process_time()
        weave(design, pixels_per_cm=20, seed=0)
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 2.0
