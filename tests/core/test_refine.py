"""GrabCut and the wand: what is found, what stays, and what is never touched."""

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core.refine import refine
from outfitswap_desktop.core.undo import EMPTY
from outfitswap_desktop.core.wand import similar
from outfitswap_desktop.errors import UsageProblem

H, W = 300, 400
SHIRT = (120, 90, 260, 230)


@pytest.fixture
def photo():
    """A red shirt with folds on a grey wall with a grain, and a green ball beside it."""
    rng = np.random.default_rng(3)
    pixels = rng.normal((120, 122, 125), 6, (H, W, 3))
    x0, y0, x1, y1 = SHIRT
    folds = 20 * np.sin(np.arange(x1 - x0) / 5)[None, :, None]
    pixels[y0:y1, x0:x1] = np.array((190, 30, 40)) + folds + rng.normal(0, 4, (y1 - y0, x1 - x0, 3))
    ball = np.zeros((H, W), np.uint8)
    cv2.circle(ball, (330, 160), 30, 255, -1)
    pixels[ball > 0] = (30, 150, 60)
    result = np.clip(pixels, 0, 255).astype(np.uint8)
    result.setflags(write=False)
    return result


def shirt():
    mask = np.zeros((H, W), np.uint8)
    mask[SHIRT[1] : SHIRT[3], SHIRT[0] : SHIRT[2]] = 255
    return mask


def overlap(first, second):
    """Intersection over union."""
    return np.count_nonzero((first > 0) & (second > 0)) / np.count_nonzero((first > 0) | (second > 0))


def test_a_rough_box_becomes_the_shirt(photo):
    found = refine(photo, box=(100, 70, 280, 250), points=(), mask=None)
    assert set(np.unique(found)) <= {0, 255}
    assert overlap(found, shirt()) > 0.95


def test_what_lies_outside_the_box_stays(photo):
    rng = np.random.default_rng(0)
    before = np.where(rng.random((H, W)) < 0.5, 255, 0).astype(np.uint8)
    found = refine(photo, box=(100, 70, 280, 250), points=(), mask=before)
    outside = np.ones((H, W), bool)
    outside[70:250, 100:280] = False
    assert np.array_equal(found[outside], before[outside])


def test_a_mask_that_is_there_is_the_first_guess(photo):
    rough = cv2.dilate(shirt(), np.ones((15, 15), np.uint8))
    found = refine(photo, box=(90, 60, 290, 260), points=(), mask=rough)
    assert overlap(found, shirt()) > 0.95


def test_a_click_adds_the_thing_and_another_takes_it_away(photo):
    found = refine(photo, box=None, points=((190, 160, True),), mask=None)
    assert overlap(found, shirt()) > 0.93
    both = refine(photo, box=None, points=((330, 160, True),), mask=found)
    assert both[160, 330] == 255
    assert overlap(np.where(np.arange(W) < 280, both, 0), shirt()) > 0.93
    again = refine(photo, box=None, points=((330, 160, False),), mask=both)
    assert again[160, 330] == 0
    assert overlap(again, shirt()) > 0.9


def test_protected_areas_never_get_in(photo):
    protected = np.zeros((H, W), np.uint8)
    protected[100:140, 150:200] = 255
    for found in (
        refine(photo, box=(100, 70, 280, 250), points=(), mask=np.full((H, W), 255, np.uint8), protected=protected),
        refine(photo, box=None, points=((230, 200, True), (170, 120, True)), mask=None, protected=protected),
    ):
        assert not found[protected > 0].any()
        assert found[200, 230] == 255


def test_the_same_question_has_the_same_answer(photo):
    first, second = (refine(photo, box=(100, 70, 280, 250), points=(), mask=None) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("box", [(0, 0, W, H), (-50, -50, W + 50, H + 50), (W - 9, H - 9, W, H), (5, 5, 9, 9)])
@pytest.mark.parametrize("value", [0, 255, None])
def test_boxes_at_the_rim_and_very_small_ones(photo, box, value):
    mask = None if value is None else np.full((H, W), value, np.uint8)
    assert refine(photo, box=box, points=(), mask=mask).shape == (H, W)


@pytest.mark.parametrize("flat", [0, 127, 255])
def test_a_photo_of_one_colour(flat):
    plain = np.full((60, 80, 3), flat, np.uint8)
    refine(plain, box=(10, 10, 50, 50), points=(), mask=None)
    assert refine(plain, box=None, points=((0, 0, True), (79, 59, False)), mask=None).shape == (60, 80)


def test_nothing_asked_an_empty_box_and_other_sizes_are_mistakes(photo):
    with pytest.raises(UsageProblem):
        refine(photo, box=None, points=(), mask=None)
    with pytest.raises(UsageProblem):
        refine(photo, box=(50, 50, 50, 90), points=(), mask=None)
    with pytest.raises(UsageProblem):
        refine(photo, box=(5, 5, 50, 90), points=(), mask=np.zeros((H, W + 1), np.uint8))


@pytest.mark.slow
def test_at_24_mp_it_finds_the_same(photo):
    large = cv2.resize(photo, (6000, 4000), interpolation=cv2.INTER_LINEAR)
    asked = cv2.resize(shirt(), (6000, 4000), interpolation=cv2.INTER_NEAREST)
    box = refine(large, box=(1500, 900, 4200, 3400), points=(), mask=None)
    assert overlap(box, asked) > 0.95
    clicked = refine(
        large, box=None, points=((2800, 2100, True), (300, 300, False)), mask=np.zeros((4000, 6000), np.uint8)
    )
    assert overlap(clicked, asked) > 0.9


def test_the_wand_takes_what_hangs_together_or_all_of_it():
    pixels = np.full((40, 60, 3), 50, np.uint8)
    pixels[5:15, 5:20] = pixels[25:30, 40:50] = (200, 10, 10)
    pixels[10:12, 8:10] = (215, 10, 10)
    pixels.setflags(write=False)
    box, area = similar(pixels, 6, 6, tolerance=16)
    assert box == (5, 5, 20, 15)
    assert area.all()
    box, area = similar(pixels, 6, 6, tolerance=10)
    assert not area[5:7, 3:5].any()
    assert np.count_nonzero(area) == 150 - 4
    box, area = similar(pixels, 6, 6, tolerance=16, contiguous=False)
    assert box == (5, 5, 50, 30)
    assert np.count_nonzero(area) == 150 + 50


@pytest.mark.parametrize(("x", "y"), [(-1, 3), (3, -1), (60, 3), (3, 40)])
def test_the_wand_outside_the_photo_takes_nothing(x, y):
    assert similar(np.zeros((40, 60, 3), np.uint8), x, y)[0] == EMPTY
