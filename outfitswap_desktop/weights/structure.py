"""What kind of file something is, from its own structure: safetensors, ONNX, or a checkpoint of torch. Nothing is loaded.

A file that is cut off, holds other code than weights need, or points out of its folder is refused in one sentence.
"""

from __future__ import annotations

import json
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from outfitswap_desktop.errors import InputRefused
from outfitswap_desktop.weights.pickles import MOST_BYTES, BadPickle, refuse_strangers

SAFETENSORS, ONNX, TORCH = "safetensors", "onnx", "torch"
KINDS: Final = {
    ".safetensors": SAFETENSORS,
    ".onnx": ONNX,
    ".pt": TORCH,
    ".pth": TORCH,
}
_BITS: Final = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I64": 64, "I32": 32}
_MORE_BITS: Final = {"I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8}
_LARGEST_HEADER: Final = 100_000_000
_LEGACY_MAGIC: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_MOST_MEMBERS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Structure:
    """What a file is: its kind, and what was read of it in a phrase for people."""

    kind: str
    said: str


def look_at(path: Path, *, detector: bool = False) -> Structure:
    """The structure of a file; raises InputRefused ("unknown_kind", "damaged_file", "unknown_pickle", "unsafe_file")."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise _refused(path, "is no kind of weights that is known here", "unknown_kind")
    try:
        if kind == SAFETENSORS:
            return Structure(kind, _safetensors(path))
        if kind == ONNX:
            return Structure(kind, _onnx(path))
        return Structure(kind, _torch(path, detector=detector))
    except BadPickle as problem:
        reason = "damaged_file" if "damaged" in str(problem) else "unknown_pickle"
        raise _refused(path, f"is refused: {problem}", reason) from problem
    except _Unsafe as problem:
        raise _refused(path, f"is refused: {problem}", "unsafe_file") from problem
    except (ValueError, KeyError, TypeError, struct.error, EOFError, zipfile.BadZipFile, OverflowError) as problem:
        raise _refused(path, "is damaged or cut off", "damaged_file") from problem
    except OSError as problem:
        raise _refused(path, f"cannot be read ({problem.strerror})", "damaged_file") from problem


class _Unsafe(Exception):
    """Points out of its folder, or holds more than it says."""


def _refused(path: Path, what: str, reason: str) -> InputRefused:
    return InputRefused(
        f"{path.name} {what}.",
        reason=reason,
        hint="Take the file from its authors, or another one; nothing was copied.",
    )


def _safetensors(path: Path) -> str:
    """The format's own rules: a header of JSON, values without gaps or overlaps up to the file's last byte."""
    whole = path.stat().st_size
    with path.open("rb") as source:
        (length,) = struct.unpack("<Q", source.read(8))
        if not 2 <= length <= min(_LARGEST_HEADER, whole - 8):
            raise ValueError("header")
        header = json.loads(source.read(length))
    header.pop("__metadata__", None)
    spans = []
    for values in header.values():
        begin, end = values["data_offsets"]
        bits = {**_BITS, **_MORE_BITS}.get(values["dtype"])
        count = 1
        for side in values["shape"]:
            count *= _whole(side)
        if bits is not None and (end - begin) * 8 != count * bits:
            raise ValueError("size")
        spans.append((_whole(begin), _whole(end)))
    position = 0
    for begin, end in sorted(spans):
        if begin != position or end < begin:
            raise ValueError("gap")
        position = end
    if position != whole - 8 - length or not spans:
        raise ValueError("length")
    return f"{len(spans)} tensors"


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError("number")
    return number


def _torch(path: Path, *, detector: bool) -> str:
    with path.open("rb") as source:
        start = source.read(len(_LEGACY_MAGIC))
        if start.startswith(b"PK\x03\x04"):
            return _torch_zip(path, detector=detector)
        if start != _LEGACY_MAGIC:
            raise ValueError("no checkpoint")
        source.seek(0)
        for _ in range(5):  # magic, version, system, the object, the names of its storages
            refuse_strangers(source, detector=detector)
        if source.read(1) == b"":
            raise ValueError("no values")
        return "a checkpoint in the old format"


def _torch_zip(path: Path, *, detector: bool) -> str:
    whole = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise _Unsafe("it has too many parts")
        _refuse_bombs(members, whole)
        pickles = [member for member in members if member.filename.endswith(".pkl")]
        if len(pickles) != 1 or not pickles[0].filename.endswith("/data.pkl"):
            raise _Unsafe("it is no plain checkpoint")
        if pickles[0].file_size > MOST_BYTES:
            raise _Unsafe("its description is too large")
        with archive.open(pickles[0]) as source:
            names = refuse_strangers(source, detector=detector)
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(damaged)
    return f"a checkpoint of {len(members)} parts; it calls {len(names)} known names"


def _refuse_bombs(members: list[zipfile.ZipInfo], whole: int) -> None:
    """Parts of a checkpoint are stored as they are, so together they are never larger than the file."""
    root = members[0].filename.partition("/")[0] if members else ""
    for member in members:
        parts = member.filename.split("/")
        if parts[0] != root or ".." in parts or "" in parts[:-1] or "\\" in member.filename:
            raise _Unsafe("it names parts outside of itself")
        if parts[1:2] == ["code"] or member.filename.endswith(".py"):
            raise _Unsafe("it carries program code")
        if member.compress_type != zipfile.ZIP_STORED:
            raise _Unsafe("its parts are compressed, which no checkpoint of weights is")
    if sum(member.file_size for member in members) > whole:
        raise _Unsafe("it holds more than its size")


def _onnx(path: Path) -> str:
    """Protobuf's own rules down to the tensors: lengths that fit, and no values in other files."""
    whole = path.stat().st_size
    with path.open("rb") as source:
        fields = list(_fields(source, 0, whole))
        numbers = [number for number, _, _ in fields]
        if 1 not in numbers or 7 not in numbers:  # ir_version, graph
            raise ValueError("no model")
        nodes = 0
        for number, begin, end in fields:
            if number == 7:
                nodes += _graph(source, begin, end)
    return f"a network of {nodes} nodes"


def _graph(source: IO[bytes], begin: int, end: int) -> int:
    nodes = 0
    for number, inner, over in list(_fields(source, begin, end)):
        if number == 1:  # node
            nodes += 1
            for attribute, a_begin, a_end in list(_fields(source, inner, over)):
                if attribute == 5:  # attribute of a node
                    _attribute(source, a_begin, a_end)
        elif number == 5:  # initializer
            _tensor(source, inner, over)
    return nodes


def _attribute(source: IO[bytes], begin: int, end: int) -> None:
    for number, inner, over in list(_fields(source, begin, end)):
        if number in (5, 10):  # a tensor, tensors
            _tensor(source, inner, over)
        elif number in (6, 11):  # a graph, graphs
            _graph(source, inner, over)


def _tensor(source: IO[bytes], begin: int, end: int) -> None:
    if any(number == 13 for number, _, _ in _fields(source, begin, end)):  # external_data
        raise _Unsafe("it takes values from other files")


def _fields(source: IO[bytes], begin: int, end: int) -> list[tuple[int, int, int]]:
    """Number, begin and end of each field of one protobuf message; raises ValueError when lengths do not fit."""
    found = []
    position = begin
    while position < end:
        source.seek(position)
        tag, position = _varint(source, position)
        kind, number = tag & 7, tag >> 3
        if number == 0:
            raise ValueError("field")
        if kind == 0:
            start = position
            _, position = _varint(source, position)
        elif kind in (1, 5):
            start, position = position, position + (8 if kind == 1 else 4)
        elif kind == 2:
            length, start = _varint(source, position)
            position = start + length
        else:
            raise ValueError("kind")
        if position > end:
            raise ValueError("length")
        found.append((number, start, position))
    return found


def _varint(source: IO[bytes], position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = source.read(1)
        if not byte:
            raise EOFError
        position += 1
        value |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return value, position
    raise ValueError("varint")
