"""The live parameters: order, protected areas, and the same result for a part as for the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core import mask as arithmetic
from outfitswap_desktop.core.adjust import MaskParameters

H, W = 120, 160
parameters = st.builds(
    MaskParameters,
    grow=st.integers(-12, 12),
    feather=st.integers(0, 8),
    smooth=st.integers(0, 8),
    fill=st.booleans(),
    largest=st.booleans(),
)


def start(seed=0):
    rng = np.random.default_rng(seed)
    mask = np.zeros((H, W), np.uint8)
    for _ in range(6):
        x, y = rng.integers(0, W - 30), rng.integers(0, H - 30)
        mask[y : y + 30, x : x + 25] = 255
    mask[50:60, 70:80] = 0
    return mask


def keep():
    free = np.full((H, W), 255, np.uint8)
    free[30:60, 90:130] = 0
    return free


def test_neutral_parameters_change_nothing():
    mask = start()
    assert MaskParameters().neutral
    assert np.array_equal(MaskParameters().apply(mask), mask)
    assert MaskParameters().apply(mask) is not mask


@given(parameters, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_nothing_grows_into_a_protected_area_and_the_painted_mask_stays(chosen, seed):
    mask = start(seed)
    before = mask.copy()
    assert not chosen.apply(mask, keep())[keep() == 0].any()
    assert np.array_equal(mask, before)


@given(parameters, st.integers(0, 5), st.integers(0, W - 20), st.integers(0, H - 20))
@settings(max_examples=80, deadline=None)
def test_a_part_comes_out_as_it_does_in_the_whole(chosen, seed, x, y):
    before = start(seed)
    after = before.copy()
    after[y : y + 20, x : x + 20] = 255 - after[y : y + 20, x : x + 20]
    shown = chosen.apply(before, keep())
    box, pixels = chosen.apply_within(after, keep(), (x, y, x + 20, y + 20))
    shown[box[1] : box[3], box[0] : box[2]] = pixels
    assert np.array_equal(shown, chosen.apply(after, keep()))


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (MaskParameters(grow=4), lambda mask: arithmetic.grow(mask, 4)),
        (MaskParameters(grow=-4), lambda mask: arithmetic.shrink(mask, 4)),
        (MaskParameters(feather=4), lambda mask: arithmetic.feather(mask, 4)),
        (MaskParameters(smooth=4), lambda mask: arithmetic.smooth(mask, 4)),
        (MaskParameters(fill=True), arithmetic.fill_holes),
        (MaskParameters(largest=True), arithmetic.keep_largest),
        (MaskParameters(grow=3, fill=True), lambda mask: arithmetic.grow(arithmetic.fill_holes(mask), 3)),
    ],
)
def test_each_parameter_is_its_own_arithmetic(chosen, wanted):
    assert np.array_equal(chosen.apply(start()), wanted(start()))
