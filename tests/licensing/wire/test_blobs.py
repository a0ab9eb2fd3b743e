"""Signed texts: exact bytes, one kind each, one form each."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitswap_desktop.licensing.wire import blobs, fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind
from tests.licensing.wire.conftest import DEVICE, SERVER

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary(max_size=600), st.sampled_from(list(BlobKind)))
def test_what_was_signed_is_read_again(payload: bytes, kind: BlobKind) -> None:
    if not payload:
        return
    assert blobs.open_blob(kind, blobs.sign(kind, payload, SERVER), SERVER.public_key()) == payload


def test_a_blob_of_one_kind_is_none_of_another() -> None:
    for kind in BlobKind:
        blob = blobs.sign(kind, b'{"v":1}', SERVER)
        for other in BlobKind:
            if other is kind:
                continue
            with pytest.raises(BlobError) as wrong:
                blobs.open_blob(other, blob, SERVER.public_key())
            assert wrong.value.reason == "wrong_kind"
            with pytest.raises(BlobError) as relabelled:
                blobs.open_blob(other, other.prefix + blob[4:], SERVER.public_key())
            assert relabelled.value.reason == "bad_signature"


def test_another_key_does_not_fit() -> None:
    blob = blobs.sign(BlobKind.LEASE, b"{}", SERVER)
    with pytest.raises(BlobError) as found:
        blobs.open_blob(BlobKind.LEASE, blob, DEVICE.public_key())
    assert found.value.reason == "bad_signature"


def test_every_character_counts() -> None:
    """No place of a text can be changed, to any character of its alphabet, added to or cut, and still be read."""
    blob = blobs.sign(BlobKind.RECEIPT, b'{"v":1,"x":2}', DEVICE)
    for place in range(len(blob)):
        for other in (*ALPHABET, ".", "=", "+", "/", " ", "\n", "é", "\0"):
            if other == blob[place]:
                continue
            with pytest.raises(BlobError):
                blobs.open_blob(BlobKind.RECEIPT, blob[:place] + other + blob[place + 1 :], DEVICE.public_key())
        with pytest.raises(BlobError):
            blobs.open_blob(BlobKind.RECEIPT, blob[:place] + blob[place + 1 :], DEVICE.public_key())
        with pytest.raises(BlobError):
            blobs.open_blob(BlobKind.RECEIPT, blob[:place] + "A" + blob[place:], DEVICE.public_key())
    for tail in ("=", "==", "A", ".", ".AA", "\n"):
        with pytest.raises(BlobError):
            blobs.open_blob(BlobKind.RECEIPT, blob + tail, DEVICE.public_key())


def test_base64_has_one_form() -> None:
    for raw in (b"a", b"ab", b"abc", bytes(64)):
        text = blobs.encode(raw)
        assert blobs.decode(text) == raw
        for other in ALPHABET:
            if other != text[-1]:
                with contextlib.suppress(BlobError):
                    assert blobs.decode(text[:-1] + other) != raw
    for bad in ("", "a", "abcde", "ab==", "a+b/", "ab c", "ü"):
        with pytest.raises(BlobError):
            blobs.decode(bad)


def test_size_is_limited_before_anything_is_read() -> None:
    kind = BlobKind.RECEIPT
    fitting = blobs.sign(kind, b"x" * kind.most_bytes, SERVER)
    assert len(blobs.open_blob(kind, fitting, SERVER.public_key())) == kind.most_bytes
    with pytest.raises(BlobError) as writing:
        blobs.sign(kind, b"x" * (kind.most_bytes + 1), SERVER)
    with pytest.raises(BlobError) as reading:
        blobs.open_blob(kind, "OSR1." + "A" * 3_000_000 + ".A", SERVER.public_key())
    assert writing.value.reason == reading.value.reason == "too_large"


def test_keys_come_and_go() -> None:
    key = blobs.new_key()
    assert blobs.public_of(blobs.key_of(blobs.seed_of(key))) == blobs.public_of(key)
    assert blobs.public_key(blobs.public_of(key)).public_bytes_raw() == blobs.public_of(key)
    with pytest.raises(BlobError):
        blobs.public_key(b"short")
    shown = blobs.fingerprint(blobs.public_of(key))
    assert [len(group) for group in shown.split(" ")] == [4] * 8


# Curve25519 in its Edwards form (RFC 8032, section 5.1), to see for ourselves which points are worthless as keys.
P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P


def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    (x, y), (u, v) = a, b
    product = D * x * u * y * v % P
    return (x * v + u * y) * pow(1 + product, -1, P) % P, (y * v + x * u) * pow(1 - product, -1, P) % P


def _point(raw: bytes) -> tuple[int, int] | None:
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    return (root, y % P) if root * root % P == square else None


def test_points_of_small_order_are_no_keys() -> None:
    """Each refused encoding, times 8, is the neutral point; together they are all eight points and their second writings."""
    found = set()
    for low in blobs._SMALL_ORDER:
        for raw in (low, low[:-1] + bytes([low[-1] | 0x80])):
            with pytest.raises(BlobError) as weak:
                blobs.public_key(raw)
            assert weak.value.reason == "weak_key"
        point = _point(low)
        assert point is not None
        found |= {point, (-point[0] % P, point[1])}
        for _ in range(3):
            point = _add(point, point)
        assert point == (0, 1)
    assert len(found) == 8


@given(st.text(max_size=80) | st.integers() | st.floats() | st.none() | st.lists(st.integers(), max_size=3))
def test_payloads_of_any_content_are_read_or_refused(value: object) -> None:
    import json

    payload = json.dumps({"v": 1, "x": value}).encode()
    with contextlib.suppress(BlobError):
        assert fields.read(payload).text("x", most=80) == value


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"7",
        b"\xff\xfe",
        b'{"v":2}',
        b'{"v":true}',
        b'{"v":1,"v":1}',
        b'{"x":1}',
        b'{"v":1} {"v":1}',
        b'{"v":1,"x":NaN}x',
        b'{"v":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"v":' + b"[" * 3000,
        b'{"v":' + b"9" * 5000 + b"}",
    ],
)
def test_broken_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(BlobError) as found:
        fields.read(payload)
    assert found.value.reason == "malformed"


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "\ud800", "\u202e", "\x7f", "x" * 81])
def test_text_that_no_database_takes_is_refused(text: str) -> None:
    with pytest.raises(BlobError):
        fields.Fields({"x": text}).text("x", most=80)


def test_readers_are_strict() -> None:
    found = fields.Fields(
        {
            "n": 5,
            "b": True,
            "f": 1.0,
            "id": "01JZZZZZZZZZZZZZZZZZZZZZZA",
            "h": "0" * 64,
            "k": blobs.encode(bytes(31)),
            "p": {},
        }
    )
    assert found.number("n", least=5, most=5) == 5
    assert found.ulid("id").endswith("A")
    assert found.hex32("h") == "0" * 64
    assert found.flag("b") is True
    bad = [
        lambda: found.number("b"),
        lambda: found.number("f"),
        lambda: found.number("n", least=6),
        lambda: found.number("n", most=4),
        lambda: found.flag("n"),
        lambda: found.ulid("h"),
        lambda: found.hex32("id"),
        lambda: found.key("k"),
        lambda: found.credits_by_name("n"),
        lambda: found.objects("p", most=1),
        lambda: fields.Fields({"p": {"a": -1}}).credits_by_name("p"),
        lambda: fields.Fields({"p": {str(n): 1 for n in range(101)}}).credits_by_name("p"),
        lambda: fields.Fields({"p": [1]}).objects("p", most=1),
        lambda: found.text("missing", most=1),
    ]
    for reading in bad:
        with pytest.raises(BlobError):
            reading()
