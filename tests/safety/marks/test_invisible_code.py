"""The mark's checksum and convolutional code against known answers, errors and noise."""

import numpy as np
import pytest

from outfitswap_desktop.safety.marks.invisible_code import (
    CODED,
    GENERATORS,
    PAYLOAD_BYTES,
    STEPS,
    crc24,
    decode,
    encode,
)

PAYLOADS = (b"\0\0\0\0\0\0", b"\xff\xff\xff\xff\xff\xff", b"abcdef", bytes.fromhex("12f3567f9abc"))


@pytest.mark.parametrize(("message", "checksum"), [(b"", 0xB704CE), (b"123456789", 0x21CF02)])
def test_the_checksum_is_openpgps(message, checksum):
    assert crc24(message) == checksum


def test_sizes():
    assert (PAYLOAD_BYTES, STEPS, CODED) == (6, 78, 234)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_there_and_back(payload):
    word = encode(payload)
    assert word.shape == (CODED,)
    assert set(np.unique(word)) == {-1.0, 1.0}
    assert decode(word[None]) == [payload]


def test_many_rows_at_once_keep_their_order():
    assert decode(np.stack([encode(payload) for payload in PAYLOADS])) == list(PAYLOADS)


def test_the_encoder_is_the_textbooks():
    """The first steps by hand: bits 0 1 1 of "a" from state 0, parities of the taps 133, 145, 175 (octal)."""
    registers = (0b0000000, 0b1000000, 0b1100000)
    expected = [(register & generator).bit_count() % 2 * 2 - 1 for register in registers for generator in GENERATORS]
    assert GENERATORS == (0o133, 0o145, 0o175)
    assert encode(b"aaaaaa")[:9].tolist() == expected


def test_the_free_distance_is_15():
    words = [encode(bytes(index == place for index in range(6))) for place in range(6)]
    for first in range(6):
        for second in range(first):
            assert np.count_nonzero(words[first] != words[second]) >= 15


def test_noise_as_strong_as_the_signal_is_read():
    noise = np.random.default_rng(3).normal(0, 0.8, (100, CODED)).astype(np.float32)
    assert decode(encode(b"abcdef") + noise).count(b"abcdef") == 100


def test_trust_counts_for_more_than_the_sign():
    soft = encode(b"abcdef")
    wrong = np.random.default_rng(1).permutation(CODED)[:100]
    soft[wrong] *= -0.05
    assert decode(soft[None]) == [b"abcdef"]


def test_garbage_is_none():
    noise = np.random.default_rng(4).normal(0, 1, (500, CODED)).astype(np.float32)
    assert decode(noise) == [None] * 500
    assert decode(np.zeros((0, CODED), np.float32)) == []


def test_every_wrong_bit_of_the_message_is_found():
    """A valid code word of a message whose checksum does not fit is refused."""
    from outfitswap_desktop.safety.marks import invisible_code

    word = encode(b"abcdef")
    original = invisible_code.crc24
    try:
        for bit in range(24):
            invisible_code.crc24 = lambda message, bit=bit: original(message) ^ (1 << bit)
            broken = encode(b"abcdef")
            invisible_code.crc24 = original
            assert decode(broken[None]) == [None]
    finally:
        invisible_code.crc24 = original
    assert decode(word[None]) == [b"abcdef"]


@pytest.mark.parametrize("payload", [b"", b"12345", b"1234567"])
def test_other_lengths_are_refused(payload):
    with pytest.raises(ValueError, match="carries 6 bytes, not"):
        encode(payload)
