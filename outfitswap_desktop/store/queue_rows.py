"""The queue's schema, and how requests and masks lie in it: as plain values that a later release can still read."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import Mask, frozen
from outfitswap_desktop.core.job import SwapRequest, Wishes
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.store.migrations import Schema

_QUEUE_1: Final = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL
            CHECK (state IN ('queued', 'running', 'done', 'refused', 'failed', 'cancelled', 'interrupted')),
        place REAL NOT NULL,
        created TEXT NOT NULL,
        request TEXT NOT NULL,
        output,
        batch TEXT, outfit TEXT, title TEXT NOT NULL,
        adder_pid INTEGER NOT NULL, adder_started TEXT NOT NULL,
        pid INTEGER, started TEXT, beat REAL, device TEXT,
        stop INTEGER NOT NULL DEFAULT 0,
        entry INTEGER, problem TEXT, about TEXT
    ) WITHOUT ROWID
    """,
    "CREATE INDEX jobs_place ON jobs (state, place)",
    "CREATE INDEX jobs_batch ON jobs (batch, state, place) WHERE batch IS NOT NULL",
    "CREATE INDEX jobs_output ON jobs (output)",
    """
    CREATE TABLE inputs (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (job, role)
    )
    """,
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
QUEUE: Final = Schema("outfitswap.queue", (("1_jobs", _QUEUE_1),), ("jobs", "inputs", "settings"))
_WISHES: Final = frozenset(field.name for field in fields(Wishes))
_PATHS: Final = ("photo", "output", "garment", "mask", "outline")


def request_text(request: SwapRequest) -> str:
    """A request as JSON in ASCII: paths absolute, a name that is no text with its escapes."""
    values = asdict(request)
    for name in _PATHS:
        if values[name] is not None:
            values[name] = str(Path(values[name]).absolute())
    values["zone"] = request.zone.value if request.zone is not None else None
    return json.dumps(values, sort_keys=True)


def read_request(text: str) -> SwapRequest:
    """The reverse of `request_text`; fields that this release does not know are left out."""
    known = {field.name for field in fields(SwapRequest)}
    values: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in known}
    for name in _PATHS:
        if values.get(name) is not None:
            values[name] = Path(values[name])
    if values.get("zone") is not None:
        values["zone"] = Zone(values["zone"])
    if "wishes" in values:
        asked = {name: value for name, value in values["wishes"].items() if name in _WISHES}
        values["wishes"] = Wishes(**{**asked, "seeds": tuple(asked.get("seeds", ()))})
    return SwapRequest(**values)


def pack_mask(mask: Mask | None) -> bytes | None:
    """A mask (H, W) 0/255 as its size and deflated bits: some kB for a photo's."""
    if mask is None:
        return None
    height, width = mask.shape
    head: bytes = height.to_bytes(4, "big") + width.to_bytes(4, "big")
    return head + zlib.compress(np.packbits(mask >= 128).tobytes(), 1)


def unpack_mask(packed: bytes | None) -> Mask | None:
    """The reverse of `pack_mask`, read-only."""
    if packed is None:
        return None
    height, width = int.from_bytes(packed[:4], "big"), int.from_bytes(packed[4:8], "big")
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed[8:]), np.uint8), count=height * width)
    mask: Mask = (bits * np.uint8(255)).reshape(height, width)
    frozen(mask)
    return mask
