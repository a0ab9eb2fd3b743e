"""Crop and paste-back: outside the mask nothing changes, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core import compose
from outfitswap_desktop.core.regions import BodyAxis


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def photo_and_alpha(draw):
    height, width = draw(st.integers(64, 200)), draw(st.integers(64, 200))
    x0, y0 = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    alpha = np.zeros((height, width), np.uint8)
    alpha[y0:y1, x0:x1] = rng.integers(0, 256, (y1 - y0, x1 - x0))
    alpha[y0, x0] = 255
    return picture(height, width, seed=1), alpha


@given(photo_and_alpha(), st.sampled_from([None, 1000, 5000]), st.sampled_from([1, 8, 64]))
@settings(max_examples=60, deadline=None)
def test_paste_back_changes_only_what_alpha_covers(case, max_pixels, multiple):
    photo, alpha = case
    crop = compose.plan_crop(alpha, max_pixels=max_pixels, multiple=multiple)
    window = compose.resize(picture(crop.size[1], crop.size[0], seed=2), crop.native)
    result = compose.paste_back(photo, window, alpha, crop=crop)
    assert np.array_equal(result[alpha == 0], photo[alpha == 0])
    full = alpha == 255
    x0, y0, x1, y1 = crop.box
    pasted = np.zeros_like(photo)
    pasted[y0:y1, x0:x1] = window
    assert np.array_equal(result[full], pasted[full])
    assert compose.changed_outside(photo, result, alpha) == 0


@given(photo_and_alpha(), st.sampled_from([1, 8, 64]))
@settings(max_examples=60, deadline=None)
def test_crop_holds_the_mask_at_its_native_aspect(case, multiple):
    photo, alpha = case
    crop = compose.plan_crop(alpha, max_pixels=4096, multiple=multiple)
    x0, y0, x1, y1 = crop.box
    outside = alpha.copy()
    outside[y0:y1, x0:x1] = 0
    assert not outside.any()
    assert 0 <= x0 < x1 <= photo.shape[1]
    assert 0 <= y0 < y1 <= photo.shape[0]
    assert crop.size[0] % multiple == 0
    assert crop.size[1] % multiple == 0
    sx, sy = crop.scale
    if multiple == 1:
        assert sx == pytest.approx(sy, rel=0.1)
        assert max(sx, sy) <= 1.05


def test_changed_outside_counts_a_single_changed_channel():
    before = picture(70, 80)
    after = before.copy()
    after[3, 4, 2] ^= 1
    after[50, 60] ^= 255
    mask = np.zeros((70, 80), np.uint8)
    mask[50, 60] = 255
    assert compose.changed_outside(before, after, mask) == 1


def test_sizes_that_do_not_fit_are_refused():
    photo = picture(64, 64)
    alpha = np.full((64, 64), 255, np.uint8)
    crop = compose.plan_crop(alpha)
    with pytest.raises(ValueError, match="does not fit"):
        compose.paste_back(photo, photo[:10], alpha, crop=crop)
    with pytest.raises(ValueError, match="empty"):
        compose.plan_crop(np.zeros((64, 64), np.uint8))


def test_axes_follow_the_crop():
    mask = np.zeros((400, 400), np.uint8)
    mask[100:300, 120:260] = 255
    crop = compose.plan_crop(mask, max_pixels=10_000)
    x0, y0 = crop.box[:2]
    (moved,) = compose.axes_in_crop((BodyAxis("trunk", (x0, y0), (x0 + 100.0, y0 + 50.0), 20.0),), crop)
    assert moved.start == (0.0, 0.0)
    assert moved.end == pytest.approx((100 * crop.scale[0], 50 * crop.scale[1]))
    assert moved.radius == pytest.approx(20 * (crop.scale[0] * crop.scale[1]) ** 0.5)


def test_match_colour_brings_a_shifted_ring_back():
    source = np.full((120, 120, 3), (120, 90, 60), np.uint8)
    source[::7] = (140, 100, 70)
    shifted = np.clip(source.astype(int) + np.array((9, 6, -5)), 0, 255).astype(np.uint8)
    mask = np.zeros((120, 120), np.uint8)
    mask[40:80, 40:80] = 255
    matched = compose.match_colour(shifted, source, mask)
    before = np.abs(shifted.astype(int) - source)[mask == 0].mean()
    after = np.abs(matched.astype(int) - source)[mask == 0].mean()
    assert after < 0.25 * before


def test_smooth_seam_works_inside_the_mask_only():
    source, window = np.full((80, 80, 3), 200, np.uint8), np.full((80, 80, 3), 100, np.uint8)
    mask = np.zeros((80, 80), np.uint8)
    mask[20:60, 20:60] = 255
    smooth = compose.smooth_seam(window, source, mask, width=6)
    assert np.array_equal(smooth[mask == 0], window[mask == 0])
    assert smooth[20, 40, 0] > 130
    assert np.array_equal(smooth[30:50, 30:50], window[30:50, 30:50])
