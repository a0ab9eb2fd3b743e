"""What `verify` says of marked, unmarked, changed, moved and forged files: no changed byte outside the store goes unnoticed."""

import json

import numpy as np
import pytest

from outfitswap_desktop.core.encode import encode
from outfitswap_desktop.errors import PhotoUnreadable
from outfitswap_desktop.safety.marks import invisible, manifest, seal, xmp
from outfitswap_desktop.safety.marks.verify import verify
from tests.safety.marks.signing import (
    CREATED,
    FORMATS,
    TYPES,
    exif,
    foreign,
    forged,
    install,
    parts_of,
    picture,
    profile,
    store_of,
)

OURS = install()
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
PAYLOAD = bytes.fromhex("0badc0ffee01")


def output(format: str, seed: int = 0, *, size=(96, 128), quality=90, **more) -> bytes:
    made = seal.seal(
        picture(seed, size), format, certificate=OURS, result_id=f"r-{seed}", icc=profile(), exif=exif(), quality=quality,
        **more,
    )  # fmt: skip
    return made[0]


@pytest.fixture
def carried(monkeypatch):
    """What the invisible mark says, by script."""
    answer = [PAYLOAD]
    monkeypatch.setattr(invisible, "read", lambda pixels, near=None: answer[0])
    return answer


@pytest.mark.parametrize("format", FORMATS)
def test_a_marked_file(format, carried, tmp_path):
    file = output(format, payload=PAYLOAD)
    path = tmp_path / "any name.bin"
    path.write_bytes(file)
    said = verify(path, certificate=OURS)
    assert said == verify(file, certificate=OURS)
    assert said == {
        "xmp": {"present": True, "valid": True, "digital_source_type": COMPOSITE, "result": "r-0"},
        "c2pa": {
            "present": True,
            "valid": True,
            "trusted": False,
            "this_install": True,
            "state": "valid, not trusted",
            "reason": "signingCredential.untrusted",
            "source_type": COMPOSITE,
            "generator": f"OutfitSwap Desktop {manifest.__version__}",
            "result": "r-0",
            "ingredients": [],
        },
        "mark": {"present": True, "valid": True, "payload": "0badc0ffee01"},
    }
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize("format", FORMATS)
def test_an_ordinary_file(format, carried):
    carried[0] = None
    said = verify(encode(picture(), format=format), certificate=OURS)
    assert said == {
        "xmp": {"present": False, "valid": False, "digital_source_type": None, "result": None},
        "c2pa": {
            "present": False, "valid": False, "trusted": False, "this_install": None, "state": "absent",
            "reason": "manifest.absent", "source_type": None, "generator": None, "result": None, "ingredients": [],
        },
        "mark": {"present": False, "valid": False, "payload": None},
    }  # fmt: skip


def test_this_install_is_unknown_without_its_certificate(carried):
    assert verify(output("PNG"))["c2pa"]["this_install"] is None
    assert verify(output("PNG"), certificate=install(5))["c2pa"]["this_install"] is False


def test_a_forgery_is_not_of_this_install(carried):
    carried[0] = None
    plain = encode(picture(), format="PNG", xmp=xmp.marked(None, result_id="r-0"))
    file = manifest.sign(plain, "PNG", certificate=forged(), facts={"result": "r-0"})
    said = verify(file, certificate=OURS)
    assert said["xmp"]["valid"]
    assert (said["c2pa"]["valid"], said["c2pa"]["this_install"], said["c2pa"]["trusted"]) == (True, False, False)


def test_ingredients_are_listed(carried):
    source = foreign(encode(picture(3), format="JPEG"), "JPEG", forged(), CREATED)
    (parent,) = verify(output("PNG", source=source), certificate=OURS)["c2pa"]["ingredients"]
    assert parent == {
        "title": "Source photo",
        "relationship": "parentOf",
        "has_manifest": True,
        "valid": True,
        "reason": "signingCredential.untrusted",
        "generator": "Some Camera 3",
    }


# The mark against what the others say


@pytest.mark.parametrize(("in_xmp", "signed", "found", "valid"), [
    (None, None, None, False),
    (None, None, "aa0000000000", True),
    ("aa0000000000", None, "aa0000000000", True),
    (None, "aa0000000000", "aa0000000000", True),
    ("aa0000000000", "aa0000000000", "aa0000000000", True),
    ("bb0000000000", None, "aa0000000000", False),
    (None, "bb0000000000", "aa0000000000", False),
    ("aa0000000000", "bb0000000000", "aa0000000000", False),
    ("aa0000000000", "aa0000000000", None, False),
])  # fmt: skip
def test_the_mark_must_be_the_one_that_is_spoken_of(carried, in_xmp, signed, found, valid):
    carried[0] = None if found is None else bytes.fromhex(found)
    plain = encode(picture(), format="PNG", xmp=xmp.marked(None, result_id="r", mark=in_xmp))
    facts = {"result": "r"} | ({"mark": signed} if signed else {})
    said = verify(manifest.sign(plain, "PNG", certificate=OURS, facts=facts), certificate=OURS)
    assert said["mark"] == {"present": found is not None, "valid": valid, "payload": found}
    assert said["xmp"]["valid"] == (in_xmp is None or signed is None or in_xmp == signed)
    assert said["c2pa"]["valid"]


def test_xmp_of_another_result_is_not_valid(carried):
    plain = encode(picture(), format="PNG", xmp=xmp.marked(None, result_id="r-1"))
    said = verify(manifest.sign(plain, "PNG", certificate=OURS, facts={"result": "r-2"}), certificate=OURS)
    assert (said["xmp"]["present"], said["xmp"]["valid"], said["xmp"]["result"]) == (True, False, "r-1")
    assert (said["c2pa"]["valid"], said["c2pa"]["result"]) == (True, "r-2")


def test_xmp_alone_is_what_it_says(carried):
    said = verify(encode(picture(), format="JPEG", xmp=xmp.marked(None, result_id="r-1")))
    assert said["xmp"]["valid"]
    assert not said["c2pa"]["present"]


def test_the_real_invisible_mark_is_read():
    rng = np.random.default_rng(2)
    pixels = np.clip(picture(1, (320, 320)).astype(int) + rng.integers(-6, 7, (320, 320, 3)), 0, 255).astype(np.uint8)
    mask = np.full(pixels.shape[:2], 255, np.uint8)
    marked = invisible.embed(pixels, mask, PAYLOAD)
    assert marked.carried
    for format in FORMATS:
        file, facts = seal.seal(marked.pixels, format, certificate=OURS, result_id="r", payload=PAYLOAD, mask=mask)
        assert facts.kinds[-1] == "mark"
        assert verify(file)["mark"] == {"present": True, "valid": True, "payload": "0badc0ffee01"}


# What cannot be read


@pytest.mark.parametrize(("file", "reason"), [
    (b"", "empty"),
    (b"plain text", "format"),
    (b"\x89PNG\r\n\x1a\n", "truncated"),
    (encode(picture(0, (63, 64)), format="PNG"), "too_small"),
    (b"\0" * 60_000_001, "file_too_large"),
    (encode(picture(), format="JPEG")[:-200], "truncated"),
])  # fmt: skip
def test_an_unreadable_file(file, reason):
    with pytest.raises(PhotoUnreadable) as caught:
        verify(file)
    assert caught.value.reason == reason
    assert "picture" in caught.value.message.lower() or reason == "format"


def test_pixels_that_cannot_be_decoded():
    file = bytearray(encode(picture(), format="WEBP"))
    file[60:-10] = bytes(len(file) - 70)
    with pytest.raises(PhotoUnreadable):
        verify(bytes(file[:40]))


def test_a_missing_file_and_a_folder(tmp_path):
    for path, reason in ((tmp_path / "none.png", "not_found"), (tmp_path, "not_a_file")):
        with pytest.raises(PhotoUnreadable) as caught:
            verify(path)
        assert caught.value.reason == reason


# Tampering


def noticed(file: bytes, format: str) -> bool:
    """By the manifest alone: the file may be unreadable as well, which does not count here."""
    return not manifest.read(file, format, certificate=OURS).valid


def outside(file: bytes, format: str) -> list[tuple[int, int]]:
    """The parts of the file, the store of manifests left out."""
    start, end = store_of(file, format)
    return [part for part in parts_of(file, format) if not (start <= part[0] and part[1] <= end)]


def swapped(file: bytes, one: tuple[int, int], two: tuple[int, int]) -> bytes:
    first, second = sorted((one, two))
    return (
        file[: first[0]] + file[slice(*second)] + file[first[1] : second[0]] + file[slice(*first)] + file[second[1] :]
    )


def tampered(file: bytes, format: str, rng: np.random.Generator, each: int):
    """(what, bytes): bits flipped in every part, bytes added, removed, replaced, parts swapped, dropped and doubled."""
    parts = outside(file, format)
    for number, (start, end) in enumerate(parts):
        for at in rng.integers(start, end, each):
            changed = bytearray(file)
            changed[at] ^= 1 << int(rng.integers(8))
            yield f"part {number} byte {at}", bytes(changed)
        at = int(rng.integers(start, end))
        yield f"byte {at} inserted", file[:at] + b"\0" + file[at:]
        yield f"byte {at} removed", file[:at] + file[at + 1 :]
        yield f"part {number} dropped", file[:start] + file[end:]
        yield f"part {number} doubled", file[:end] + file[start:]
        for other in parts[number + 1 :]:
            if file[start:end] != file[slice(*other)]:
                yield f"parts {number} and {other} swapped", swapped(file, (start, end), other)
    for tail in (b"\0", b"tail of text", file):
        yield "appended", file + tail
    yield "head added", b"\0" + file
    yield "cut", file[:-1]


def spoiled(format: str, numbers: range, *, each: int) -> tuple[int, list[str]]:
    """How many changes were made to these outputs, and which went unnoticed."""
    made, missed = 0, []
    for number in numbers:
        rng = np.random.default_rng((number, FORMATS.index(format)))
        file = output(format, number, quality=int(rng.integers(50, 101)))
        assert not noticed(file, format)
        for what, changed in tampered(file, format, rng, each):
            made += 1
            if not noticed(changed, format):
                missed.append(f"{number}: {what}")
    return made, missed


@pytest.mark.parametrize("format", FORMATS)
def test_every_change_is_noticed(format):
    made, missed = spoiled(format, range(2), each=6)
    assert not missed
    assert made >= 120


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_every_change_to_sixty_outputs_is_noticed(format):
    made, missed = spoiled(format, range(60), each=25)
    assert not missed
    assert made >= 10_000


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_every_single_byte_outside_the_store_is_noticed(format):
    file = output(format, 1, size=(64, 64), quality=60)
    start, end = store_of(file, format)
    missed = []
    for at in [*range(start), *range(end, len(file))]:
        changed = bytearray(file)
        changed[at] ^= 1 << at % 8
        if not noticed(bytes(changed), format):
            missed.append(at)
    assert not missed


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_not_covered_lies_inside_the_store(format):
    """The signature's own padding: the one place where bytes can change unnoticed; SAFETY.md says so."""
    file = output(format)
    start, end = store_of(file, format)
    at = file.rindex(b"pad", start, end) + 20
    assert file[at : at + 500] == bytes(500)
    changed = bytearray(file)
    changed[at] ^= 1
    assert not noticed(bytes(changed), format)


@pytest.mark.parametrize("format", FORMATS)
def test_the_whole_of_verify_notices_too(format, carried):
    file = output(format, payload=PAYLOAD)
    rng = np.random.default_rng(0)
    checked = 0
    for start, end in outside(file, format):
        for at in rng.integers(start, end, 3):
            changed = bytearray(file)
            changed[at] ^= 1
            try:
                said = verify(bytes(changed), certificate=OURS)
            except PhotoUnreadable:
                continue
            checked += 1
            assert not said["c2pa"]["valid"]
            assert said["c2pa"]["this_install"] is None
    assert checked >= 6


@pytest.mark.parametrize("format", FORMATS)
def test_a_manifest_moved_to_another_output(format, carried):
    one, two = output(format, 1), output(format, 2)
    (a, b), (c, d) = store_of(one, format), store_of(two, format)
    moved = two[:c] + one[a:b] + two[d:]
    said = verify(moved, certificate=OURS)
    assert (said["c2pa"]["present"], said["c2pa"]["valid"]) == (True, False)
    assert said["c2pa"]["reason"] == "assertion.dataHash.mismatch"
    assert said["xmp"]["valid"] is False, "the packet is that of the other result"


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_its_store(format, carried):
    file = output(format)
    start, end = store_of(file, format)
    bare = file[:start] + file[end:]
    if format == "WEBP":
        bare = bare[:4] + (len(bare) - 8).to_bytes(4, "little") + bare[8:]
    said = verify(bare, certificate=OURS)
    assert said["c2pa"]["present"] is False
    assert said["c2pa"]["valid"] is False
    assert said["xmp"]["valid"], "XMP stays what it says, and protects itself by nothing"
    assert TYPES[format]
