"""The seal: every mark in every format is read back from the bytes, the pixels are untouched, and any failure saves nothing."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.encode import MAX_THUMBNAIL_BYTES, encode, thumbnail
from outfitswap_desktop.core.headers import open_container
from outfitswap_desktop.core.photo import read_photo
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.marks import invisible, manifest, seal, xmp
from outfitswap_desktop.safety.marks.seal import Facts
from tests.safety.marks.signing import CREATED, FORMATS, exif, foreign, forged, install, picture, profile, store_of

OURS = install()
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
PAYLOAD = bytes.fromhex("0badc0ffee01")
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:rights>kept</dc:rights></rdf:Description>'
    b"</rdf:RDF></x:xmpmeta>"
)


def sealed(format: str, pixels=None, **more) -> tuple[bytes, Facts]:
    return seal.seal(
        picture() if pixels is None else pixels, format, **{"certificate": OURS, "result_id": "r-1"} | more
    )


@pytest.fixture
def carried(monkeypatch):
    """The invisible mark by script: what is read, and how often it was asked."""
    asked = []

    def read(pixels, *, near=None):
        asked.append((pixels.copy(), near))
        return answers.pop(0) if answers else PAYLOAD

    answers: list = []
    monkeypatch.setattr(invisible, "read", read)
    return answers, asked


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("keep", [True, False])
def test_everything_is_in_the_bytes(format, keep):
    icc, block = profile(), exif()
    file, facts = sealed(format, icc=icc, exif=block, xmp_packet=PACKET, keep_metadata=keep, engine="fabric")
    assert facts == Facts(("c2pa", "xmp", "pixels"), "r-1", None, "none")
    container = open_container(file, lambda width, height: None)
    assert container.format == format
    assert container.icc == icc
    assert ((container.exif or b"").removeprefix(b"Exif\0\0") or None) == (block if keep else None)
    assert xmp.read(container.xmp) == xmp.XmpReading(True, True, COMPOSITE, "r-1")
    assert (b"<dc:rights>kept</dc:rights>" in container.xmp) == keep
    reading = manifest.read(file, format, certificate=OURS)
    assert (reading.valid, reading.this_install, reading.result, reading.mark) == (True, True, "r-1", None)
    assert b"outfitswap:engine" in file
    assert b"fabric" in file
    photo = read_photo(file)
    assert (photo.width, photo.height, photo.icc) == (128, 96, icc)


@pytest.mark.parametrize("format", FORMATS)
def test_the_pixels_are_those_of_the_plain_encoding(format):
    pixels = picture(4)
    file, _ = sealed(format, pixels)
    plain = encode(pixels, format=format)
    assert np.array_equal(read_photo(file).pixels, read_photo(plain).pixels)
    if format == "PNG":
        assert np.array_equal(read_photo(file).pixels, pixels)


def test_lossless_webp_keeps_every_pixel():
    pixels = picture(4)
    assert np.array_equal(read_photo(sealed("WEBP", pixels, quality=100)[0]).pixels, pixels)
    assert not np.array_equal(read_photo(sealed("WEBP", pixels, quality=99)[0]).pixels, pixels)


def test_pixels_outside_the_mask_stay_those_of_the_photo():
    photo = picture(7)
    result = photo.copy()
    result[20:60, 30:70] = 255 - result[20:60, 30:70]
    back = read_photo(sealed("PNG", result)[0]).pixels
    changed = (back != photo).any(axis=-1)
    assert changed[20:60, 30:70].any()
    changed[20:60, 30:70] = False
    assert not changed.any()


def test_quality_is_passed_on():
    assert len(sealed("JPEG", quality=40)[0]) < len(sealed("JPEG", quality=95)[0])


def test_read_only_pixels_and_a_single_colour():
    pixels = np.full((70, 70, 3), 200, np.uint8)
    pixels.setflags(write=False)
    for format in FORMATS:
        assert sealed(format, pixels)[1].kinds == ("c2pa", "xmp", "pixels")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (20, 256)])
@pytest.mark.parametrize("format", FORMATS)
def test_small_pictures_are_sealed_too(format, size):
    pixels = picture(1, size)
    file, _ = sealed(format, pixels)
    with Image.open(io.BytesIO(file)) as opened:
        assert opened.size == size[::-1]


# The invisible mark


@pytest.mark.parametrize("format", FORMATS)
def test_the_payload_is_read_from_the_finished_bytes(format, carried):
    _, asked = carried
    pixels = picture(2)
    file, facts = sealed(format, pixels, payload=PAYLOAD)
    assert facts == Facts(("c2pa", "xmp", "pixels", "mark"), "r-1", "0badc0ffee01", "none")
    ((seen, near),) = asked
    assert near is None
    assert np.array_equal(seen, read_photo(file).pixels)
    assert xmp.read(open_container(file, lambda *_: None).xmp).mark == "0badc0ffee01"
    assert manifest.read(file, format).mark == "0badc0ffee01"


def test_a_mask_shows_where_and_a_search_follows(carried):
    answers, asked = carried
    mask = np.zeros((96, 128), np.uint8)
    sealed("PNG", payload=PAYLOAD, mask=mask)
    assert [near is mask for _, near in asked] == [True]
    asked.clear()
    answers += [None, PAYLOAD]
    assert "mark" in sealed("PNG", payload=PAYLOAD, mask=mask)[1].kinds
    assert [near is mask for _, near in asked] == [True, False]


@pytest.mark.parametrize("found", [None, bytes(6)])
@pytest.mark.parametrize("format", FORMATS)
def test_a_mark_that_does_not_read_back_saves_nothing(format, found, carried):
    answers, _ = carried
    answers += [found, found]
    with pytest.raises(NotAvailable, match="invisible mark") as caught:
        sealed(format, payload=PAYLOAD, mask=np.zeros((96, 128), np.uint8))
    assert caught.value.reason == "marks_failed"


def test_no_payload_no_reading(carried):
    sealed("JPEG")
    sealed("PNG")
    assert carried[1] == []


# The source


def camera(settings=None) -> bytes:
    return foreign(encode(picture(3), format="JPEG"), "JPEG", forged(), CREATED, settings)


def test_the_sources_manifest_is_kept():
    file, facts = sealed("PNG", source=camera())
    assert facts.source == "kept"
    (parent,) = manifest.read(file, "PNG").ingredients
    assert (parent.generator, parent.valid) == ("Some Camera 3", True)


@pytest.mark.parametrize(
    "more", [{"source": None}, {"source": encode(picture(), format="PNG")}, {"keep_metadata": False}]
)
def test_no_manifest_to_keep(more):
    file, facts = sealed("PNG", **{"source": camera()} | more)
    assert facts.source == "none"
    assert manifest.read(file, "PNG").ingredients == ()


def test_a_source_that_would_spoil_ours_is_left_out(monkeypatch):
    true = manifest.read
    monkeypatch.setattr(
        manifest,
        "read",
        lambda *a, **k: replace(r, valid=False) if (r := true(*a, **k)).ingredients else r,
    )
    file, facts = sealed("PNG", source=camera())
    assert facts.source == "left_out"
    assert true(file, "PNG", certificate=OURS).this_install
    assert true(file, "PNG").ingredients == ()


@pytest.mark.parametrize(("over", "kept"), [(0, "kept"), (1, "left_out")])
def test_an_enormous_history_is_left_out(monkeypatch, over, kept):
    source = camera()
    file, _ = sealed("PNG", source=source)
    start, end = store_of(file, "PNG")
    assert seal.MOST_HISTORY == 4 << 20
    monkeypatch.setattr(seal, "MOST_HISTORY", end - start - over)
    assert sealed("PNG", source=source)[1].source == kept


# Failures


@pytest.mark.parametrize("change", [
    {"valid": False}, {"this_install": False}, {"this_install": None}, {"result": "r-2"}, {"result": None}, {"mark": "aa"},
    {"source_type": None}, {"source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"},
])  # fmt: skip
def test_credentials_that_do_not_read_back(monkeypatch, change):
    true = manifest.read
    monkeypatch.setattr(manifest, "read", lambda *a, **k: replace(true(*a, **k), **change))
    with pytest.raises(NotAvailable, match="content credentials read back as") as caught:
        sealed("PNG")
    assert caught.value.reason == "marks_failed"
    assert caught.value.exit_code == 4


def after_signing(monkeypatch, change):
    """Let `change` spoil the signed bytes, and the manifest's reading not notice."""
    true_sign, true_read = manifest.sign, manifest.read
    before = []

    def sign(*a, **k):
        before[:] = [true_sign(*a, **k)]
        return change(before[0])

    monkeypatch.setattr(manifest, "sign", sign)
    monkeypatch.setattr(manifest, "read", lambda file, *a, **k: true_read(before[0], *a, **k))


def without(kind: bytes):
    def cut(file: bytes) -> bytes:
        at = file.index(kind) - 4
        return file[:at] + file[at + 12 + int.from_bytes(file[at : at + 4], "big") :]

    return cut


def other_file(**more):
    """The same seal over something else."""
    said = {"pixels": picture(), "icc": profile(), "exif": exif(), "packet": xmp.marked(PACKET, result_id="r-1")} | more

    def made(file: bytes) -> bytes:
        plain = encode(said["pixels"], format="PNG", icc=said["icc"], exif=said["exif"], xmp=said["packet"])
        return manifest_of(file, plain)

    return made


def manifest_of(file: bytes, plain: bytes) -> bytes:
    start, end = store_of(file, "PNG")
    return plain[:33] + file[start:end] + plain[33:]


SPOILED = {
    "no XMP": (without(b"iTXt"), "XMP"),
    "other XMP": (other_file(packet=xmp.marked(None, result_id="r-1")), "XMP"),
    "other result": (other_file(packet=xmp.marked(PACKET, result_id="r-2")), "XMP"),
    "no profile": (without(b"iCCP"), "metadata"),
    "no EXIF": (without(b"eXIf"), "metadata"),
    "other EXIF": (other_file(exif=exif()[:-2] + b"zz"), "metadata"),
    "other pixels": (other_file(pixels=picture(9)), "pixels did not read back"),
    "no end": (lambda file: file[:-12], "taken apart"),
    "nothing": (lambda file: b"", "taken apart"),
}


@pytest.mark.parametrize(("change", "words"), SPOILED.values(), ids=SPOILED)
def test_bytes_that_do_not_read_back(monkeypatch, change, words):
    more = {"icc": profile(), "exif": exif(), "xmp_packet": PACKET}
    sealed("PNG", **more)
    after_signing(monkeypatch, change)
    with pytest.raises(NotAvailable, match=words) as caught:
        sealed("PNG", **more)
    assert caught.value.reason == "marks_failed"


def test_signing_that_changes_a_lossy_picture_is_noticed(monkeypatch):
    def change(file: bytes) -> bytes:
        start, end = store_of(file, "JPEG")
        plain = encode(picture(9), format="JPEG", xmp=xmp.marked(None, result_id="r-1"))
        return plain[:start] + file[start:end] + plain[start:]

    after_signing(monkeypatch, change)
    with pytest.raises(NotAvailable, match="signing changed the picture") as caught:
        sealed("JPEG")
    assert caught.value.reason == "marks_failed"


def test_the_unspoiled_bytes_pass_the_same_way(monkeypatch):
    after_signing(monkeypatch, other_file())
    assert sealed("PNG", icc=profile(), exif=exif(), xmp_packet=PACKET)[1].kinds == ("c2pa", "xmp", "pixels")


@pytest.mark.parametrize("change", [
    {"valid": False}, {"digital_source_type": "x"}, {"result": "r-2"}, {"mark": "aa"},
])  # fmt: skip
def test_a_packet_that_says_something_else(monkeypatch, change):
    true = xmp.read
    wanted = xmp.marked(None, result_id="r-1")
    monkeypatch.setattr(xmp, "marked", lambda *a, **k: wanted)
    monkeypatch.setattr(xmp, "read", lambda packet: replace(true(packet), **change))
    with pytest.raises(NotAvailable, match="XMP") as caught:
        sealed("PNG")
    assert caught.value.reason == "marks_failed"


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_encoder_that_is_off_by_one_is_noticed(monkeypatch, format):
    true = encode

    def off(pixels, **k):
        other = pixels.copy()
        other[-1, -1, -1] ^= 1
        return true(other, **k)

    monkeypatch.setattr(seal, "encode", off)
    with pytest.raises(NotAvailable, match="pixels did not read back"):
        sealed(format, quality=100)


def test_an_encoder_of_another_size_is_noticed(monkeypatch):
    true = encode
    monkeypatch.setattr(seal, "encode", lambda pixels, **k: true(pixels[:-1], **k))
    with pytest.raises(NotAvailable, match="pixels did not read back"):
        sealed("PNG")


def test_a_file_that_cannot_be_decoded_is_noticed(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *a: None)
    with pytest.raises(NotAvailable, match="cannot be decoded"):
        sealed("PNG")


# Thumbnails


@pytest.mark.parametrize("size", [(480, 640), (97, 33), (2000, 100), (1, 1)])
def test_thumbnails_carry_xmp_and_credentials(size):
    pixels = picture(1, size)
    file, facts = seal.seal_thumbnail(pixels, certificate=OURS, result_id="r-1", icc=profile())
    assert facts == Facts(("c2pa", "xmp", "pixels"), "r-1", None, "none")
    small = thumbnail(pixels, icc=profile())
    with Image.open(io.BytesIO(file)) as opened, Image.open(io.BytesIO(small)) as plain:
        assert opened.format == "WEBP"
        assert opened.size == plain.size
        assert np.array_equal(np.asarray(opened.convert("RGB")), np.asarray(plain.convert("RGB")))
    assert xmp.read(open_container(file, lambda *_: None).xmp) == xmp.XmpReading(True, True, COMPOSITE, "r-1")
    reading = manifest.read(file, "WEBP", certificate=OURS)
    assert (reading.this_install, reading.result) == (True, "r-1")
    assert b"thumbnail" in file, "the kind"
    assert len(file) <= len(small) + 5_500
    assert len(small) <= MAX_THUMBNAIL_BYTES


def test_a_thumbnails_side_is_passed_on():
    file, _ = seal.seal_thumbnail(picture(1, (300, 400)), certificate=OURS, result_id="r", side=100)
    with Image.open(io.BytesIO(file)) as opened:
        assert opened.size == (100, 75)


@pytest.mark.parametrize("other", [encode(picture(), format="PNG"), encode(picture(), format="WEBP", quality=100), b""])
def test_only_a_simple_webp_gets_its_packet_this_way(other):
    with pytest.raises(ValueError, match="simple lossy WebP"):
        seal.with_xmp(other, b"x")


def test_an_odd_packet_is_padded():
    small = thumbnail(picture())
    for packet in (b"odd", b"even"):
        made = seal.with_xmp(small, packet)
        assert len(made) % 2 == 0
        assert int.from_bytes(made[4:8], "little") == len(made) - 8
        assert open_container(made, lambda *_: None).xmp == packet
        with Image.open(io.BytesIO(made)) as opened:
            assert opened.info["xmp"] == packet
