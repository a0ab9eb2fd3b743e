"""Takes named files out of a ZIP, and nothing else: no more bytes than announced, and only with the hash that is known."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.weights.hashing import CHUNK
from outfitswap_desktop.weights.listing import Wanted

MOST_MEMBERS: Final = 10_000
LARGEST: Final = 4_000_000_000
"""Bytes of one member where its size is not known."""


def unpack(archive: Path, folder: Path, files: tuple[Wanted, ...]) -> dict[str, tuple[int, str]]:
    """Write the wanted members to `folder`; returns bytes and SHA-256 of each, and deletes the archive.

    A member counts by its whole path or its bare name. Raises NotAvailable ("bad_archive", "wrong_hash").
    """
    found = {}
    try:
        with zipfile.ZipFile(archive) as source:
            members = source.infolist()
            if len(members) > MOST_MEMBERS:
                raise _bad(archive, "it has too many files")
            for file in files:
                member = _member(members, file.path)
                if member is None:
                    raise _bad(archive, f"it has no {file.path}")
                found[file.path] = _extract(source, member, folder / file.path, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as problem:
        raise _bad(archive, "it is damaged") from problem
    archive.unlink()
    return found


def _member(members: list[zipfile.ZipInfo], path: str) -> zipfile.ZipInfo | None:
    whole = [member for member in members if member.filename == path]
    named = [member for member in members if member.filename.rpartition("/")[2] == path.rpartition("/")[2]]
    candidates = whole or named
    return candidates[0] if len(candidates) == 1 else None


def _extract(source: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, file: Wanted) -> tuple[int, str]:
    most = file.size if file.size is not None else min(LARGEST, member.file_size)
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".unpacked")
    with source.open(member) as reader, beside.open("wb") as writer:
        while piece := reader.read(CHUNK):
            size += len(piece)
            if size > most:
                break
            digest.update(piece)
            writer.write(piece)
    if size > most or (file.sha256 is not None and digest.hexdigest() != file.sha256):
        beside.unlink()
        raise NotAvailable(
            f"{file.path} in {member.filename.rpartition('/')[2]} is not what it should be, and was thrown away.",
            reason="wrong_hash",
            hint="Try again later; nothing of it is used.",
        )
    beside.replace(target)
    return size, digest.hexdigest()


def _bad(archive: Path, why: str) -> NotAvailable:
    return NotAvailable(
        f"{archive.name} cannot be used: {why}.", reason="bad_archive", hint="Fetch it again; nothing of it is used."
    )
