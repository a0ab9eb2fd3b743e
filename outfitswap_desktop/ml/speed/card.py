"""Which card this is, and what was measured on it once: verdicts that the next start reads instead of measuring again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outfitswap_desktop import __version__
from outfitswap_desktop.paths import cache_dir

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """What compiled code and measurements depend on: the device, its driver and the libraries."""

    name: str
    capability: str
    driver: str
    torch: str
    runtime: str
    triton: str
    program: str = __version__

    @property
    def key(self) -> str:
        """Twenty hexadecimal digits; any difference in any field gives another key."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def this_card(device: str) -> Card:
    """The card that `device` ("cuda", "cuda:1", "cpu", "mps") names."""
    import torch

    name, capability, driver = torch.device(device).type, "", ""
    if name == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name, capability = properties.name, f"{properties.major}.{properties.minor}"
        driver = driver_version()
    return Card(
        name=name,
        capability=capability,
        driver=driver,
        torch=torch.__version__,
        runtime=str(torch.version.cuda or ""),
        triton=_triton_version(),
    )


def driver_version() -> str:
    """The NVIDIA driver's version as its management library says it; "" without one."""
    with suppress(Exception):
        import torch

        return str(torch._C._cuda_getDriverVersion())  # the driver's CUDA level, e.g. 13020
    return ""


def _triton_version() -> str:
    from importlib import metadata

    for name in ("triton", "pytorch-triton", "triton-windows"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return ""


class Verdicts:
    """A small JSON document per card: what was measured, by name. A damaged file counts as nothing measured."""

    def __init__(self, card: Card, *, folder: Path | None = None) -> None:
        self._path = (folder or cache_dir() / "speed") / f"{card.key}.json"
        self._card = card

    @property
    def path(self) -> Path:
        return self._path

    def get(self, name: str) -> dict[str, Any] | None:
        """What was measured under `name`, None when nothing was."""
        found = self._read().get(name)
        return dict(found) if isinstance(found, dict) else None

    def put(self, name: str, verdict: Mapping[str, Any]) -> None:
        """Keep a verdict. A folder that cannot be written only costs the next start a measurement: it is logged."""
        document = {**self._read(), name: dict(verdict), "card": asdict(self._card)}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(document, indent=2, sort_keys=True).encode())
        except OSError as problem:
            _log.warning("what was measured on this card was not kept: %s", problem)

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and put it in its place in one go; raises OSError and leaves nothing half written."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
