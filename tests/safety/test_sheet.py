"""Contact sheets: what may be shown is shown, upright and whole; what may not leaves an empty place that says so."""

import numpy as np
import pytest

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety import sheet
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.sheet import Cell, Shown
from outfitswap_desktop.safety.stages import OUTPUT_GATE_NAMES
from tests.safety.pictures import BodyPartsStub, photo, png, raw, script

RED, BLUE = (250, 10, 10), (10, 10, 250)


def plain(colour, size=(80, 120)):
    return png(np.full((*size, 3), colour, np.uint8))


def share(pixels, colour) -> float:
    return float((np.abs(pixels.astype(int) - colour).max(axis=2) < 12).mean())


@pytest.fixture
def kernel():
    return script(SafetyKernel())


def test_photos_results_and_empty_places_side_by_side(kernel):
    source = kernel.open_photo(plain(RED))
    result = kernel.release(raw(kernel, kernel.open_photo(plain(BLUE))))
    made = kernel.contact_sheet(
        [[Cell(kernel.view(source), "before"), Cell(result, "after"), Cell(None, "nobody found")]]
    )
    assert made.kind == "contact_sheet"
    assert share(made.pixels, RED) * made.pixels[..., 0].size == pytest.approx(80 * 120, abs=5)
    assert share(made.pixels, BLUE) * made.pixels[..., 0].size > 80 * 120 * 0.9
    assert share(made.pixels, (228, 228, 228)) > 0.05
    assert kernel.encode(made, "JPEG").startswith(b"\xff\xd8")
    assert made.metadata.exif is None
    assert [verdict.gate for verdict in made.verdicts] == list(OUTPUT_GATE_NAMES)
    assert made.scores["body_parts.FEMALE_BREAST_EXPOSED"] == pytest.approx(0.01)


def test_a_photo_is_judged_once_and_left_out_when_a_gate_refuses(kernel):
    stub = BodyPartsStub(looks=[])
    view = kernel.view(kernel.open_photo(plain(RED)))
    script(kernel, body_parts=stub)
    for _ in range(3):
        kernel.contact_sheet([[Cell(view)]])
    assert len(stub.looks) == 1
    other = kernel.view(kernel.open_photo(plain(RED)))
    stub.answer = {"BUTTOCKS_EXPOSED": 0.9}
    made = kernel.contact_sheet([[Cell(other, "me"), Cell(view, "fine")], [Cell(other)]])
    assert share(made.pixels, RED) * made.pixels[..., 0].size == pytest.approx(80 * 120, abs=5)


def test_only_pictures_of_the_kernel_go_in(kernel):
    for thing in (np.zeros((80, 80, 3), np.uint8), plain(RED), kernel.open_photo(photo())):
        with pytest.raises(TypeError):
            kernel.contact_sheet([[Cell(thing)]])
        with pytest.raises(TypeError):
            kernel.miniature(thing)


def test_a_sheet_of_a_sheet_and_of_miniatures(kernel):
    small = kernel.miniature(kernel.view(kernel.open_photo(photo(size=(400, 600)))), side=90)
    assert small.kind == "miniature"
    assert max(small.pixels.shape[:2]) == 90
    inner = kernel.contact_sheet([[Cell(small)]])
    assert kernel.contact_sheet([[Cell(inner), Cell(small)]]).pixels.any()


def test_large_pictures_shrink_to_the_cell_and_small_ones_are_not_enlarged():
    big, small = np.full((900, 600, 3), RED, np.uint8), np.full((70, 70, 3), BLUE, np.uint8)
    drawn = sheet.draw([[Shown(big, None, ""), Shown(small, None, "")]], title="", side=200)
    reds, blues = (np.argwhere(np.abs(drawn.astype(int) - c).max(axis=2) < 12) for c in (RED, BLUE))
    assert tuple(np.ptp(reds, axis=0) + 1) == (200, 133)
    assert tuple(np.ptp(blues, axis=0) + 1) == (70, 70)
    assert reds[:, 0].max() == blues[:, 0].max(), "pictures of a row stand on one line"


def test_many_rows_get_smaller_cells_and_too_many_are_told():
    picture = np.full((300, 300, 3), RED, np.uint8)
    row = [Shown(picture, None, "caption")] * 3
    few = sheet.draw([row] * 2, title="Title", side=300)
    many = sheet.draw([row] * 60, title="Title", side=300)
    assert max(many.shape) <= sheet.LARGEST_SIDE
    assert many.shape[1] < few.shape[1]
    with pytest.raises(UsageProblem) as caught:
        sheet.draw([row] * 200, title="", side=300)
    assert caught.value.reason == "sheet_too_large"
    for nothing in ([], [[]]):
        with pytest.raises(UsageProblem):
            sheet.draw(nothing, title="", side=300)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "short",
        "many words " * 30,
        "oneverylongwordwithoutanyspace" * 10,
        "line\nbreak\ttab\0\x07",
        "丝绸 crème \ud800 👗",
    ],
)
def test_any_caption_stays_in_its_cell(caption):
    white = np.full((100, 100, 3), 255, np.uint8)
    drawn = sheet.draw([[Shown(white, None, caption), Shown(white, None, "")]], title=caption[:20], side=100)
    below = drawn[-55:]
    assert (below[:, 114:] == 255).all()
    assert (below < 128).any() is np.bool_(bool(caption.strip()))


def test_wrapping_keeps_words_and_cuts_with_dots():
    def length(words):
        return float(len(words))

    assert sheet._wrapped("a bb ccc dddd", 8, length) == ["a bb ccc", "dddd"]
    assert sheet._wrapped("aaaaaaaaaaaa", 8, length) == ["aaaaa..."]
    assert sheet._wrapped("aaaa bbbb cccc dddd", 9, length) == ["aaaa bbbb", "cccc dddd"]
    lines = sheet._wrapped("aaaa bbbb cccc dddd eeee", 9, length)
    assert lines[0] == "aaaa bbbb"
    assert lines[1].endswith("...")
    assert len(lines[1]) <= 9
    assert sheet._wrapped("", 9, length) == []
