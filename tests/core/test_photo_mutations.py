"""Whatever happens to the bytes of a sound file: a picture or PhotoUnreadable, never anything else."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core.encode import encode
from outfitswap_desktop.core.photo import Photo, read_mask, read_photo
from outfitswap_desktop.errors import InputRefused, PhotoUnreadable
from tests.core import pictures as p
from tests.core.bad_images import whole_files

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def outcome(data: bytes) -> Photo | None:
    """The photo, or None for a proper refusal; everything that was read can be written and read again."""
    try:
        photo = read_photo(data)
    except PhotoUnreadable:
        return None
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.shape[2] == 3
    again = read_photo(encode(photo.pixels, format="JPEG", icc=photo.icc, exif=photo.exif, xmp=photo.xmp))
    assert (again.icc, again.exif, again.xmp) == (photo.icc, photo.exif, photo.xmp)
    return photo


def with_right_checksums(data: bytes) -> bytes:
    """A mutated PNG whose checksums are mended, so that the mutation gets past them."""
    out, at = io.BytesIO(), 8
    out.write(data[:8])
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        out.write(p.chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return out.getvalue() + data[at:]


@pytest.mark.parametrize("name", sorted(whole_files()))
def test_single_bit_flips(name: str) -> None:
    data = whole_files()[name]
    chance = random.Random(name)
    for at in {chance.randrange(len(data)) for _ in range(30)} | set(range(0, min(64, len(data)), 2)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        outcome(bytes(flipped))
        if name.startswith(("png", "apng")):
            outcome(with_right_checksums(bytes(flipped)))


@given(name=st.sampled_from(sorted(whole_files())), edits=st.data())
@settings(RELAXED, max_examples=250)
def test_random_edits(name: str, edits: st.DataObject) -> None:
    data = bytearray(whole_files()[name])
    for _ in range(edits.draw(st.integers(1, 4))):
        at = edits.draw(st.integers(0, len(data) - 1))
        span = edits.draw(st.integers(0, 12))
        data[at : at + span] = edits.draw(
            st.binary(max_size=12) | st.sampled_from([b"\xff" * 4, bytes(4), b"\xff\xd9", b"\x7f\xff\xff\xff"])
        )
        if not data:
            break
    outcome(bytes(data))
    if name.startswith(("png", "apng")):
        outcome(with_right_checksums(bytes(data)))


@given(exif=st.binary(max_size=300), little=st.booleans())
@settings(RELAXED, max_examples=150)
def test_random_exif(exif: bytes, little: bool) -> None:
    block = (b"II*\0\x08\0\0\0" if little else b"MM\0*\0\0\0\x08") + exif
    assert outcome(p.with_metadata("PNG", exif=block)) is not None


@given(body=st.text(alphabet="<>/ab:=\"' &;#\n", max_size=80))
@settings(RELAXED, max_examples=150)
def test_random_xmp(body: str) -> None:
    assert outcome(p.with_metadata("WEBP", xmp=p.xmp_packet(body=body))) is not None


@given(at=st.integers(0, 479), value=st.integers(0, 255), more=st.integers(0, 479))
@settings(RELAXED, max_examples=150)
def test_random_profile(at: int, value: int, more: int) -> None:
    from tests.core import profiles

    icc = bytearray(profiles.adobe_rgb())
    icc[at] = value
    icc[more] ^= 0x80
    assert outcome(p.with_metadata("PNG", icc=bytes(icc))) is not None


@given(
    tail=st.binary(max_size=60),
    start=st.sampled_from([b"", b"\xff\xd8\xff", p.SIGNATURE, b"RIFF\x40\0\0\0WEBP", b"RIFF\x40\0\0\0WEBPVP8L"]),
)
@settings(RELAXED, max_examples=200)
def test_random_bytes(tail: bytes, start: bytes) -> None:
    outcome(start + tail)


@given(name=st.sampled_from(sorted(whole_files())), at=st.integers(0, 3000), value=st.integers(0, 255))
@settings(RELAXED, max_examples=100)
def test_random_masks(name: str, at: int, value: int) -> None:
    data = bytearray(whole_files()[name])
    data[at % len(data)] = value
    try:
        mask = read_mask(bytes(data), size=(96, 80))
    except InputRefused:
        return
    assert set(np.unique(mask)) <= {0, 255}
