"""Cloth from pictures: made by our own weaver under uneven light, on backgrounds, and worn in a real photo."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.garment_cut import cut_cloth
from outfitswap_desktop.embedded.fabric.patterns import weave
from outfitswap_desktop.embedded.fabric.swatch import flattened, from_picture, largest_patch
from outfitswap_desktop.embedded.fabric.tiling import repeat_of, seamless, straightened
from outfitswap_desktop.embedded.fabric.words import understand
from outfitswap_desktop.errors import InputRefused


def cloth(prompt, *, per_cm, size):
    tile = weave(understand(prompt, zone=Zone.TOP), pixels_per_cm=per_cm, seed=2).albedo
    height, width = size
    return np.tile(tile, (height // tile.shape[0] + 1, width // tile.shape[1] + 1, 1))[:height, :width]


def light(size, strength):
    """Folds and a fall-off from upper left to lower right, as factors on linear light."""
    height, width = size
    rng = np.random.default_rng(4)
    folds = cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), width / 14)
    y, x = np.mgrid[0:height, 0:width]
    slope = (x / width - 0.5) * 0.35 + (y / height - 0.5) * 0.2
    return np.exp(strength * folds / folds.std() - slope)[..., None].astype(np.float32)


def photographed(linear):
    noise = np.random.default_rng(5).normal(0, 1.2, linear.shape)
    return np.clip(np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + noise, 0, 255).astype(np.uint8)


def close_up(prompt, *, turned=1.2, size=(420, 540)):
    height, width = size
    flat = cloth(prompt, per_cm=24, size=(height + 120, width + 120))
    matrix = cv2.getRotationMatrix2D((width / 2 + 60, height / 2 + 60), turned, 1)
    flat = cv2.warpAffine(flat, matrix, (width + 120, height + 120))[60:-60, 60:-60]
    return photographed(flat**2.2 * light(size, 0.08))


def flat_lay(prompt, background, *, size=(600, 540)):
    height, width = size
    outline = np.array(
        [
            [34, 10],
            [43, 14],
            [57, 14],
            [66, 10],
            [93, 36],
            [80, 47],
            [71, 37],
            [71, 93],
            [29, 93],
            [29, 37],
            [20, 47],
            [7, 36],
        ]
    )
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [(outline * [width, height] / 100).astype(np.int32)], 255, cv2.LINE_AA)
    share = (mask / 255.0)[..., None]
    ground = np.full((height, width, 3), background, np.float32) ** 2.2
    ground = ground * (1 - 0.25 * cv2.GaussianBlur(share, (0, 0), 9)[..., None])
    return photographed(
        cloth(prompt, per_cm=8, size=size) ** 2.2 * light(size, 0.14) * share + ground * (1 - share)
    ), mask


def apart(one, two):
    pair = [rgb2lab(np.asarray(c, np.float64)[None, None] / 255) for c in (one, two)]
    return float(deltaE_ciede2000(*pair)[0, 0])


@pytest.mark.parametrize(
    "prompt", ["forest green cotton", pytest.param("camel wool", marks=pytest.mark.slow), "white cotton"]
)
def test_a_plain_garment_gives_a_solid_of_its_colour(prompt):
    asked = understand(prompt, zone=Zone.TOP).colours[0]
    picture, _ = flat_lay(prompt, 0.94 if "white" not in prompt else 0.3)
    design = from_picture(picture)
    assert design.pattern == "solid"
    assert apart(design.colours[0], asked) < 6


@pytest.mark.parametrize(
    "prompt",
    [
        *("blue gingham", "red tartan"),
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("breton", "leopard", "pink floral", "navy pinstripe")
        ),
    ],
)
def test_the_background_of_a_flat_garment_is_removed(prompt):
    picture, mask = flat_lay(prompt, 0.93 if prompt != "leopard" else 0.3)
    cut = cut_cloth(picture)
    assert cut.kind == "flat"
    assert cut.background_removed
    inside, found = mask > 127, cut.mask > 0
    assert (inside & found).sum() / (inside | found).sum() > 0.8
    assert cut.cm_per_pixel == pytest.approx(1 / 8, rel=0.25)


@pytest.mark.parametrize(
    ("prompt", "repeat"), [("red gingham", 1.8), ("black and white houndstooth", 1.6), ("green and navy tartan", 11.0)]
)
def test_a_close_up_is_made_seamless_at_its_repeat(prompt, repeat):
    design = from_picture(close_up(prompt))
    assert design.pattern == "swatch"
    assert design.swatch is not None
    tile = design.swatch.astype(np.float32) / 255
    for axis in (0, 1):
        inner = np.abs(np.diff(tile, axis=1 - axis)).mean(axis=(axis, 2))
        wrap = np.abs(np.take(tile, 0, 1 - axis) - np.take(tile, -1, 1 - axis)).mean()
        assert wrap < 1.5 * np.percentile(inner, 99)
    # The close-up shows 24 px of cloth to a centimetre over 540 px: 22.5 cm, taken for 24 cm.
    per_cm = tile.shape[1] / (design.scale * 10)
    repeats = [r for r in (repeat_of(tile @ np.full(3, 1 / 3, np.float32), axis=a) for a in (0, 1)) if r is not None]
    assert any(abs(r / per_cm / repeat - 1) < 0.15 for r in repeats) or tile.shape[1] / per_cm == pytest.approx(
        repeat, rel=0.15
    )


def test_a_swatch_can_be_woven():
    design = from_picture(close_up("red with white polka dots"))
    woven = weave(design, pixels_per_cm=12, seed=0)
    assert woven.cm[0] == pytest.approx(design.scale * 10)
    assert woven.albedo.shape[1] == pytest.approx(woven.cm[0] * 12, rel=0.05)
    assert min(apart(c, understand("cloth red", zone=Zone.TOP).colours[0]) for c in design.colours) < 8


def test_light_is_taken_off_and_contrast_kept():
    size = (300, 300)
    true = cloth("blue and white vertical stripes", per_cm=20, size=size)
    lit = photographed(true**2.2 * light(size, 0.12))
    even = flattened(lit)
    white = true[..., 0] > 0.6
    before = (lit / 255.0)[..., 1][white].std()
    after = even[..., 1][white].std()
    assert after < 0.6 * before
    assert even[..., 0][white].mean() - even[..., 0][~white].mean() > 0.6


def test_leaning_stripes_are_set_upright():
    size = (300, 380)
    upright = cloth("blue and white vertical stripes", per_cm=20, size=(400, 480))
    matrix = cv2.getRotationMatrix2D((240, 200), 3.0, 1)
    leaning = cv2.warpAffine(upright, matrix, (480, 400))[50 : 50 + size[0], 50 : 50 + size[1]]
    straight = straightened(leaning)
    assert leaning.mean(axis=0).std() < 0.85 * straight.mean(axis=0).std()
    assert repeat_of(straight[..., 0], axis=0) == pytest.approx(36, rel=0.04)


def test_repeat_is_none_where_nothing_repeats():
    noise = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((200, 260)).astype(np.float32), (0, 0), 4)
    assert repeat_of(noise, axis=0) is None
    assert repeat_of(np.zeros((50, 50), np.float32), axis=0) is None


def test_seamless_sews_cloth_without_a_repeat():
    patch = cloth("camouflage", per_cm=12, size=(260, 300))
    tile, _ = seamless(patch)
    inner = np.abs(np.diff(tile, axis=1)).mean(axis=(0, 2))
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() < 1.5 * np.percentile(inner, 99)
    assert tile.shape[0] <= 260
    assert tile.shape[1] <= 300


def test_largest_patch_is_inside_and_not_too_long():
    mask = np.zeros((200, 300), np.uint8)
    mask[20:180, 40:120] = 255
    mask[90:110, 0:300] = 255
    x0, y0, x1, y1 = largest_patch(mask)
    assert (mask[y0:y1, x0:x1] > 0).all()
    assert (x1 - x0) * (y1 - y0) > 0.85 * 160 * 80
    long = np.zeros((100, 400), np.uint8)
    long[40:60] = 255
    x0, y0, x1, y1 = largest_patch(long, elongated=2.2)
    assert (x1 - x0) <= 2.3 * (y1 - y0)
    assert largest_patch(np.zeros((50, 50), np.uint8)) is None


def test_a_worn_garment_is_read_without_skin_and_background():
    from skimage.data import astronaut

    design = from_picture(astronaut())
    assert "wearing" in design.said[0]
    assert apart(design.colours[0], (222, 100, 62)) < 12, "the orange of the suit"


def test_pictures_without_cloth_are_refused():
    from skimage.data import page

    for picture in (np.repeat(page()[..., None], 3, axis=2), np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(InputRefused) as refused:
            from_picture(picture)
        assert refused.value.reason == "garment_unclear"
        assert refused.value.hint


def test_doubt_is_said_before_a_busy_background():
    from skimage.data import coffee

    assert any("busy background" in sentence for sentence in from_picture(coffee()).limits)


def test_the_same_picture_gives_the_same_cloth():
    picture = close_up("pink floral", size=(300, 360))
    one, two = from_picture(picture), from_picture(picture)
    assert one.colours == two.colours
    assert one.scale == two.scale
    assert np.array_equal(one.swatch, two.swatch)


def test_a_shop_photo_of_a_worn_shirt():
    folder = os.environ.get("OUTFITSWAP_TEST_PHOTOS")
    path = Path(folder or "missing") / "fashn_garment.webp"
    if not path.is_file():
        pytest.skip("OUTFITSWAP_TEST_PHOTOS has no fashn_garment.webp")
    from PIL import Image

    design = from_picture(np.asarray(Image.open(path).convert("RGB")))
    assert design.pattern == "solid"
    assert max(design.colours[0]) < 50
    assert any("print" in sentence for sentence in design.limits)
