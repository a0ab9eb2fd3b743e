"""The invisible mark in whole pictures: where it sits, what it survives, and that clean pictures have none."""

import io

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from outfitswap_desktop.safety.marks import invisible
from outfitswap_desktop.safety.marks.invisible import MIN_AREA, PAYLOAD_BYTES, Marked, embed, find, read
from outfitswap_desktop.safety.marks.invisible_pattern import grain

PAYLOAD = bytes.fromhex("12f3567f9abc")
OUTLINE = np.array(
    [
        (-25, -50),
        (-10, -55),
        (10, -55),
        (25, -50),
        (60, -10),
        (48, 5),
        (30, -15),
        (28, 50),
        (-30, 55),
        (-30, -15),
        (-50, 10),
    ]
)
KINDS = ("photo", "white", "black", "middle", "flat white", "flat black", "tartan")


def garment(height, width, *, scale=3.4, at=(0.55, 0.5)) -> np.ndarray:
    """A shirt's outline; at the usual scale just above the smallest area."""
    mask = np.zeros((height, width), np.uint8)
    points = OUTLINE * scale + np.array([at[1] * width, at[0] * height])
    cv2.fillPoly(mask, [points.astype(np.int32)], 255)
    return mask


def picture(kind, size=(640, 560)) -> tuple[np.ndarray, np.ndarray]:
    """A photo whose garment is of one kind, and its mask."""
    height, width = size
    pixels = cv2.resize(skimage.data.astronaut(), (width, height), interpolation=cv2.INTER_CUBIC)
    mask = garment(height, width, scale=3.6)
    noise = np.random.default_rng(5).normal(0, 0.6, size)
    folds = 6 * np.sin(np.arange(width) / 40)[None, :] * np.cos(np.arange(height) / 60)[:, None]
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    cloth = {
        "white": 244 + folds + noise,
        "black": 9 + folds + noise,
        "middle": 128 + folds + noise,
        "flat white": np.full(size, 255.0),
        "flat black": np.zeros(size),
        "tartan": 110 + 40 * ((x // 14) % 2) + 30 * ((y // 14) % 2) + folds + noise,
    }
    if kind != "photo":
        pixels[mask > 0] = np.clip(cloth[kind], 0, 255).astype(np.uint8)[mask > 0][:, None]
    return pixels, mask


def saved(pixels, form, quality) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def resized(pixels, factor, way=Image.Resampling.LANCZOS) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((round(width * factor), round(height * factor)), way))


@pytest.fixture(scope="module")
def marked() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each kind the original, the mask, and the marked picture."""
    found = {}
    for kind in KINDS:
        pixels, mask = picture(kind)
        result = embed(pixels, mask, PAYLOAD)
        assert result.carried
        found[kind] = pixels, mask, result.pixels
    return found


# --- where it sits -----------------------------------------------------------------------------------------------------


def test_sizes_are_the_ones_promised():
    assert (PAYLOAD_BYTES, MIN_AREA) == (6, 256 * 256)


@pytest.mark.parametrize("kind", KINDS)
def test_outside_the_mask_not_one_bit_changes(marked, kind):
    pixels, mask, result = marked[kind]
    assert result.dtype == np.uint8
    assert result.shape == pixels.shape
    assert np.array_equal(result[mask == 0], pixels[mask == 0])
    changed = (result != pixels).any(axis=2)
    assert changed[mask > 0].mean() > 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_weak_enough_not_to_be_seen(marked, kind):
    pixels, mask, result = marked[kind]
    change = result[mask > 0].astype(float) - pixels[mask > 0]
    assert 10 * np.log10(255**2 / np.mean(change**2)) > (34.0 if kind in ("photo", "tartan") else 37.0)
    assert np.abs(change).max() <= 19
    inner = cv2.erode(mask, np.ones((81, 81))) > 0
    if kind not in ("photo", "tartan"):
        assert np.abs(result[inner].astype(int) - pixels[inner]).max() <= 9


def test_plain_cloth_carries_the_measured_strength(marked):
    pixels, mask, result = marked["middle"]
    inner = cv2.erode(mask, np.ones((41, 41))) > 0
    change = (result.astype(float) - pixels)[inner][:, 0]
    assert change.std() == pytest.approx(1.64, abs=0.1)
    assert abs(change.mean()) < 0.1
    low = cv2.GaussianBlur(np.where(mask > 0, (result.astype(float) - pixels)[..., 0], 0), (0, 0), 12)
    assert np.abs(low[cv2.erode(mask, np.ones((91, 91))) > 0]).max() < 0.25


def test_the_grain_shares_no_period_with_tiles_or_blocks():
    noise = grain()
    assert noise.shape == (127, 131)
    assert (noise.min(), noise.max()) == (-1.0, 1.0)
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(1 / 3**0.5, abs=0.02)


def test_all_three_channels_move_alike(marked):
    pixels, mask, result = marked["middle"]
    change = result[mask > 0].astype(int) - pixels[mask > 0]
    assert (change == change[:, :1]).all()


def test_the_same_in_the_same_out_and_nothing_handed_in_is_touched():
    pixels, mask = picture("photo")
    before = pixels.copy(), mask.copy()
    first, second = embed(pixels, mask, PAYLOAD), embed(pixels, mask, PAYLOAD)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(pixels, before[0])
    assert np.array_equal(mask, before[1])
    assert first.pixels is not pixels


def test_another_payload_makes_another_picture(marked):
    pixels, mask, result = marked["photo"]
    other = embed(pixels, mask, b"\0" * 6).pixels
    assert not np.array_equal(other, result)
    assert read(other) == b"\0" * 6


def test_read_only_and_sliced_arrays_are_taken():
    pixels, mask = picture("photo")
    wide = np.zeros((pixels.shape[0], pixels.shape[1] * 2, 3), np.uint8)
    wide[:, ::2] = pixels
    view = wide[:, ::2]
    view.setflags(write=False)
    result = embed(view, mask, PAYLOAD)
    assert read(result.pixels[::1]) == PAYLOAD
    assert np.array_equal(result.pixels, embed(pixels, mask, PAYLOAD).pixels)


@pytest.mark.parametrize(("area", "carried"), [(MIN_AREA - 1, False), (MIN_AREA, True)])
def test_the_smallest_area(area, carried):
    pixels = skimage.data.astronaut()
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[100:356, 100:356] = 255
    if area < MIN_AREA:
        mask[100, 100] = 0
    result = embed(pixels, mask, PAYLOAD)
    assert result == Marked(result.pixels, carried)
    assert np.array_equal(result.pixels, pixels) is not carried
    assert read(result.pixels) == (PAYLOAD if carried else None)


def test_an_empty_mask_carries_none():
    pixels = skimage.data.astronaut()
    assert not embed(pixels, np.zeros(pixels.shape[:2], np.uint8), PAYLOAD).carried


@pytest.mark.parametrize("size", [(513, 517), (640, 561), (541, 640)])
def test_odd_sizes_and_masks_up_to_the_edge(size):
    pixels = cv2.resize(skimage.data.astronaut(), size[::-1])
    mask = np.full(size, 255, np.uint8)
    result = embed(pixels, mask, PAYLOAD).pixels
    assert read(result) == PAYLOAD
    assert read(result, near=mask) == PAYLOAD
    assert (result[-1] != pixels[-1]).any()
    assert (result[:, -1] != pixels[:, -1]).any()


def test_any_mask_value_but_0_is_inside():
    pixels, mask = picture("photo")
    assert np.array_equal(embed(pixels, mask // 255, PAYLOAD).pixels, embed(pixels, mask, PAYLOAD).pixels)


# --- what it survives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_read_back_unharmed(marked, kind):
    _, mask, result = marked[kind]
    assert read(result) == PAYLOAD
    assert read(result, near=mask) == PAYLOAD


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("form", "quality"), [("JPEG", 90), ("JPEG", 75), ("JPEG", 50)])
def test_saving_with_losses(marked, kind, form, quality):
    assert read(saved(marked[kind][2], form, quality)) == PAYLOAD


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "flat" not in kind])
def test_saving_as_webp(marked, kind):
    """Cloth of exactly one clipped colour is the known exception."""
    assert read(saved(marked[kind][2], "WEBP", 80)) == PAYLOAD


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5])
def test_made_smaller_and_larger(marked, kind, factor):
    assert read(resized(marked[kind][2], factor)) == PAYLOAD


@pytest.mark.parametrize("kind", ["photo", "white"])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (37, 51), (64, 0), (81, 97)])
def test_cropped_around_the_garment(marked, kind, top, left):
    assert read(marked[kind][2][top:-3, left:-20]) == PAYLOAD


def test_noise_and_brightness(marked):
    result = marked["photo"][2].astype(float)
    noise = np.random.default_rng(1).normal(0, 5, result.shape)
    assert read(np.clip(result + noise, 0, 255).astype(np.uint8)) == PAYLOAD
    assert read(np.clip(result * 1.1, 0, 255).astype(np.uint8)) == PAYLOAD


def test_a_small_garment_in_a_large_photo():
    pixels = cv2.resize(skimage.data.astronaut(), (1500, 1400), interpolation=cv2.INTER_CUBIC)
    mask = garment(1400, 1500, scale=3.1, at=(0.3, 0.7))
    assert MIN_AREA < np.count_nonzero(mask) < 1.1 * MIN_AREA
    assert read(saved(embed(pixels, mask, PAYLOAD).pixels, "JPEG", 75)) == PAYLOAD


def test_a_second_edit_over_the_first_reads_as_the_second(marked):
    _, mask, result = marked["photo"]
    again = embed(result, mask, b"second").pixels
    assert read(again) == b"second"
    assert read(again, near=mask) == b"second"


def test_two_garments_of_one_picture_read_as_one_of_them():
    pixels = cv2.resize(skimage.data.astronaut(), (900, 640), interpolation=cv2.INTER_CUBIC)
    masks = [garment(640, 900, scale=3.5, at=(0.5, across)) for across in (0.23, 0.77)]
    assert not (masks[0] & masks[1]).any()
    first = embed(pixels, masks[0], b"first!").pixels
    both = embed(first, masks[1], b"second").pixels
    assert read(both) in (b"first!", b"second")
    assert read(both, near=masks[0]) == b"first!"
    assert read(both, near=masks[1]) == b"second"


# --- what it is not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "brick", "grass", "gravel", "page", "camera"])
def test_clean_pictures_have_none(name):
    pixels = getattr(skimage.data, name)()
    pixels = np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels
    assert read(pixels) is None
    assert read(pixels, near=np.full(pixels.shape[:2], 255, np.uint8)) is None


@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_colour_has_none(value):
    assert read(np.full((300, 400, 3), value, np.uint8)) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (20, 20), (63, 64), (64, 64), (65, 130)])
def test_tiny_pictures_have_none_and_do_no_harm(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert read(pixels) is None


@pytest.mark.parametrize("period", [4, 8, 16, 32, 64])
def test_checks_and_stripes_have_none(period):
    x, y = np.arange(512)[None, :], np.arange(512)[:, None]
    check = ((x // (period // 2) + y // (period // 2)) % 2 * 120 + 60).astype(np.uint8)
    stripes = np.broadcast_to(((x // (period // 2)) % 2 * 120 + 60).astype(np.uint8), (512, 512))
    for pattern in (check, stripes):
        assert read(np.stack([pattern] * 3, axis=-1)) is None


def test_the_wrong_place_has_none(marked):
    _, mask, result = marked["photo"]
    elsewhere = np.where(cv2.dilate(mask, np.ones((31, 31))) > 0, 0, 255).astype(np.uint8)
    assert read(result, near=elsewhere) is None
    assert read(result, near=np.zeros_like(mask)) is None


def test_a_damaged_mark_is_none_not_another(marked):
    pixels, mask, result = marked["photo"]
    weak = (pixels.astype(float) + 0.15 * (result.astype(float) - pixels)).round().astype(np.uint8)
    assert read(weak, near=mask) is None


def test_find_says_how_clearly(marked):
    found = find(marked["middle"][2])
    assert found is not None
    assert found.payload == PAYLOAD
    assert found.sync > 10
    assert 0.9 < found.word <= 1.0
    assert find(marked["middle"][0]) is None


# --- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((300, 300), np.uint8),
        np.zeros((300, 300, 4), np.uint8),
        np.zeros((300, 300, 3), np.float32),
        np.zeros((300, 300, 3), np.int8),
    ],
)
def test_pictures_of_another_kind_are_refused(pixels):
    mask = np.full((300, 300), 255, np.uint8)
    with pytest.raises(ValueError, match=r"\(H, W, 3\) and type uint8"):
        embed(pixels, mask, PAYLOAD)
    with pytest.raises(ValueError, match=r"\(H, W, 3\) and type uint8"):
        read(pixels)


@pytest.mark.parametrize(
    "mask", [np.full((300, 301), 255, np.uint8), np.full((300, 300), True), np.zeros((300, 300, 1), np.uint8)]
)
def test_masks_of_another_kind_are_refused(mask):
    pixels = np.zeros((300, 300, 3), np.uint8)
    with pytest.raises(ValueError, match="mask of the picture's size"):
        embed(pixels, mask, PAYLOAD)
    with pytest.raises(ValueError, match="mask of the picture's size"):
        read(pixels, near=mask)


@pytest.mark.parametrize("payload", [b"", b"12345", b"1234567"])
def test_payloads_of_another_length_are_refused_even_where_nothing_would_be_embedded(payload):
    pixels = np.zeros((300, 300, 3), np.uint8)
    for fill in (0, 255):
        with pytest.raises(ValueError, match="carries 6 bytes"):
            embed(pixels, np.full((300, 300), fill, np.uint8), payload)


def test_a_scale_whose_original_would_be_too_large_is_not_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(invisible, "search", lambda even: tried.append(even.shape))
    monkeypatch.setattr(invisible, "LARGEST", 400 * 400)
    assert read(np.zeros((400, 400, 3), np.uint8)) is None
    assert tried == [(200, 200), (133, 133), (100, 100)]
    tried.clear()
    monkeypatch.setattr(invisible, "LARGEST", 800 * 800)
    assert read(np.zeros((400, 400, 3), np.uint8)) is None
    assert tried == [(200, 200), (400, 400), (267, 267), (300, 300), (133, 133), (100, 100)]
