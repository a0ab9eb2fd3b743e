"""The folder of the keys: secrets that only their owner reads, files that are replaced whole, one writer at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.licensing.wire.blobs import KEY_BYTES, encode, key_of, seed_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT: Final = "root.key"
ROOT_PUBLIC: Final = "root.pub"
LIST: Final = "keys.osk"


def secret_path(folder: Path, kid: str) -> Path:
    """Where the private half of a key lies."""
    return folder / f"{kid}.key"


def write_whole(path: Path, content: bytes, *, secret: bool) -> None:
    """Write a file so that it is there whole or not at all, on the disk when this returns; secrets for their owner alone."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _settle(path.parent)


def write_secret(path: Path, key: Ed25519PrivateKey) -> None:
    """Keep a private key: its seed as one line of base64url."""
    write_whole(path, f"{encode(seed_of(key))}\n".encode(), secret=True)


def read_secret(path: Path) -> Ed25519PrivateKey:
    """The private key in a file; raises OSError or ValueError."""
    from outfitswap_desktop.licensing.wire.blobs import decode

    seed = decode(path.read_text(encoding="ascii").strip())
    if len(seed) != KEY_BYTES:
        raise ValueError(f"{path.name} holds no key")
    return key_of(seed)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only process that changes the folder; waits for the one that does."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _settle(folder: Path) -> None:
    """Have the folder's new name for a file survive a power cut."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
