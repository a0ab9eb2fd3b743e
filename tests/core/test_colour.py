"""From a photo's colour space to sRGB and back, against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from outfitswap_desktop.core.colour import cmyk_to_srgb, colour_space, from_srgb, is_sound, to_srgb
from tests.core import pictures as p
from tests.core import profiles

SRGB_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def hand_made_srgb() -> bytes:
    return profiles.rgb(SRGB_D50.T, profiles.srgb_curve())


def linear(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(values: NDArray[np.floating]) -> NDArray[np.floating]:
    clipped = np.clip(values, 0, 1)
    return np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)


def by_hand(pixels: NDArray[np.uint8], primaries: object, *, gamma: float | None) -> NDArray[np.floating]:
    """RGB matrix profile to sRGB without any library: decode, primaries to XYZ (D50), XYZ to sRGB, encode; 0..255."""
    own = np.array(primaries).T
    light = linear(pixels / 255) if gamma is None else (pixels / 255) ** gamma
    return 255 * encoded(light @ own.T @ np.linalg.inv(SRGB_D50).T)


@pytest.mark.parametrize(
    ("icc", "primaries", "gamma"),
    [(profiles.adobe_rgb(), profiles.ADOBE_RGB, 563 / 256), (profiles.display_p3(), profiles.DISPLAY_P3, None)],
    ids=["adobe", "p3"],
)
def test_to_srgb_is_the_arithmetic_of_the_profile(icc: bytes, primaries: object, gamma: float | None) -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 255, 12)] * 3), -1).reshape(36, 48, 3).astype(np.uint8)
    wanted = by_hand(grid, primaries, gamma=gamma)
    assert np.abs(to_srgb(grid, icc) - wanted).max() <= 2.5
    assert np.abs(to_srgb(grid, icc) - wanted).mean() <= 0.5


@pytest.mark.parametrize("icc", [profiles.adobe_rgb(), profiles.display_p3()], ids=["adobe", "p3"])
def test_round_trip_from_srgb_loses_nothing_to_speak_of(icc: bytes) -> None:
    """Both spaces contain sRGB, so that what a generator made survives the way there and back."""
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(-1, 52, 3).astype(np.uint8)
    there = from_srgb(grid, icc)
    assert np.abs(there.astype(int) - grid).max() > 10
    off = np.abs(to_srgb(there, icc).astype(int) - grid)
    assert off[grid.min(axis=2) >= 40].max() <= 3
    assert off.max() <= 12  # near black one step of a pure gamma curve is many of sRGB's, which is straight there
    assert off.mean() <= 0.6


def test_white_black_and_grey_stay_neutral() -> None:
    for icc in (profiles.adobe_rgb(), profiles.display_p3()):
        steps = np.repeat(np.array([[0, 64, 128, 200, 255]], np.uint8)[..., None], 3, axis=2)
        for moved in (to_srgb(steps, icc), from_srgb(steps, icc)):
            assert np.ptp(moved.astype(int), axis=2).max() <= 1
            assert moved[0, 0].tolist() == [0, 0, 0]
            assert moved[0, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "icc",
    [None, srgb(), hand_made_srgb(), b"", b"junk" * 50, profiles.adobe_rgb()[:300], profiles.grey(), profiles.cmyk()],
    ids=["none", "srgb", "srgb-by-hand", "empty", "junk", "cut", "grey", "cmyk"],
)
def test_identity_where_there_is_nothing_to_do_or_no_way_to_do_it(icc: bytes | None) -> None:
    pixels = p.texture()
    assert to_srgb(pixels, icc) is pixels
    assert from_srgb(pixels, icc) is pixels


def test_a_profile_named_srgb_is_judged_by_its_numbers() -> None:
    """The other way round, too: wide primaries under sRGB's name are converted."""
    wide = profiles.adobe_rgb().replace(b"test\0", b"sRGB\0")
    assert not np.array_equal(to_srgb(p.texture(), wide), p.texture())


def test_input_is_not_touched_and_strips_leave_no_seams() -> None:
    tall = p.texture(700, 3200)
    before = tall.copy()
    tall.setflags(write=False)
    moved = to_srgb(tall, profiles.adobe_rgb())
    np.testing.assert_array_equal(tall, before)
    np.testing.assert_array_equal(moved[1490:1510], to_srgb(tall[1490:1510], profiles.adobe_rgb()))


def test_views_that_are_not_contiguous() -> None:
    crop = p.texture(200, 200)[20:120:2, 30:90]
    np.testing.assert_array_equal(to_srgb(crop, profiles.display_p3()), to_srgb(crop.copy(), profiles.display_p3()))


def test_colour_spaces() -> None:
    assert colour_space(profiles.adobe_rgb()) == "RGB"
    assert colour_space(profiles.grey()) == "GRAY"
    assert colour_space(profiles.cmyk()) == "CMYK"
    assert colour_space(b"x" * 500) is None
    assert is_sound(profiles.display_p3())
    assert is_sound(srgb())
    assert not is_sound(profiles.grey())


def test_cmyk_goes_through_its_profile() -> None:
    inks = np.zeros((64, 64, 4), np.uint8)
    inks[:16, :, 0] = 255
    inks[16:32, :, 3] = 255
    picture = Image.fromarray(inks, "CMYK")
    seen = np.asarray(cmyk_to_srgb(picture, profiles.cmyk()))
    cyan, black, paper = seen[8, 8].astype(int), seen[24, 8].astype(int), seen[40, 8].astype(int)
    assert cyan[0] < 60 < 120 < cyan[2]
    assert black.max() < 60
    assert paper.tolist() == [255, 255, 255]
    naive = np.asarray(cmyk_to_srgb(picture, None))
    assert naive[8, 8].tolist() == [0, 255, 255]
    assert naive[24, 8].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(np.asarray(cmyk_to_srgb(picture, b"junk" * 90)), naive)
