"""For the maintainer: writes revision, sizes and hashes of weights into the catalogue, below its marker line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.weights.catalogue import PINS_BEGIN, Catalogue, Weights
from outfitswap_desktop.weights.listing import Listing, Wanted, addresses, ask_hub, known_listing
from outfitswap_desktop.weights.network import Cancel, Network, make_client
from outfitswap_desktop.weights.transfer import PAUSES, Transfer


def find_pin(
    weights: Weights,
    store: Path,
    network: Network,
    *,
    cancel: Cancel,
    revision: str | None = None,
    pauses: tuple[float, ...] = PAUSES,
) -> dict[str, Any]:
    """What to write for one entry. Small files are fetched, because the hub reports no SHA-256 of them.

    What comes from a plain address is pinned by what the first download recorded here. Raises NotAvailable.
    """
    if weights.repository is None:
        known = known_listing(weights, store)
        if known is None or any(file.sha256 is None for file in known.files) or weights.unpack:
            raise NotAvailable(
                f"Nothing was recorded of {weights.id} yet.",
                reason="hash_unknown",
                hint=f"Fetch it first: `outfitswap models get {weights.id} --yes`; an archive's pin is written by hand.",
            )
        return _values("", {file.path: (file.size or 0, file.sha256 or "") for file in known.files})
    found = ask_hub(weights, network, revision=revision or "main", cancel=cancel)
    hashes = {file.path: (file.size or 0, file.sha256) for file in found.files if file.sha256 is not None}
    small = tuple(file for file in found.files if file.sha256 is None)
    hashes |= _fetch_small(weights, found, small, network=network, cancel=cancel, pauses=pauses)
    return _values(found.revision, {file.path: hashes[file.path] for file in found.files})


def _fetch_small(
    weights: Weights,
    found: Listing,
    files: tuple[Wanted, ...],
    *,
    network: Network,
    cancel: Cancel,
    pauses: tuple[float, ...],
) -> dict[str, tuple[int, str]]:
    with tempfile.TemporaryDirectory(prefix="outfitswap-pin-") as folder, make_client(network, timeout=30.0) as client:
        transfer = Transfer(client, cancel=cancel, add=lambda _size: None, pauses=pauses)
        return {
            file.path: transfer.get(file, addresses(weights, found, file, network), Path(folder) / file.path)
            for file in files
        }


def _values(revision: str, hashes: dict[str, tuple[int, str]]) -> dict[str, Any]:
    files = {path: {"size": size, "sha256": digest} for path, (size, digest) in hashes.items()}
    return {**({"revision": revision} if revision else {}), "files": files}


def write_pins(path: Path, catalogue: Catalogue, pins: dict[str, dict[str, Any]]) -> None:
    """Write pins into a catalogue file, in the catalogue's order; what is above the marker line stays as it is.

    Raises NotAvailable ("catalogue_unwritable").
    """
    text = path.read_text(encoding="utf-8")
    head, marker, _ = text.partition(PINS_BEGIN)
    if not marker:
        raise NotAvailable(
            f"{path.name} has no line for pins.", reason="catalogue_unwritable", hint=f"Add the line: {PINS_BEGIN}"
        )
    blocks = [_block(weights_id, pins[weights_id]) for weights_id in catalogue.weights if weights_id in pins]
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_text(head + PINS_BEGIN + "\n" + "".join(blocks), encoding="utf-8")
        beside.replace(path)
    except OSError as problem:
        raise NotAvailable(
            f"{path} cannot be written: {problem.strerror}.",
            reason="catalogue_unwritable",
            hint="Pins are written in a checkout of the sources.",
        ) from problem


def present_pins(path: Path) -> dict[str, dict[str, Any]]:
    """The pins that a catalogue file has."""
    import tomllib

    return dict(tomllib.loads(path.read_text(encoding="utf-8")).get("pins", {}))


def _block(weights_id: str, pin: dict[str, Any]) -> str:
    lines = [f"\n[pins.{weights_id}]\n"]
    if pin.get("revision"):
        lines.append(f"revision = {_text(pin['revision'])}\n")
    if "archive" in pin:
        lines.append(f"archive = {_known(pin['archive'])}\n")
    lines += [f"files.{_text(path)} = {_known(known)}\n" for path, known in pin["files"].items()]
    return "".join(lines)


def _known(known: dict[str, Any]) -> str:
    return f"{{ size = {int(known['size'])}, sha256 = {_text(known['sha256'])} }}"


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's too."""
    return json.dumps(value, ensure_ascii=False)
