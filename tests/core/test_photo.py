"""What a Photo carries, how files are named in refusals, and which things on a disk are no photo at all."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from outfitswap_desktop.core.photo import read_photo
from outfitswap_desktop.errors import PhotoUnreadable
from tests.core import pictures as p
from tests.core import profiles


def refusal(source: Path | bytes, *, role: str = "photo") -> PhotoUnreadable:
    with pytest.raises(PhotoUnreadable) as caught:
        read_photo(source, role=role)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    return caught.value


def test_a_photo_says_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(p.png())
    photo = read_photo(file)
    assert (photo.width, photo.height, photo.size) == (96, 80, (96, 80))
    assert photo.pixels.shape == (80, 96, 3)
    assert photo.format == "PNG"
    assert photo.sha256 == hashlib.sha256(p.png()).hexdigest()
    assert (photo.icc, photo.exif, photo.xmp, photo.had_position, photo.notes) == (None, None, None, False, ())


def test_the_hash_covers_the_whole_file() -> None:
    assert read_photo(p.jpeg() + b"tail").sha256 == hashlib.sha256(p.jpeg() + b"tail").hexdigest()


@pytest.mark.parametrize(
    ("format", "name"), [("JPEG", "photo.png"), ("PNG", "photo.jpg"), ("WEBP", "photo"), ("PNG", "fö tö.gif")]
)
def test_a_renamed_picture_is_read_by_its_content(tmp_path: Path, format: str, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(p.with_metadata(format))
    assert read_photo(file).format == format


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_sound_profile_is_carried_byte_for_byte(format: str) -> None:
    assert read_photo(p.with_metadata(format, icc=profiles.display_p3())).icc == profiles.display_p3()


def test_other_people_switching_truncated_images_on_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    chunks = p.png_chunks(p.texture())
    short = p.joined([chunks[0], (b"IDAT", chunks[1][1][:-300]), chunks[2]])
    assert refusal(short).reason == "damaged"


# Where files live


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.jpg").reason == "not_found"
    assert refusal(tmp_path / "nowhere" / "photo.jpg").reason == "not_found"


def test_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path).reason == "not_a_file"


def test_file_used_as_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert refusal(tmp_path / "file" / "photo.jpg").reason == "not_found"


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    assert refusal(tmp_path / "photo.jpg").reason == "empty"


def test_impossible_names(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nul\0byte.jpg").reason in {"unreadable", "not_found"}
    assert refusal(tmp_path / ("x" * 5000)).reason in {"unreadable", "not_found"}


def test_large_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    with file.open("wb") as stream:
        stream.truncate(300_000_000_000)  # sparse: reading it would take minutes
    assert refusal(file).reason == "file_too_large"


def test_symlink_is_followed_and_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(p.png())
    try:
        (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
        (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    except OSError:
        pytest.skip("this system does not let users make symbolic links")
    assert read_photo(tmp_path / "link.png").format == "PNG"
    assert refusal(tmp_path / "circle.png").reason in {"unreadable", "not_found"}


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and devices are POSIX")
@pytest.mark.timeout(10)
def test_pipes_and_devices_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg").reason == "not_a_file"
    assert refusal(Path("/dev/zero")).reason == "not_a_file"
    assert refusal(Path("/dev/null")).reason == "not_a_file"


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid"), reason="file modes are POSIX")
def test_file_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    file = tmp_path / "photo.png"
    file.write_bytes(p.png())
    file.chmod(0)
    assert refusal(file).reason == "no_permission"


def test_permission_error_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "photo.png"
    file.write_bytes(p.png())
    monkeypatch.setattr(os, "open", denied)
    assert refusal(file).reason == "no_permission"


@pytest.mark.parametrize(
    ("role", "start"), [("photo", "The photo "), ("garment", "The garment picture "), ("fabric", "The fabric ")]
)
def test_the_sentence_names_the_role(role: str, start: str) -> None:
    assert refusal(b"GIF89a" + bytes(50), role=role).message.startswith(start)


def test_reading_in_threads_gives_the_same_pixels() -> None:
    files = [p.jpeg(), p.png(interlace=True), p.webp(), p.with_metadata("JPEG", icc=profiles.adobe_rgb())]
    wanted = [read_photo(file).pixels for file in files]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(20):
            for k, file in enumerate(files):
                if not np.array_equal(read_photo(file).pixels, wanted[k]):
                    wrong.append(k)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# EXIF


def camera_exif() -> bytes:
    """A block as a camera writes it (through Pillow): descriptive tags, position, maker note, thumbnail, interoperability."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Artist] = "Somebody"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Copyright] = "(c) Somebody"
    shot = exif.get_ifd(ExifTags.IFD.Exif)
    shot[ExifTags.Base.ExposureTime] = 0.004
    shot[ExifTags.Base.DateTimeOriginal] = "2026:01:02 03:04:05"
    shot[ExifTags.Base.ExifImageWidth] = 96
    shot[ExifTags.Base.ExifImageHeight] = 80
    shot[ExifTags.Base.MakerNote] = b"SECRETMAKERNOTE" * 20
    shot[ExifTags.Base.LensModel] = "50mm"
    position = exif.get_ifd(ExifTags.IFD.GPSInfo)
    position[1] = "N"
    position[2] = (48.0, 51.0, 30.0)
    return exif.tobytes().removeprefix(b"Exif\0\0") + b"THUMBNAIL"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_travels_without_position_maker_note_and_turn(format: str) -> None:
    photo = read_photo(p.with_metadata(format, exif=camera_exif()))
    assert photo.size == (80, 96)
    assert photo.had_position
    assert photo.exif is not None
    for secret in (b"SECRET", b"THUMBNAIL"):
        assert secret not in photo.exif
    carried = Image.Exif()
    carried.load(photo.exif)
    assert carried[ExifTags.Base.Make] == "Maker"
    assert carried[ExifTags.Base.Copyright] == "(c) Somebody"
    assert carried[ExifTags.Base.Orientation] == 1
    assert ExifTags.IFD.GPSInfo not in carried
    shot = carried.get_ifd(ExifTags.IFD.Exif)
    assert float(shot[ExifTags.Base.ExposureTime]) == pytest.approx(0.004)
    assert shot[ExifTags.Base.DateTimeOriginal] == "2026:01:02 03:04:05"
    assert shot[ExifTags.Base.LensModel] == "50mm"
    assert (shot[ExifTags.Base.ExifImageWidth], shot[ExifTags.Base.ExifImageHeight]) == (80, 96)
    assert ExifTags.Base.MakerNote not in shot
    assert photo.notes == ()


def test_exif_keeps_the_mark_of_adobe_rgb_cameras() -> None:
    """DCF option files carry no profile, only Interoperability "R03"."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 65535
    exif.get_ifd(ExifTags.IFD.Exif)[0xA005] = {1: "R03"}
    photo = read_photo(p.with_metadata("JPEG", exif=exif.tobytes().removeprefix(b"Exif\0\0")))
    carried = Image.Exif()
    carried.load(photo.exif or b"")
    assert carried.get_ifd(ExifTags.IFD.Interop) == {1: "R03"}


@pytest.mark.parametrize("order", "<>")
def test_exif_read_again_is_the_same(order: str) -> None:
    block = p.exif_block([(0x010F, 2, 6, b"Maker\0"), (0x8298, 2, 3, b"me\0")], order=order, orientation=3)
    once = read_photo(p.with_metadata("PNG", exif=block)).exif
    assert once is not None
    assert read_photo(p.with_metadata("PNG", exif=once)).exif == once


def test_thumbnail_directory_is_left_out() -> None:
    """The second directory of a camera's block holds a JPEG of the old picture."""
    thumb = p.jpeg(64, 64)
    block = bytearray(p.exif_block([(0x010F, 2, 6, b"Maker\0")]))
    second = len(block)
    block[8 + 2 + 12 : 8 + 2 + 16] = second.to_bytes(4, "little")
    rows = [(0x0103, 3, 6), (0x0201, 4, second + 2 + 36 + 4), (0x0202, 4, len(thumb))]
    block += len(rows).to_bytes(2, "little")
    for tag, kind, value in rows:
        block += (
            tag.to_bytes(2, "little")
            + kind.to_bytes(2, "little")
            + (1).to_bytes(4, "little")
            + value.to_bytes(4, "little")
        )
    block += bytes(4) + thumb
    photo = read_photo(p.with_metadata("JPEG", exif=bytes(block)))
    assert photo.exif is not None
    assert len(photo.exif) < 100
    assert thumb[20:60] not in photo.exif


# XMP


def test_xmp_travels_byte_for_byte_when_nothing_must_go() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        assert read_photo(p.with_metadata(format, xmp=p.xmp_packet())).xmp == p.xmp_packet()


def test_xmp_loses_position_previews_and_turn_and_nothing_else() -> None:
    packet = p.xmp_packet(
        body="<exif:GPSLatitude>48,51.5N</exif:GPSLatitude><dc:title>A &lt;title&gt;</dc:title>"
        "<xmp:Thumbnails><rdf:Alt><rdf:li>BASE64PREVIEW</rdf:li></rdf:Alt></xmp:Thumbnails><exif:GPSAltitude/>"
        "<tiff:Orientation>1</tiff:Orientation><xmp:Rating>5</xmp:Rating>",
        attributes=" exif:GPSLongitude=\"2,17.4E\" xmp:Label='a > b' exif:GPSVersionID = '2.0.0.0' exif:ColorSpace=\"1\"",
    )
    wanted = p.xmp_packet(
        body="<dc:title>A &lt;title&gt;</dc:title><xmp:Rating>5</xmp:Rating>",
        attributes=" xmp:Label='a > b' exif:ColorSpace=\"1\"",
    )
    assert read_photo(p.with_metadata("PNG", xmp=packet)).xmp == wanted


def test_xmp_names_are_understood_by_their_namespace() -> None:
    packet = (
        b'<a:xmpmeta xmlns:a="adobe:ns:meta/"><x xmlns:q="http://ns.adobe.com/exif/1.0/" q:GPSLatitude="1"'
        b' xmlns:exif="urn:other" exif:GPSMap="kept"/></a:xmpmeta>'
    )
    cleaned = read_photo(p.with_metadata("PNG", xmp=packet)).xmp or b""
    assert b"GPSLatitude" not in cleaned
    assert b'exif:GPSMap="kept"' in cleaned


def test_xmp_nested_in_what_must_go_goes_once() -> None:
    packet = p.xmp_packet(
        body="<xmp:Thumbnails><exif:GPSLatitude>1</exif:GPSLatitude></xmp:Thumbnails><dc:rights>me</dc:rights>"
    )
    assert read_photo(p.with_metadata("WEBP", xmp=packet)).xmp == p.xmp_packet(body="<dc:rights>me</dc:rights>")


def test_pictures_from_outside_read_as_pillow_reads_them() -> None:
    folder = os.environ.get("OUTFITSWAP_TEST_PHOTOS")
    if not folder:
        pytest.skip("OUTFITSWAP_TEST_PHOTOS names no folder")
    from tests.core.odd_images import seen_by_pillow

    files = [f for f in Path(folder).iterdir() if f.suffix in {".jpg", ".png", ".webp"}]
    assert files
    for file in files:
        np.testing.assert_array_equal(read_photo(file).pixels, seen_by_pillow(io.BytesIO(file.read_bytes()).getvalue()))
