"""What the mask steps ask of the rest of the program: weights that can be opened, a table of garment classes, a device."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from outfitswap_desktop.errors import NotAvailable

if TYPE_CHECKING:
    import torch


class Opened(Protocol):
    """Weights that may be used: their folder, and SHA-256 by relative path."""

    @property
    def id(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def hashes(self) -> Mapping[str, str]: ...


class ZoneTable(Protocol):
    """From class names of a garment detector to zones: a name of core.zones.Zone, "ignore", or None for unknown names."""

    def zone_of(self, class_name: str) -> str | None: ...


class Store(Protocol):
    """The weights on this machine (weights.store.WeightsStore); `open` raises NotAvailable with the way out."""

    @property
    def catalogue(self) -> ZoneTable: ...
    def open(self, weights_id: str) -> Opened: ...


class OnDevice(Protocol):
    """Of ml.device.Device, what the mask steps read."""

    @property
    def kind(self) -> str: ...
    @property
    def dtype(self) -> str: ...


@dataclass(slots=True)
class Counters:
    """What a step has done since it was made, for tests and diagnostics; seconds are wall time."""

    loads: int = 0
    load_seconds: float = 0.0
    encodes: int = 0
    memory_hits: int = 0
    disk_hits: int = 0
    runs: int = 0
    seconds: float = 0.0

    @contextmanager
    def loading(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.loads += 1
        self.load_seconds += time.perf_counter() - began

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.runs += 1
        self.seconds += time.perf_counter() - began


def fingerprint(weights: Opened) -> str:
    """The weights' hashes as one text: the same text, the same weights."""
    return " ".join(f"{path}:{sha256}" for path, sha256 in sorted(weights.hashes.items()))


def only_file(weights: Opened, *endings: str) -> Path:
    """The one file of `weights` with one of `endings`, the first ending first; raises NotAvailable ("weights_damaged")."""
    for ending in endings:
        paths = sorted(path for path in weights.hashes if path.lower().endswith(ending))
        if paths:
            return weights.folder / paths[0]
    raise NotAvailable(
        f"The weights {weights.id} hold no file of the kind {' or '.join(endings)}.",
        reason="weights_damaged",
        hint=f"Mend them with `outfitswap models verify {weights.id} --repair`.",
    )


def torch_device(device: OnDevice) -> torch.device:
    """Torch's name for `device`; of several CUDA cards the first, as everywhere in this room."""
    import torch

    return torch.device("cuda", 0) if device.kind == "cuda" else torch.device(device.kind)


def give_back(device: OnDevice) -> None:
    """Return what torch keeps for later to the device; called after networks were dropped."""
    import gc

    gc.collect()
    if device.kind == "cuda":
        import torch

        torch.cuda.empty_cache()
