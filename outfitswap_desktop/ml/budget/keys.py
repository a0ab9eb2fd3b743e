"""Whether a folder of weights holds exactly the keys and shapes its networks need, told from the files' headers alone."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop import paths
from outfitswap_desktop.ml.budget.architectures import Architectures, Component, Shape, architectures

FILE: Final = "architectures/keys.json.gz"
HEADER_LIMIT: Final = 100_000_000
"""Bytes that safetensors allows a header: https://huggingface.co/docs/safetensors"""
_WIDTHS: Final = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
_SHARD: Final = re.compile(r"-\d{5}-of-\d{5}")


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What was compared for one id: names are "folder/key"; `bytes` is the size of the tensors that would be loaded.

    `damaged` holds files that cannot be what they say (cut off, no safetensors), with the reason. Not `certain`: some
    list was inferred, not checked against the published file; a caller then tells what differs, and refuses only what
    is damaged.
    """

    weights: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: tuple[str, ...]
    damaged: tuple[str, ...]
    bytes: int
    certain: bool = True

    @property
    def complete(self) -> bool:
        """Whether everything that is needed is there in the right shape, and nothing else."""
        return not (self.missing or self.unexpected or self.wrong_shape or self.damaged)

    @property
    def sentence(self) -> str:
        """What is wrong, in one sentence; "" when nothing is."""
        if self.damaged:
            return f"The weights {self.weights} are damaged: {self.damaged[0]}."
        kinds = ((self.missing, "missing"), (self.wrong_shape, "of another shape"), (self.unexpected, "not expected"))
        found = [f"{len(names)} {words} (first {names[0]})" for names, words in kinds if names]
        return f"The weights {self.weights} are of another network: tensors {', '.join(found)}." if found else ""


class Damaged(Exception):
    """A file whose header cannot be true; the text says why."""


def key_lists() -> Mapping[str, Mapping[str, Shape]]:
    """The bundled lists: for each component every key with its shape, as the libraries' modules name them."""
    with gzip.open(paths.resource(FILE), "rt", encoding="utf-8") as stream:
        read = json.load(stream)
    return {name: {key: tuple(shape) for key, shape in rows.items()} for name, rows in read.items()}


def load_plan(
    weights: str, folder: Path, *, parts: frozenset[str] | None = None, known: Architectures | None = None
) -> LoadPlan:
    """Compare the files below `folder` with the lists for the catalogue's id `weights`; no tensor is read.

    `parts` limits the comparison to some of its folders or files ("unet/"). Where a folder holds several variants of
    the same network (fp16 beside full, a sharded one), each must be right and the smallest counts. Raises KeyError for
    an id that has no list.
    """
    known = known if known is not None else architectures()
    places, lists = known.weights[weights], key_lists()
    report = _Findings(weights)
    for place, name in places.items():
        if parts is None or place in parts:
            report.certain &= known.components[name].certain
            _compare_place(folder, place, known.components[name], lists[name], report)
    return report.plan()


class _Findings:
    def __init__(self, weights: str) -> None:
        self.weights = weights
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.wrong: list[str] = []
        self.damaged: list[str] = []
        self.bytes = 0
        self.certain = True

    def plan(self) -> LoadPlan:
        return LoadPlan(
            self.weights,
            tuple(self.missing),
            tuple(self.unexpected),
            tuple(self.wrong),
            tuple(self.damaged),
            self.bytes,
            self.certain,
        )


def _compare_place(
    folder: Path, place: str, component: Component, wanted: Mapping[str, Shape], report: _Findings
) -> None:
    variants = _variants(folder, place)
    if not variants:
        report.missing.extend(f"{place}{'' if place.endswith('/') or not place else ':'}{key}" for key in wanted)
        return
    sizes = []
    for files in variants:
        found: dict[str, Shape] = {}
        size = 0
        for file in files:
            try:
                header = read_shapes(file)
            except Damaged as problem:
                report.damaged.append(f"{file.relative_to(folder).as_posix()}: {problem}")
                continue
            found.update({key: shape for key, (shape, _) in header.items()})
            size += sum(count for _, count in header.values())
        compare(component, wanted, found, place=place, report=report)
        sizes.append(size)
    report.bytes += min(sizes)


def compare(
    component: Component, wanted: Mapping[str, Shape], found: Mapping[str, Shape], *, place: str, report: Any
) -> None:
    """Add to `report` what differs between a file's keys and the list, after the component's renames."""
    renamed = {_renamed(key, component): shape for key, shape in found.items() if not _matches(key, component.ignore)}
    label = place if place.endswith("/") or not place else f"{place}:"
    for key, shape in wanted.items():
        if key not in renamed:
            if not _matches(key, component.optional):
                report.missing.append(label + key)
        elif tuple(renamed[key]) != tuple(shape) and not _same_matrix(renamed[key], shape):
            report.wrong.append(label + key)
    report.unexpected.extend(label + key for key in renamed if key not in wanted)


def _same_matrix(found: Shape, wanted: Shape) -> bool:
    """Old autoencoder files keep the mid block's matrices as 1x1 convolutions, which diffusers squeezes."""
    return len(found) == 4 and found[2:] == (1, 1) and found[:2] == wanted


def _renamed(key: str, component: Component) -> str:
    for pattern, new in component.renames:
        key = re.sub(pattern, new, key)
    return key


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(re.search(pattern, key) for pattern in patterns)


def _variants(folder: Path, place: str) -> list[list[Path]]:
    """The files of each variant below a folder ("unet/"), or the one file that `place` names."""
    if place and not place.endswith("/"):
        return [[folder / place]] if (folder / place).is_file() else []
    groups: dict[str, list[Path]] = {}
    inside = folder / place
    for file in sorted(inside.glob("*.safetensors")) if inside.is_dir() else ():
        groups.setdefault(_SHARD.sub("", file.name), []).append(file)
    return list(groups.values())


def read_shapes(file: Path) -> dict[str, tuple[Shape, int]]:
    """Every key of a safetensors file with its shape and bytes, from its header; of a .pth through torch's mapped, safe
    loader.

    Raises Damaged when the header is none, when it speaks of bytes that the file does not have, or when the file is not
    readable.
    """
    try:
        return _pickle_shapes(file) if file.suffix in (".pth", ".pt") else _header(file)
    except OSError as problem:
        raise Damaged(problem.strerror or "cannot be read") from problem


def _header(file: Path) -> dict[str, tuple[Shape, int]]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(HEADER_LIMIT, size - 8):
            raise Damaged("no safetensors header")
        try:
            rows = json.loads(stream.read(length))
        except ValueError as problem:
            raise Damaged("its header is no JSON") from problem
    if not isinstance(rows, dict):
        raise Damaged("its header is no table")
    rows.pop("__metadata__", None)
    found: dict[str, tuple[Shape, int]] = {}
    end = 0
    for key, row in rows.items():
        try:
            shape, (start, stop) = tuple(int(side) for side in row["shape"]), row["data_offsets"]
            expected = _WIDTHS[row["dtype"]]
        except (KeyError, TypeError, ValueError) as problem:
            raise Damaged(f"its header is wrong at {key}") from problem
        for side in shape:
            expected *= side
        if stop - start != expected or start < 0:
            raise Damaged(f"its header is wrong at {key}")
        found[key] = (shape, expected)
        end = max(end, stop)
    if size != 8 + length + end:
        raise Damaged(f"it has {size:,} bytes where its header speaks of {8 + length + end:,}")
    return found


def _pickle_shapes(file: Path) -> dict[str, tuple[Shape, int]]:
    import pickle

    from outfitswap_desktop.ml.quiet import hush

    hush()
    import torch

    try:
        state = torch.load(file, map_location="meta", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as problem:
        raise Damaged("it is no archive of tensors") from problem
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise Damaged("it is no archive of tensors")
    return {key: (tuple(value.shape), value.numel() * value.element_size()) for key, value in state.items()}
