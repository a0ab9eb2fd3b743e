"""Compiled code that outlives the process: torch.compile's own artifacts in one checked file per card.

The file is code, as the .pyc files beside the program are: it lies in the user's own cache folder, is made on this machine, is
never downloaded, and its checksum is against damage, not against somebody who may write there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.ml.speed.card import Card, write_whole
from outfitswap_desktop.paths import cache_dir

_log = logging.getLogger(__name__)
_MAGIC: Final = b"outfitswap-compiled-1\n"
LARGEST: Final = 512 * 2**20
"""Bytes; a larger file is not kept (it would be made of buckets long gone)."""


class Artifacts:
    """Loads what an earlier process compiled for this card, and saves what this one has. Failures cost time, never a job."""

    def __init__(self, card: Card, *, folder: Path | None = None) -> None:
        self._path = (folder or cache_dir() / "compiled") / f"{card.key}.bin"
        self._lock = threading.Lock()
        self._loaded: bool | None = None
        self.reason = ""

    @property
    def path(self) -> Path:
        return self._path

    def load(self) -> bool:
        """Hand the file's content to torch, once per process; False (with `reason`) when there is none or it is damaged."""
        with self._lock:
            if self._loaded is None:
                content = self.read()
                self._loaded = content is not None and self._take(content)
            return self._loaded

    def save(self) -> bool:
        """Write all that torch has compiled and loaded so far in this process."""
        import torch

        with self._lock:
            try:
                found = torch.compiler.save_cache_artifacts()
                return found is not None and self.write(found[0])
            except Exception as problem:  # noqa: BLE001  a cache must not cost a job
                return self._failed(f"not saved: {problem}")

    def read(self) -> bytes | None:
        """The artifacts in the file; None when it is missing. A damaged file is deleted, `reason` says so."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        header, _, body = content.removeprefix(_MAGIC).partition(b"\n")
        if content.startswith(_MAGIC) and _header_fits(header, body):
            return body
        self._path.unlink(missing_ok=True)
        self._failed("the compiled code on the disk was damaged; it is made again")
        return None

    def write(self, body: bytes) -> bool:
        """Put `body` into the file in one go."""
        if len(body) > LARGEST:
            return self._failed(f"not saved: {len(body)} bytes are more than {LARGEST}")
        header = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, _MAGIC + header + b"\n" + body)
        except OSError as problem:
            return self._failed(f"not saved: {problem}")
        return True

    def _take(self, content: bytes) -> bool:
        import torch

        try:
            if torch.compiler.load_cache_artifacts(content) is not None:
                return True
            why = "torch cannot read it"
        except Exception as problem:  # noqa: BLE001  another build's format: compiled again
            why = str(problem)
        self._path.unlink(missing_ok=True)
        return self._failed(f"not loaded: {why}")

    def _failed(self, reason: str) -> bool:
        self.reason = reason
        _log.warning("%s: %s", self._path.name, reason)
        return False


def _header_fits(header: bytes, body: bytes) -> bool:
    try:
        facts: Any = json.loads(header)
        return bool(facts["size"] == len(body) and facts["sha256"] == hashlib.sha256(body).hexdigest())
    except (ValueError, KeyError, TypeError):
        return False
