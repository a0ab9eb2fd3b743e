"""What a MaskCanvas does beside strokes: areas, protection that changes, patches packed later, a history taken over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core.strokes import Brush, MaskCanvas, Stroke
from outfitswap_desktop.core.undo import EMPTY
from outfitswap_desktop.errors import UsageProblem

H, W = 300, 420


def grey(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (H, W), dtype=np.uint8)


@given(st.integers(-60, W + 20), st.integers(-60, H + 20), st.integers(1, 90), st.integers(1, 90), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_area_is_joined_or_cut_and_undone_exactly(x, y, wide, high, erase):
    before, area = grey(), np.random.default_rng(1).integers(0, 256, (high, wide), dtype=np.uint8)
    protected = np.zeros((H, W), np.uint8)
    protected[100:150, 100:200] = 1
    canvas = MaskCanvas(before, protected)
    start = canvas.pixels.copy()
    canvas.combine(area, x=x, y=y, erase=erase)
    whole = np.zeros((H + 400, W + 400), np.uint8)
    whole[y + 200 : y + 200 + high, x + 200 : x + 200 + wide] = area
    whole = whole[200 : 200 + H, 200 : 200 + W]
    wanted = np.minimum(start, 255 - whole) if erase else np.maximum(start, whole)
    wanted[protected > 0] = 0
    assert np.array_equal(canvas.pixels, wanted)
    canvas.undo()
    assert np.array_equal(canvas.pixels, start)


def test_protecting_more_takes_it_out_of_the_mask_as_one_step():
    canvas = MaskCanvas(np.full((H, W), 255, np.uint8))
    assert canvas.keep is None
    protected = np.zeros((H, W), np.uint8)
    protected[10:50, 20:60] = 9
    patch = canvas.protect(protected)
    assert patch.box == (20, 10, 60, 50)
    assert not canvas.pixels[10:50, 20:60].any()
    canvas.paint(Stroke.along(Brush(80), [(40, 30, 1.0)]))
    assert not canvas.pixels[10:50, 20:60].any()
    canvas.protect(None)
    canvas.undo()
    assert canvas.pixels.all()
    with pytest.raises(UsageProblem):
        canvas.protect(np.zeros((H, W + 1), np.uint8))


def test_patches_can_be_packed_later_and_give_the_same():
    loose, packed = MaskCanvas(grey(), pack_at_once=False), MaskCanvas(grey())
    stroke = Stroke.along(Brush(50, hardness=0.2), [(100, 100, 1.0), (300, 200, 0.4)])
    patches = [canvas.paint(stroke) for canvas in (loose, packed)]
    assert patches[0].box == patches[1].box
    assert patches[0].nbytes > patches[1].nbytes
    loose.undo()
    assert np.array_equal(loose.pixels, grey())
    patches[0].pack()
    assert patches[0].nbytes == patches[1].nbytes
    loose.redo()
    assert np.array_equal(loose.pixels, packed.pixels)
    loose.undo()
    assert np.array_equal(loose.pixels, grey())


def test_the_running_stroke_can_be_looked_at():
    canvas = MaskCanvas(np.full((H, W), 255, np.uint8))
    canvas.begin(Brush(40, hardness=1.0, opacity=0.5))
    canvas.move(250, 250)
    cover = canvas.stroke_cover((200, 200, 300, 300))
    assert cover.shape == (100, 100)
    assert cover[50, 50] == 128
    assert cover[0, 0] == 0
    assert not canvas.stroke_cover((0, 0, 100, 100)).any()
    canvas.end()
    assert not canvas.stroke_cover((200, 200, 300, 300)).any()


def test_a_history_can_be_taken_over():
    canvas = MaskCanvas(grey())
    for x in (50, 150, 250):
        canvas.paint(Stroke.along(Brush(30), [(x, 100, 1.0)]))
    canvas.undo()
    done, undone = canvas.history()
    assert (len(done), len(undone)) == (2, 1)
    other = MaskCanvas(canvas.pixels)
    other.resume(done, undone)
    other.redo()
    canvas.redo()
    assert np.array_equal(other.pixels, canvas.pixels)
    while other.can_undo:
        other.undo()
    assert np.array_equal(other.pixels, grey())
    other.forget_redo()
    assert not other.can_redo
    assert other.redo() == EMPTY
