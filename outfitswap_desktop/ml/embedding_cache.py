"""Image embeddings that were computed once: a few in memory, more on disk up to a fixed size, both exact to the bit."""

from __future__ import annotations

import contextlib
import os
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[Any]
IN_MEMORY: Final = 4
ON_DISK: Final = 512 * 2**20
"""Bytes; SAM's embedding of one photo takes 4 MiB in single precision."""
ENDING: Final = ".npz"
_ABANDONED: Final = 3600.0
"""Seconds after which a half-written file has no writer any more."""


class EmbeddingCache:
    """Embeddings by key (hexadecimal). A file that cannot be read is removed and counts as absent.

    Files keep the precision in which they were computed, so that a photo that is opened again gives the same mask to the pixel.
    `folder` None keeps nothing on disk.
    """

    def __init__(self, folder: Path | None, *, in_memory: int = IN_MEMORY, on_disk: int = ON_DISK) -> None:
        self._folder = folder
        self._in_memory = in_memory
        self._on_disk = on_disk
        self._kept: OrderedDict[str, Embedding] = OrderedDict()

    def get(self, key: str) -> tuple[Embedding | None, str]:
        """The embedding and where it was ("memory", "disk"), or (None, "")."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept, "memory"
        read = self._read(key)
        if read is None:
            return None, ""
        self._remember(key, read)
        return read, "disk"

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding; a disk that is full or read-only is no error."""
        self._remember(key, embedding)
        if self._folder is None or self._on_disk <= 0:
            return
        with contextlib.suppress(OSError):
            self._write(self._folder, key, embedding)

    def forget(self) -> None:
        """Drop what is in memory."""
        self._kept.clear()

    def clear(self) -> None:
        """Drop everything, on disk too."""
        self.forget()
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    def _remember(self, key: str, embedding: Embedding) -> None:
        embedding.setflags(write=False)
        self._kept[key] = embedding
        self._kept.move_to_end(key)
        while len(self._kept) > self._in_memory:
            self._kept.popitem(last=False)

    def _path(self, key: str) -> Path | None:
        return self._folder / f"{key}{ENDING}" if self._folder is not None else None

    def _read(self, key: str) -> Embedding | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
                embedding = np.asarray(file["embedding"])  # the archive's checksum is verified while it is read
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, MemoryError):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return embedding

    def _write(self, folder: Path, key: str, embedding: Embedding) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f"{key}.{os.getpid()}.part"
        try:
            with beside.open("wb") as target:
                np.savez(target, embedding=embedding)
            beside.replace(folder / f"{key}{ENDING}")
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()
        self._shrink(folder)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{ENDING}")) if self._folder is not None else []

    def _shrink(self, folder: Path) -> None:
        """Remove what was used longest ago until the rest fits, and what a killed process left half-written."""
        for left in folder.glob("*.part"):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()
        seen = sorted(((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._files()), reverse=True)
        total = 0
        for _, size, path in seen:
            total += size
            if total > self._on_disk:
                path.unlink()
