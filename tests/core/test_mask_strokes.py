"""Painting into a mask: strokes, dirty rectangles, protected areas, undo and its price."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.strokes import EMPTY, Brush, Dab, MaskCanvas, Stroke, stamp
from outfitswap_desktop.errors import UsageProblem

H, W = 300, 420

brushes = st.builds(
    Brush,
    size=st.floats(0.5, 90),
    hardness=st.floats(0, 1),
    opacity=st.floats(0, 1),
    erase=st.booleans(),
    spacing=st.floats(0.05, 1.5),
)
points = st.lists(st.tuples(st.floats(-60, W + 60), st.floats(-60, H + 60), st.floats(0, 1)), min_size=1, max_size=6)
strokes = st.tuples(brushes, points)


def start(seed: int = 0) -> Mask:
    """A mask with every grey level somewhere."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((H, W), np.uint8)
    mask[40:200, 60:300] = 255
    mask[200:280, 300:400] = rng.integers(0, 256, (80, 100))
    return mask


def draw(canvas: MaskCanvas, brush: Brush, way: list[tuple[float, float, float]]) -> list[Box]:
    canvas.begin(brush)
    return [canvas.move(*point) for point in way]


def outside(box: Box) -> np.ndarray:
    away = np.ones((H, W), bool)
    away[box[1] : box[3], box[0] : box[2]] = False
    return away


@given(st.lists(strokes, min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_undo_and_redo_restore_every_state_exactly(drawn: list, data: st.DataObject) -> None:
    canvas = MaskCanvas(start())
    states = [canvas.pixels.copy()]
    for brush, way in drawn:
        draw(canvas, brush, way)
        if canvas.end().blocks:
            states.append(canvas.pixels.copy())
    at = len(states) - 1
    for back in data.draw(st.lists(st.booleans(), max_size=12)):
        box = canvas.undo() if back else canvas.redo()
        to = max(at - 1, 0) if back else min(at + 1, len(states) - 1)
        assert np.array_equal(canvas.pixels, states[to])
        assert np.array_equal(states[at][outside(box)], states[to][outside(box)])
        assert (box == EMPTY) == (at == to)
        at = to
    while canvas.can_undo:
        canvas.undo()
    assert np.array_equal(canvas.pixels, states[0])


@given(strokes)
@settings(max_examples=80, deadline=None)
def test_every_move_stays_in_its_rectangle(drawn: tuple) -> None:
    brush, way = drawn
    canvas = MaskCanvas(start())
    canvas.begin(brush)
    for point in way:
        before = canvas.pixels.copy()
        box = canvas.move(*point)
        assert 0 <= box[0] <= box[2] <= W
        assert 0 <= box[1] <= box[3] <= H
        assert np.array_equal(canvas.pixels[outside(box)], before[outside(box)])
    patch = canvas.end()
    assert np.array_equal(canvas.pixels[outside(patch.box)], start()[outside(patch.box)])


@given(strokes)
@settings(max_examples=60, deadline=None)
def test_painting_only_adds_and_erasing_only_takes_away(drawn: tuple) -> None:
    brush, way = drawn
    canvas = MaskCanvas(start())
    draw(canvas, brush, way)
    canvas.end()
    if brush.erase:
        assert np.all(canvas.pixels <= start())
    else:
        assert np.all(canvas.pixels >= start())


@given(st.lists(strokes, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_protected_areas_are_never_in_the_mask(drawn: list) -> None:
    protected = np.zeros((H, W), np.uint8)
    protected[100:160, 150:330] = 1
    canvas = MaskCanvas(start(), protected)
    for brush, way in drawn:
        draw(canvas, brush, way)
        assert not canvas.pixels[protected > 0].any()
        canvas.end()
    canvas.replace(np.full((H, W), 255, np.uint8))
    assert not canvas.pixels[protected > 0].any()
    assert canvas.pixels[protected == 0].all()
    while canvas.can_undo:
        canvas.undo()
        assert not canvas.pixels[protected > 0].any()


@given(strokes)
@settings(max_examples=60, deadline=None)
def test_a_stroke_replayed_gives_the_same_pixels(drawn: tuple) -> None:
    brush, way = drawn
    by_hand, replayed = MaskCanvas(start()), MaskCanvas(start())
    draw(by_hand, brush, way)
    by_hand.end()
    replayed.paint(Stroke.along(brush, way))
    assert np.array_equal(by_hand.pixels, replayed.pixels)


@given(strokes)
@settings(max_examples=40, deadline=None)
def test_an_abandoned_stroke_leaves_nothing(drawn: tuple) -> None:
    brush, way = drawn
    canvas = MaskCanvas(start())
    draw(canvas, brush, way)
    canvas.abandon()
    assert np.array_equal(canvas.pixels, start())
    assert not canvas.can_undo
    assert not canvas.drawing


@pytest.mark.parametrize("erase", [False, True])
@pytest.mark.parametrize("opacity", [0.25, 0.5, 1.0])
def test_overlapping_dabs_of_one_stroke_stop_at_its_opacity(opacity: float, erase: bool) -> None:
    canvas = MaskCanvas(np.full((H, W), 255 if erase else 0, np.uint8))
    draw(canvas, Brush(40, hardness=1, opacity=opacity, erase=erase), [(100, 100, 1), (200, 100, 1), (90, 101, 1)])
    canvas.end()
    level = round(255 * (1 - opacity if erase else opacity))
    assert abs(int(canvas.pixels[100, 150]) - level) <= 1


def test_a_second_stroke_does_add_to_the_first() -> None:
    canvas = MaskCanvas(np.zeros((H, W), np.uint8))
    for _ in range(2):
        draw(canvas, Brush(40, hardness=1, opacity=0.5), [(100, 100, 1)])
        canvas.end()
    assert abs(int(canvas.pixels[100, 100]) - 191) <= 1


@pytest.mark.parametrize("other", [Brush(40, hardness=1, opacity=0.5), Brush(40, hardness=0.1), Brush(39, hardness=1)])
def test_each_stroke_paints_with_its_own_brush(other: Brush) -> None:
    warm, fresh = MaskCanvas(np.zeros((H, W), np.uint8)), MaskCanvas(np.zeros((H, W), np.uint8))
    warm.paint(Stroke(Brush(40, hardness=1), (Dab(50, 50, 40),)))
    warm.undo()
    for canvas in (warm, fresh):
        canvas.paint(Stroke(other, (Dab(50, 50, other.size),)))
    assert np.array_equal(warm.pixels, fresh.pixels)


def test_dabs_are_evenly_spaced_however_the_way_was_cut() -> None:
    brush = Brush(20, spacing=0.5)
    once = Stroke.along(brush, [(0, 0, 1), (100, 0, 1)]).dabs
    cut = Stroke.along(brush, [(x, 0, 1) for x in range(0, 101, 4)]).dabs
    assert len(once) == 11
    assert [round(dab.x, 6) for dab in once] == [round(dab.x, 6) for dab in cut] == [10 * n for n in range(11)]


def test_pressure_scales_the_diameter() -> None:
    assert Stroke.along(Brush(40), [(5, 5, 0.25)]).dabs == (Dab(5, 5, 10),)


def test_one_pixel_is_one_pixel() -> None:
    canvas = MaskCanvas(np.zeros((9, 9), np.uint8))
    canvas.paint(Stroke(Brush(1, hardness=1), (Dab(4.5, 3.5, 1),)))
    assert canvas.pixels[3, 4] == 255
    assert np.count_nonzero(canvas.pixels) == 1


@pytest.mark.parametrize("size", [2, 9, 64, 301])
@pytest.mark.parametrize("hardness", [0.0, 0.5, 1.0])
def test_a_stamp_has_its_size_and_falls_off_from_the_hard_core(size: float, hardness: float) -> None:
    cover = stamp(size, hardness)
    middle = cover.shape[0] // 2
    assert np.array_equal(cover, cover.T)
    assert np.array_equal(cover, cover[::-1, ::-1])
    profile = cover[middle, middle:].astype(int)
    assert profile[0] >= 250 if size > 2 else profile[0] > 200
    assert np.all(np.diff(profile) <= 0)
    assert profile[math.ceil(size / 2 + 0.5)] == 0
    assert np.all(profile[: int(size / 2 * hardness)] >= 250)
    if hardness == 1.0:
        assert abs(cover.sum() / 255 - math.pi * size**2 / 4) <= 0.02 * math.pi * size**2 / 4 + 0.5


def test_full_cover_is_full_at_every_level() -> None:
    levels = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    for erase, end in ((False, 255), (True, 0)):
        canvas = MaskCanvas(levels)
        canvas.paint(Stroke(Brush(1500, hardness=1, erase=erase), (Dab(128, 8, 1500),)))
        assert np.all(canvas.pixels == end)


def test_replace_is_one_step_and_a_new_change_drops_what_was_undone() -> None:
    canvas = MaskCanvas(start())
    assert canvas.replace(start()).box == EMPTY
    assert not canvas.can_undo
    other = start()
    other[7, 9] = 3
    assert canvas.replace(other).box == (9, 7, 10, 8)
    canvas.undo()
    assert canvas.can_redo
    draw(canvas, Brush(10), [(5, 5, 1)])
    canvas.end()
    assert not canvas.can_redo
    assert canvas.redo() == EMPTY


def test_the_view_is_live_and_read_only() -> None:
    canvas = MaskCanvas(np.zeros((50, 50), np.uint8))
    view = canvas.pixels
    draw(canvas, Brush(10), [(25, 25, 1)])
    assert view[25, 25] == 255
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1


def test_the_canvas_never_writes_into_the_callers_mask() -> None:
    mask = start()
    canvas = MaskCanvas(mask)
    draw(canvas, Brush(50), [(10, 10, 1)])
    canvas.end()
    assert np.array_equal(mask, start())


def test_misuse_is_said() -> None:
    canvas = MaskCanvas(np.zeros((5, 5), np.uint8))
    with pytest.raises(UsageProblem, match="No stroke"):
        canvas.move(1, 1)
    with pytest.raises(UsageProblem, match="No stroke"):
        canvas.end()
    canvas.begin(Brush())
    for call in (
        canvas.undo,
        canvas.redo,
        lambda: canvas.begin(Brush()),
        lambda: canvas.replace(np.zeros((5, 5), np.uint8)),
    ):
        with pytest.raises(UsageProblem, match="still"):
            call()
    with pytest.raises(UsageProblem, match="hardness"):
        Brush(hardness=1.5)
    with pytest.raises(UsageProblem, match="size"):
        Brush(size=math.nan)
    with pytest.raises(UsageProblem, match="differ"):
        MaskCanvas(np.zeros((5, 5), np.uint8), np.zeros((5, 6), np.uint8))
    with pytest.raises(UsageProblem, match="one channel"):
        MaskCanvas(np.zeros((5, 5, 3), np.uint8))


def test_wild_pointer_positions_are_harmless() -> None:
    canvas = MaskCanvas(np.zeros((50, 50), np.uint8))
    canvas.begin(Brush(4))
    for x, y in ((1e18, 3), (-1e18, 3), (math.nan, 3), (math.inf, 3), (3, 3)):
        canvas.move(x, y, math.nan)
    assert canvas.pixels[3, 3] == 255


@pytest.mark.parametrize(
    "brush", [Brush(128, hardness=1), Brush(128, hardness=0.2, opacity=0.7), Brush(128, erase=True)]
)
def test_at_8k_undo_is_small(brush: Brush) -> None:
    height, width = 4320, 7680
    mask = np.full((height, width), 255 if brush.erase else 0, np.uint8)
    canvas = MaskCanvas(mask, np.eye(height, width, dtype=np.uint8))
    start = canvas.pixels.copy()
    rng = np.random.default_rng(1)
    for _ in range(3):
        x, y, heading = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * math.pi)
        canvas.begin(brush)
        for _ in range(100):
            heading += rng.normal(0, 0.2)
            x, y = x + 20 * math.cos(heading), y + 20 * math.sin(heading)
            canvas.move(x, y)
        assert canvas.end().nbytes <= 0.03 * height * width
    while canvas.can_undo:
        canvas.undo()
    assert np.array_equal(canvas.pixels, start)
