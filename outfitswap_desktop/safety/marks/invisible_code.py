"""The invisible mark's words: 6 bytes with a CRC-24, as 234 signs of a convolutional code that soft decisions can read."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

PAYLOAD_BYTES: Final = 6
CRC_BITS: Final = 24
_CRC_START: Final = 0xB704CE
_CRC_POLYNOMIAL: Final = 0x1864CFB
MEMORY: Final = 6
GENERATORS: Final = (0o133, 0o145, 0o175)
STATES: Final = 1 << MEMORY
INFORMATION_BITS: Final = PAYLOAD_BYTES * 8 + CRC_BITS
STEPS: Final = INFORMATION_BITS + MEMORY
CODED: Final = STEPS * len(GENERATORS)


def crc24(message: bytes) -> int:
    """The 24-bit checksum of RFC 9580, section 6.1; its start value makes the empty and the all-zero message differ from 0."""
    register = _CRC_START
    for byte in message:
        register ^= byte << 16
        for _ in range(8):
            register <<= 1
            if register & 0x1000000:
                register ^= _CRC_POLYNOMIAL
    return register


def encode(payload: bytes) -> NDArray[np.float32]:
    """The code word of a 6-byte payload: `CODED` values of -1 or +1.

    Rate 1/3, constraint length 7, generators 133, 145, 175 (octal; free distance 15, Larsen 1973), ended in state 0 by six
    zero bits. ValueError for another length than 6 bytes.
    """
    if len(payload) != PAYLOAD_BYTES:
        raise ValueError(f"the invisible mark carries {PAYLOAD_BYTES} bytes, not {len(payload)}")
    message = payload + crc24(payload).to_bytes(CRC_BITS // 8, "big")
    bits = [*np.unpackbits(np.frombuffer(message, np.uint8)).tolist(), *[0] * MEMORY]
    state, word = 0, []
    for bit in bits:
        register = bit << MEMORY | state
        word += [1.0 if (register & generator).bit_count() % 2 else -1.0 for generator in GENERATORS]
        state = register >> 1
    return np.array(word, np.float32)


def decode(soft: NDArray[np.float32]) -> list[bytes | None]:
    """The payload of each row of `soft` (N, `CODED`; sign = bit, size = trust), None where the checksum does not fit.

    Viterbi's algorithm (1967) over all rows at once; wrong rows pass with probability 2**-24.
    """
    before, signs = _trellis()
    rows = len(soft)
    branches = (soft.reshape(rows, STEPS, len(GENERATORS)) @ signs).reshape(rows, STEPS, STATES, 2)
    score = np.full((rows, STATES), -np.inf, np.float32)
    score[:, 0] = 0.0
    choices = np.empty((STEPS, rows, STATES), np.bool_)
    for step in range(STEPS):
        paths = score[:, before] + branches[:, step]
        choices[step] = paths[..., 1] > paths[..., 0]
        score = paths.max(axis=2)
    state, every = np.zeros(rows, np.intp), np.arange(rows)
    bits = np.empty((rows, STEPS), np.uint8)
    for step in reversed(range(STEPS)):
        bits[:, step] = state >> (MEMORY - 1)
        state = before[state, choices[step, every, state].astype(np.intp)]
    messages = np.packbits(bits[:, :INFORMATION_BITS], axis=1)
    return [_payload(message.tobytes()) for message in messages]


def _payload(message: bytes) -> bytes | None:
    payload, checksum = message[:PAYLOAD_BYTES], int.from_bytes(message[PAYLOAD_BYTES:], "big")
    return payload if crc24(payload) == checksum else None


@cache
def _trellis() -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each state its two predecessors (64, 2), and the signs sent on the way from them, (3, 128)."""
    after = np.arange(STATES)
    before = np.stack([(after << 1 | low) & (STATES - 1) for low in (0, 1)], axis=1)
    registers = (after[:, None] >> (MEMORY - 1)) << MEMORY | before
    signs = [[(int(r) & g).bit_count() % 2 * 2 - 1 for r in registers.ravel()] for g in GENERATORS]
    return before, np.array(signs, np.float32)
