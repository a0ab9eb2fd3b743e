"""Masks from files: which pixels are in, upright, of the right size, not empty."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.encode import encode_mask
from outfitswap_desktop.core.photo import read_mask
from outfitswap_desktop.errors import InputRefused, PhotoUnreadable
from tests.core import pictures as p

SIZE = (96, 80)


def shape() -> np.ndarray:
    mask = np.zeros((80, 96), np.uint8)
    mask[10:40, 5:50] = 255
    mask[60, 90] = 255
    return mask


def alpha_picture(colours: np.ndarray, alpha: np.ndarray, format: str = "PNG", **options: object) -> bytes:
    return p.saved(Image.fromarray(np.dstack([colours, alpha])), format, **options)


def test_a_mask_comes_back_as_it_was_encoded() -> None:
    mask = read_mask(encode_mask(shape()), size=SIZE)
    np.testing.assert_array_equal(mask, shape())
    assert mask.dtype == np.uint8


def test_the_threshold_is_128() -> None:
    ramp = np.tile(np.arange(96, dtype=np.uint8) + 80, (80, 1))
    np.testing.assert_array_equal(read_mask(encode_mask(ramp), size=SIZE), np.where(ramp >= 128, 255, 0))


def test_modes() -> None:
    grey = Image.fromarray(shape())
    for picture in (
        grey.convert("1"),
        grey.convert("RGB"),
        grey.convert("P"),
        grey.convert("LA"),
        grey.convert("RGBA"),
    ):
        np.testing.assert_array_equal(read_mask(p.saved(picture, "PNG"), size=SIZE), shape())
    np.testing.assert_array_equal(read_mask(p.saved(grey.convert("RGB"), "WEBP", lossless=True), size=SIZE), shape())
    deep = p.joined(p.png_chunks(shape().astype(np.uint16)[..., None] * 257, depth=16, colour=0))
    np.testing.assert_array_equal(read_mask(deep, size=SIZE), shape())


def test_a_jpeg_mask_is_close() -> None:
    assert np.mean(read_mask(p.saved(shape(), "JPEG", quality=95), size=SIZE) != shape()) < 0.01


def test_alpha_counts_where_it_alone_says_something() -> None:
    for colour in (0, 90, 255):
        flat = np.full((80, 96, 3), colour, np.uint8)
        np.testing.assert_array_equal(read_mask(alpha_picture(flat, shape()), size=SIZE), shape())
    lossless = {"lossless": True, "exact": True}
    flat = np.full((80, 96, 3), 7, np.uint8)
    np.testing.assert_array_equal(read_mask(alpha_picture(flat, shape(), "WEBP", **lossless), size=SIZE), shape())


def test_transparent_white_is_out_and_painted_white_is_in() -> None:
    colours = np.repeat(shape()[..., None], 3, axis=2)
    colours[70:75, 70:80] = 255  # white, but fully transparent
    np.testing.assert_array_equal(read_mask(alpha_picture(colours, shape()), size=SIZE), shape())


def test_opaque_alpha_says_nothing() -> None:
    colours = np.repeat(shape()[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_mask(alpha_picture(colours, np.full_like(shape(), 255)), size=SIZE), shape())


def test_paint_of_any_colour_counts() -> None:
    red = np.zeros((80, 96, 3), np.uint8)
    red[..., 0] = shape()
    np.testing.assert_array_equal(read_mask(p.saved(red, "PNG"), size=SIZE), shape())


def test_orientation_is_applied_once() -> None:
    stored = np.rot90(shape())  # 80 wide, 96 high; orientation 6 turns it back
    chunks = p.png_chunks(stored[..., None], colour=0, before=[(b"eXIf", p.exif_block(orientation=6))])
    np.testing.assert_array_equal(read_mask(p.joined(chunks), size=SIZE), shape())


@pytest.mark.parametrize("size", [(96, 81), (95, 80), (80, 96), (192, 160)])
def test_wrong_size_names_both(size: tuple[int, int]) -> None:
    with pytest.raises(InputRefused) as caught:
        read_mask(encode_mask(shape()), size=size)
    assert caught.value.reason == "mask_size"
    assert "96 x 80" in caught.value.message
    assert f"{size[0]} x {size[1]}" in caught.value.message


def test_a_tiny_mask_is_refused_by_its_size() -> None:
    with pytest.raises(InputRefused) as caught:
        read_mask(p.saved(np.full((8, 8), 255, np.uint8), "PNG"), size=SIZE)
    assert caught.value.reason == "mask_size"


@pytest.mark.parametrize("level", [0, 1, 127])
def test_empty_mask(level: int) -> None:
    with pytest.raises(InputRefused) as caught:
        read_mask(encode_mask(np.full((80, 96), level, np.uint8)), size=SIZE)
    assert caught.value.reason == "mask_empty"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(90), encode_mask(shape())[:-20], p.jpeg()[:300]])
def test_unreadable_mask(data: bytes) -> None:
    with pytest.raises(PhotoUnreadable) as caught:
        read_mask(data, size=SIZE)
    assert caught.value.message.startswith("The mask ")
