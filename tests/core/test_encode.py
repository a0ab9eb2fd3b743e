"""Files that are written: exact pixels, profile, metadata, and what other readers find in them."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from outfitswap_desktop.core.encode import encode, encode_mask, format_for, thumbnail
from outfitswap_desktop.core.photo import read_photo
from outfitswap_desktop.errors import UsageProblem
from tests.core import pictures as p
from tests.core import profiles

FORMATS = ("PNG", "JPEG", "WEBP")
EXIF = p.exif_block([(0x010F, 2, 6, b"Maker\0"), (0x8298, 2, 3, b"me\0")], orientation=1)


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.png", "PNG"),
        ("a.PNG", "PNG"),
        ("a.jpg", "JPEG"),
        ("a.jpeg", "JPEG"),
        ("a.JPEG", "JPEG"),
        ("a.b.webp", "WEBP"),
    ],
)
def test_format_for(name: str, format: str) -> None:
    assert format_for(Path("dir.png") / name) == format


@pytest.mark.parametrize("name", ["a", "a.gif", "a.tiff", ".png", "a.png.part", "a."])
def test_format_for_other_endings(name: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        format_for(Path(name))
    assert caught.value.exit_code == 2
    assert all(ending in caught.value.message for ending in (".png", ".jpg", ".jpeg", ".webp"))
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("size", [(64, 64), (97, 81), (1, 1), (300, 1)])
def test_png_is_exact(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(opened(encode(noise, format="PNG"))), noise)


def test_png_is_exact_from_views_and_read_only_arrays() -> None:
    pixels = p.texture(200, 160)[::2, 10:110]
    pixels.setflags(write=False)
    for format in FORMATS:
        decoded = np.asarray(opened(encode(pixels, format=format, quality=100)))
        assert decoded.shape == pixels.shape
        if format != "JPEG":
            np.testing.assert_array_equal(decoded, pixels)


def test_webp_is_lossless_at_100_only() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(opened(encode(noise, format="WEBP", quality=100))), noise)
    assert len(encode(noise, format="WEBP", quality=60)) < len(encode(noise, format="WEBP", quality=95)) < noise.size


def test_jpeg_is_baseline_without_colour_subsampling() -> None:
    data = encode(p.texture(), format="JPEG")
    frame = next(body for kind, body in p.segments(data) if kind == 0xC0)
    assert [frame[at] for at in (7, 10, 13)] == [0x11] * 3
    assert np.abs(np.asarray(opened(data)).astype(int) - p.texture()).mean() < 2
    assert len(encode(p.texture(), format="JPEG", quality=40)) < len(data)


@pytest.mark.parametrize("format", FORMATS)
def test_everything_carried_comes_back(format: str) -> None:
    data = encode(p.texture(), format=format, icc=profiles.display_p3(), exif=EXIF, xmp=p.xmp_packet())
    photo = read_photo(data)
    assert (photo.icc, photo.exif, photo.xmp) == (profiles.display_p3(), EXIF, p.xmp_packet())
    assert photo.notes == ()
    picture = opened(data)
    assert picture.info["icc_profile"] == profiles.display_p3()
    assert picture.getexif()[ExifTags.Base.Make] == "Maker"
    assert picture.getexif()[ExifTags.Base.Orientation] == 1
    xmp = picture.info.get("xmp", picture.info.get("XML:com.adobe.xmp"))
    assert (xmp if isinstance(xmp, bytes) else xmp.encode()) == p.xmp_packet()


@pytest.mark.parametrize("format", FORMATS)
def test_stripping_leaves_the_profile_alone(format: str) -> None:
    data = encode(
        p.texture(), format=format, icc=profiles.adobe_rgb(), exif=EXIF, xmp=p.xmp_packet(), keep_metadata=False
    )
    photo = read_photo(data)
    assert (photo.icc, photo.exif, photo.xmp) == (profiles.adobe_rgb(), None, None)
    assert b"Maker" not in data
    assert b"xmpmeta" not in data


@pytest.mark.parametrize("format", FORMATS)
def test_without_profile_none_is_invented(format: str) -> None:
    assert "icc_profile" not in opened(encode(p.texture(), format=format)).info


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_through_png_keeps_every_pixel_and_stays_upright(source: str, turn: int) -> None:
    block = p.exif_block([(0x010F, 2, 6, b"Maker\0")], orientation=turn)
    photo = read_photo(p.with_metadata(source, exif=block, icc=profiles.adobe_rgb()))
    again = encode(photo.pixels, format="PNG", icc=photo.icc, exif=photo.exif, xmp=photo.xmp)
    np.testing.assert_array_equal(read_photo(again).pixels, photo.pixels)
    np.testing.assert_array_equal(np.asarray(opened(again)), photo.pixels)
    seen = cv2.imdecode(np.frombuffer(again, np.uint8), cv2.IMREAD_COLOR_RGB)  # OpenCV turns by EXIF, Pillow does not
    np.testing.assert_array_equal(seen, photo.pixels)


def test_the_same_twice_is_the_same_bytes() -> None:
    for format in FORMATS:
        assert encode(p.texture(), format=format, exif=EXIF) == encode(p.texture(), format=format, exif=EXIF)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_quality_out_of_range(quality: int) -> None:
    with pytest.raises(ValueError, match="quality"):
        encode(p.texture(), format="JPEG", quality=quality)


def test_metadata_too_large_for_a_segment() -> None:
    for name in ("exif", "xmp"):
        with pytest.raises(ValueError, match="does not fit"):
            encode(p.texture(), format="JPEG", **{name: bytes(65_001)})
    assert read_photo(encode(p.texture(), format="JPEG", exif=EXIF.ljust(59_000, b"\0"))).exif == EXIF


def test_png_chunks_lie_where_readers_expect_them() -> None:
    data = encode(p.texture(), format="PNG", icc=profiles.adobe_rgb(), exif=EXIF, xmp=p.xmp_packet())
    kinds = [kind for kind, _ in p.split(data)]
    assert kinds[:4] == [b"IHDR", b"iCCP", b"eXIf", b"iTXt"]
    assert kinds[-1] == b"IEND"
    assert p.joined(p.split(data)) == data


def test_mask_is_an_8_bit_grey_png() -> None:
    mask = np.zeros((90, 70), np.uint8)
    mask[20:30] = 255
    picture = opened(encode_mask(mask))
    assert (picture.format, picture.mode) == ("PNG", "L")
    np.testing.assert_array_equal(np.asarray(picture), mask)


def test_thumbnail_fits_and_is_small() -> None:
    from skimage.data import astronaut

    data = thumbnail(astronaut())
    picture = opened(data)
    assert (picture.format, picture.size) == ("WEBP", (256, 256))
    assert 8_000 <= len(data) <= 20_000
    assert opened(thumbnail(p.texture(1000, 200))).size == (256, 51)
    assert opened(thumbnail(p.texture(12_000, 64))).size == (256, 1)
    assert opened(thumbnail(p.texture())).size == (96, 80)
    assert opened(thumbnail(p.texture(640, 480), side=64)).size == (64, 48)


@pytest.mark.slow
def test_thumbnail_of_noise_is_still_small() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert len(thumbnail(noise)) <= 20_000
    assert len(thumbnail(np.tile(noise, (8, 8, 1)), side=2000)) <= 20_000


def test_thumbnail_is_srgb() -> None:
    wide = np.full((300, 300, 3), (60, 200, 60), np.uint8)
    plain = np.asarray(opened(thumbnail(wide)))[100, 100].astype(int)
    converted = np.asarray(opened(thumbnail(wide, icc=profiles.adobe_rgb())))[100, 100].astype(int)
    assert np.abs(plain - (60, 200, 60)).max() <= 4
    assert converted[0] < plain[0] - 20


def test_twelve_megapixels_as_png_are_exact() -> None:
    from skimage.data import astronaut

    large = cv2.resize(astronaut(), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    data = encode(large, format="PNG")
    assert np.array_equal(np.asarray(opened(data)), large)
    assert len(data) < large.size
