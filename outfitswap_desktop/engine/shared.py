"""Messages as bytes for a pipe, their arrays beside them in shared memory: written once, read once, gone.

Whoever packs a message owns its segment until the other side says `taken`; whoever unpacks it copies what is in it into
memory of its own, read-only, and lets go at once. Names say whose they are (window's process, packing process), so that what
a killed process leaves is found. Python's resource tracker, which both processes share, is the net below: it takes away
what is left when both are killed at the same moment.
"""

from __future__ import annotations

import io
import os
import pickle
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PREFIX: Final = "osw"
LEAST: Final = 1 << 16
"""Arrays and byte strings from this size on go beside the message."""
_ALIGNED: Final = 64
_FOLDER: Final = Path("/dev/shm")
"""Where Linux shows its segments; elsewhere they cannot be listed (and Windows takes them away with their last owner)."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """One array (or, with `shape` None, byte string) beside a message: where in the segment, and what it is."""

    start: int
    size: int
    shape: tuple[int, ...] | None
    dtype: str


class Segments:
    """The segments of one side of one pipe. `window` is the pid of the process that began the conversation."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._owned: dict[str, SharedMemory] = {}

    def pack(self, message: Any) -> tuple[bytes, str]:
        """The message as bytes, and the name of the segment that goes with it ("": none)."""
        stream = io.BytesIO()
        pickler = _Pickler(stream)
        pickler.dump(message)
        if not pickler.parts:
            return pickle.dumps((stream.getvalue(), "", ())), ""
        name = self._write(pickler.table, pickler.parts)
        if not name:  # no room in shared memory: through the pipe, slower, but it arrives
            return pickle.dumps((pickle.dumps(message), "", ())), ""
        return pickle.dumps((stream.getvalue(), name, tuple(pickler.table))), name

    def _write(self, table: list[_Beside], parts: list[NDArray[Any]]) -> str:
        name = f"{PREFIX}-{self._window:x}-{os.getpid():x}-{secrets.token_hex(4)}"
        size = table[-1].start + table[-1].size
        try:
            segment = SharedMemory(name=name, create=True, size=size)
        except OSError:
            return ""
        if not _has_room(name, size):
            segment.close()
            segment.unlink()
            return ""
        for place, part in zip(table, parts, strict=True):
            _bytes_in(segment, place)[:] = part
        self._owned[name] = segment
        return name

    def taken(self, name: str) -> None:
        """The other side has copied what is in that segment: it goes."""
        segment = self._owned.pop(name, None)
        if segment is not None:
            _remove(segment)

    def close(self) -> None:
        """Take away whatever was not taken."""
        for name in list(self._owned):
            self.taken(name)


def unpack(packed: bytes) -> tuple[Any, str]:
    """The message, its arrays copied and read-only, and the name of the segment to report as taken ("": none).

    Raises FileNotFoundError when the segment is gone: whoever packed it has died.
    """
    body, name, table = pickle.loads(packed)
    if not name:
        return pickle.loads(body), ""
    segment = SharedMemory(name=name)
    try:
        parts = [_copied(segment, place) for place in table]
    finally:
        segment.close()
    unpickler = _Unpickler(io.BytesIO(body))
    unpickler.parts = parts
    return unpickler.load(), name


def sweep() -> None:
    """Take away the segments of windows that no longer run. For every start."""
    for name, window, creator in _listed():
        if not (_is_running(window) or _is_running(creator)):
            _remove_named(name)


def names_of(*, window: int, creator: int | None = None) -> tuple[str, ...]:
    """The segments that are there of one window, or only those that one of its processes packed."""
    return tuple(name for name, of, by in _listed() if of == window and creator in (None, by))


def sweep_of(*, window: int, creator: int | None = None) -> None:
    """Take them away."""
    for name in names_of(window=window, creator=creator):
        _remove_named(name)


def _listed() -> Iterator[tuple[str, int, int]]:
    """Name, window and packer of every segment of ours that the system shows."""
    for path in _FOLDER.glob(f"{PREFIX}-*") if sys.platform == "linux" else ():
        with suppress(ValueError):
            _, window, creator, _ = path.name.split("-")
            yield path.name, int(window, 16), int(creator, 16)


def _remove_named(name: str) -> None:
    with suppress(OSError, ValueError):  # gone meanwhile, not ours, or still empty
        _remove(SharedMemory(name=name))


def _remove(segment: SharedMemory) -> None:
    with suppress(BufferError):
        segment.close()
    with suppress(FileNotFoundError):
        segment.unlink()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _has_room(name: str, size: int) -> bool:
    """Take the memory now: a page that the system cannot give later would end the process with a bus error."""
    if sys.platform != "linux":
        return True
    try:
        handle = os.open(_FOLDER / name, os.O_RDWR)
    except OSError:
        return False
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _bytes_in(segment: SharedMemory, place: _Beside) -> NDArray[np.uint8]:
    assert segment.buf is not None
    return np.frombuffer(segment.buf, np.uint8, place.size, place.start)


def _copied(segment: SharedMemory, place: _Beside) -> NDArray[Any] | bytes:
    """numpy copies without holding Python's lock, so that a large picture does not stop the window's other threads."""
    there = _bytes_in(segment, place)
    if place.shape is None:
        return bytes(there)
    mine = np.empty(place.size, np.uint8)
    mine[:] = there
    array: NDArray[Any] = mine.view(place.dtype).reshape(place.shape)
    mine.setflags(write=False)
    array.setflags(write=False)
    return array


class _Pickler(pickle.Pickler):
    """Leaves large arrays and byte strings out and notes them in `table` and `parts`; the same object only once."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=5)
        self.table: list[_Beside] = []
        self.parts: list[NDArray[Any]] = []
        self._known: dict[int, int] = {}
        self._end = 0

    def persistent_id(self, thing: Any) -> int | None:
        if type(thing) is bytes:
            size, shape, dtype = len(thing), None, ""
        elif type(thing) is np.ndarray and not thing.dtype.hasobject:
            size, shape, dtype = thing.nbytes, thing.shape, thing.dtype.str
        else:
            return None
        if size < LEAST:
            return None
        if id(thing) not in self._known:
            flat = np.frombuffer(thing, np.uint8) if shape is None else _flat(thing)
            self._known[id(thing)] = len(self.parts)
            self.table.append(_Beside(self._end, size, shape, dtype))
            self.parts.append(flat)
            self._end += -(-size // _ALIGNED) * _ALIGNED
        return self._known[id(thing)]


def _flat(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


class _Unpickler(pickle.Unpickler):
    parts: list[NDArray[Any] | bytes]

    def persistent_load(self, number: Any) -> NDArray[Any] | bytes:
        part: NDArray[Any] | bytes = self.parts[number]
        return part
