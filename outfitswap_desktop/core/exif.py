"""Reads an EXIF block (CIPA DC-008, a TIFF structure) with bounds on everything and writes back what may travel on.

Carried: what describes the shot. Left out: the position, embedded thumbnails and maker notes (they hold previews of the old
picture, serial numbers and places, and break when they are moved) and whatever describes the old file's layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

Order = Literal["<", ">"]

MAX_CARRIED_BYTES = 60_000
"""What is carried must fit one JPEG segment (65,533 bytes) with its label."""

_HEADER = b"Exif\0\0"
_MAX_ENTRIES = 400
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}

_ORIENTATION, _EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
_WIDTH, _HEIGHT, _MAKER_NOTE = 0xA002, 0xA003, 0x927C

_MAIN_TAGS = frozenset(
    {0x010D, 0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C}
    | {0x0213, 0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
)
"""Title, maker, model, resolution, software, dates, artist, rating, copyright."""

_READ_TAGS = frozenset({_ORIENTATION, _EXIF_IFD, _GPS_IFD})
_SHOT_TAGS = frozenset({*range(0x829A, 0x8834), *range(0x9000, 0x9403), *range(0xA000, 0xA501)}) - {
    _MAKER_NOTE,
    _INTEROP_IFD,
    _GPS_IFD,
}
"""The Exif directory's tags as the standard defines them, less maker note and pointers."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry: `value` as stored, in the block's byte order."""

    tag: int
    kind: int
    count: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Exif:
    """What a block said: `block` to carry on (None: nothing worth it), `orientation` 1..8 or None when it said none."""

    block: bytes | None
    orientation: int | None
    had_position: bool
    damaged: bool


_NOTHING = Exif(block=None, orientation=None, had_position=False, damaged=True)


def read(raw: bytes, stored_size: tuple[int, int]) -> Exif:
    """Read `raw` (with or without its "Exif" label); `stored_size` (width, height) before orientation. Never raises."""
    blob = raw.removeprefix(_HEADER)
    order: Order
    if blob[:4] == b"II*\0":
        order = "<"
    elif blob[:4] == b"MM\0*":
        order = ">"
    else:
        return _NOTHING
    main, broken = _directory(blob, offset=_number(blob, 4, order), order=order, wanted=_MAIN_TAGS | _READ_TAGS)
    entries = {entry.tag: entry for entry in main}
    orientation = _small(entries.get(_ORIENTATION), order)
    shot, shot_broken = _sub_directory(blob, entries.get(_EXIF_IFD), order=order, wanted=_SHOT_TAGS | {_INTEROP_IFD})
    interop, _ = _sub_directory(
        blob, next((e for e in shot if e.tag == _INTEROP_IFD), None), order=order, wanted=frozenset({1, 2})
    )
    upright = stored_size if orientation is None or orientation < 5 or orientation > 8 else stored_size[::-1]
    kept = [entry for entry in main if entry.tag in _MAIN_TAGS]
    kept_shot = [_resized(entry, upright, order) for entry in shot if entry.tag in _SHOT_TAGS]
    block = _write(kept, kept_shot, interop, order=order) if kept or kept_shot else None
    too_long = block is not None and len(block) > MAX_CARRIED_BYTES
    return Exif(
        block=None if too_long else block,
        orientation=orientation,
        had_position=_GPS_IFD in entries,
        damaged=broken or shot_broken or too_long,
    )


def _number(blob: bytes, offset: int, order: Order) -> int:
    """The 32-bit number at `offset`, 0 when the block ends before."""
    return struct.unpack_from(order + "I", blob, offset)[0] if 0 <= offset <= len(blob) - 4 else 0


def _directory(blob: bytes, *, offset: int, order: Order, wanted: frozenset[int]) -> tuple[list[Entry], bool]:
    """The wanted entries of the directory at `offset` and whether something in it was broken."""
    if not 8 <= offset <= len(blob) - 2:
        return [], True
    count = struct.unpack_from(order + "H", blob, offset)[0]
    broken = count > _MAX_ENTRIES
    entries: list[Entry] = []
    room = MAX_CARRIED_BYTES
    for index in range(min(count, _MAX_ENTRIES)):
        at = offset + 2 + 12 * index
        if at + 12 > len(blob):
            return entries, True
        tag, kind, items = struct.unpack_from(order + "HHI", blob, at)
        if tag not in wanted:
            continue
        length = _SIZES.get(kind, 0) * items
        start = at + 8 if length <= 4 else _number(blob, at + 8, order)
        if length > room or start + length > len(blob) or kind not in _SIZES:
            broken = True
        elif length > 0:
            entries.append(Entry(tag, kind, items, blob[start : start + length]))
            room -= length  # values may overlap, so a small block could ask for much
    return entries, broken


def _sub_directory(
    blob: bytes, pointer: Entry | None, *, order: Order, wanted: frozenset[int]
) -> tuple[list[Entry], bool]:
    if pointer is None:
        return [], False
    if len(pointer.value) != 4:
        return [], True
    return _directory(blob, offset=struct.unpack(order + "I", pointer.value)[0], order=order, wanted=wanted)


def _small(entry: Entry | None, order: Order) -> int | None:
    """The first number of an unsigned integer entry."""
    if entry is None or entry.kind not in {1, 3, 4}:
        return None
    form = {1: "B", 3: "H", 4: "I"}[entry.kind]
    return int(struct.unpack_from(order + form, entry.value)[0])


def _resized(entry: Entry, upright: tuple[int, int], order: Order) -> Entry:
    if entry.tag not in {_WIDTH, _HEIGHT}:
        return entry
    side = upright[0] if entry.tag == _WIDTH else upright[1]
    return Entry(entry.tag, 4, 1, struct.pack(order + "I", side))


def _write(main: list[Entry], shot: list[Entry], interop: list[Entry], *, order: Order) -> bytes:
    """A block with Orientation 1 and the given entries."""
    upright = Entry(_ORIENTATION, 3, 1, struct.pack(order + "HH", 1, 0))
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    # Pointers have the size of any other entry, so the layout is known before their values are.
    placeholder = Entry(_EXIF_IFD, 4, 1, b"\0\0\0\0")
    main_size = len(_pack([*main, upright, *([placeholder] if shot else [])], base=8, order=order))
    if interop and shot:
        pointer_at = 8 + main_size
        link = Entry(_INTEROP_IFD, 4, 1, b"\0\0\0\0")
        shot_size = len(_pack([*shot, link], base=pointer_at, order=order))
        link = Entry(_INTEROP_IFD, 4, 1, struct.pack(order + "I", pointer_at + shot_size))
        shot = [*shot, link]
        tail = _pack(interop, base=pointer_at + shot_size, order=order)
    else:
        tail = b""
    if not shot:
        return head + _pack([*main, upright], base=8, order=order)
    pointer = Entry(_EXIF_IFD, 4, 1, struct.pack(order + "I", 8 + main_size))
    return (
        head
        + _pack([*main, upright, pointer], base=8, order=order)
        + _pack(shot, base=8 + main_size, order=order)
        + tail
    )


def _pack(entries: list[Entry], *, base: int, order: Order) -> bytes:
    """A directory that starts at offset `base`: entries by tag (the last of equal tags), then the longer values."""
    unique = sorted({entry.tag: entry for entry in entries}.values(), key=lambda entry: entry.tag)
    values_at = base + 2 + 12 * len(unique) + 4
    rows, values = [], b""
    for entry in unique:
        row = struct.pack(order + "HHI", entry.tag, entry.kind, entry.count)
        if len(entry.value) <= 4:
            rows.append(row + entry.value.ljust(4, b"\0"))
        else:
            rows.append(row + struct.pack(order + "I", values_at + len(values)))
            values += entry.value + b"\0" * (len(entry.value) & 1)
    return struct.pack(order + "H", len(unique)) + b"".join(rows) + b"\0\0\0\0" + values
