"""What one step of undo is, and how steps are written down so that an autosave costs only what is new."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from outfitswap_desktop.core.adjust import MaskParameters
from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.undo import Block, UndoPatch
from outfitswap_desktop.errors import InputRefused
from outfitswap_desktop.ui.canvas.areas import Area

VERSION = 1
_HEAD = struct.Struct("<4I I")
"""A box and a number, as 5 unsigned 32-bit integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What undo restores beside the painted pixels: parameters, the detection's mask, and the protected areas."""

    parameters: MaskParameters = field(default_factory=MaskParameters)
    base: Area | None = None
    protected: Mapping[str, Area] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Change:
    """One step of undo: the patches of the canvas that it made, and the facts before and after.

    `kind` is "stroke", "detection", "reset", "parameters" or what the caller of `MaskModel.replace` said.
    """

    kind: str
    patches: tuple[UndoPatch, ...]
    before: Facts
    after: Facts
    _written: bytes | None = None

    def pack(self) -> bytes:
        """The patches as bytes, made once. May run on another thread."""
        if self._written is None:
            parts = []
            for patch in self.patches:
                patch.pack()
                parts.append(_HEAD.pack(*patch.box, len(patch.blocks)))
                for box, block in patch.blocks:
                    assert isinstance(block, bytes)
                    parts += [_HEAD.pack(*box, len(block)), block]
            self._written = b"".join(parts)
        return self._written


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A mask with its history: `start` is what it was before the first step, `done` of the `changes` are in effect."""

    shape: tuple[int, int]
    start: Area | None
    now: Facts
    changes: tuple[Change, ...]
    done: int

    def painted(self) -> Mask:
        """The mask (H, W) after the steps that are done. Raises InputRefused when the steps are damaged."""
        mask = np.zeros(self.shape, np.uint8) if self.start is None else self.start.whole(self.shape)
        with _damage():
            for change in self.changes[: self.done]:
                for patch in change.patches:
                    patch.flip(mask)
        return mask


def written(saved: Saved) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Plain JSON values, and blobs by name; a blob keeps its name as long as what it holds, whatever is undone."""
    names: dict[int, str] = {}
    blobs: dict[str, bytes] = {}

    def area(kept: Area | None) -> str | None:
        if kept is None:
            return None
        if id(kept) not in names:
            names[id(kept)] = name = f"mask.area.{len(names)}"
            blobs[name] = kept.pack()
        return names[id(kept)]

    def facts(of: Facts) -> dict[str, Any]:
        areas = {name: area(kept) for name, kept in of.protected.items()}
        return {"parameters": asdict(of.parameters), "base": area(of.base), "protected": areas}

    values: dict[str, Any] = {"version": VERSION, "shape": list(saved.shape), "start": area(saved.start), "steps": []}
    former: Facts | None = None
    for number, change in enumerate(saved.changes):
        step: dict[str, Any] = {"kind": change.kind, "patches": len(change.patches)}
        if change.before is not former:
            step["before"] = facts(change.before)
        if change.after is not change.before:
            step["after"] = facts(change.after)
        former = change.after
        if change.patches:
            blobs[f"mask.step.{number}"] = change.pack()
        values["steps"].append(step)
    return {**values, "done": saved.done, "now": facts(saved.now)}, blobs


def read(values: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Saved:
    """The opposite of `written`. Raises InputRefused when something is missing or damaged."""
    with _damage():
        if values["version"] != VERSION:
            raise InputRefused("The saved mask comes from another version of this program.", reason="mask_values")
        height, width = (int(side) for side in values["shape"])
        shape, areas = (height, width), dict[str, Area]()

        def area(name: str | None) -> Area | None:
            if name is None:
                return None
            if name not in areas:
                areas[name] = Area.unpacked(blobs[name], shape)
            return areas[name]

        def facts(of: Mapping[str, Any]) -> Facts:
            protected = {name: found for name, key in of["protected"].items() if (found := area(key)) is not None}
            return Facts(MaskParameters(**of["parameters"]), area(of["base"]), protected)

        now, changes, former = facts(values["now"]), [], Facts()
        for number, step in enumerate(values["steps"]):
            before = facts(step["before"]) if "before" in step else former
            after = former = facts(step["after"]) if "after" in step else before
            content = blobs[f"mask.step.{number}"] if step["patches"] else b""
            patches = tuple(_patches(content, shape))
            if len(patches) != step["patches"]:
                raise ValueError("patches are missing")
            changes.append(Change(str(step["kind"]), patches, before, after, content))
        done = int(values["done"])
        if not 0 <= done <= len(changes):
            raise ValueError("more steps than there are")
        return Saved(shape, area(values["start"]), now, tuple(changes), done)


def _patches(content: bytes, shape: tuple[int, int]) -> Iterator[UndoPatch]:
    at = 0
    while at < len(content):
        *box, count = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        blocks: list[Block] = []
        for _ in range(count):
            x0, y0, x1, y1, size = _HEAD.unpack_from(content, at)
            at += _HEAD.size
            if not (x0 < x1 <= shape[1] and y0 < y1 <= shape[0]):
                raise ValueError("a patch lies outside the photo")
            block = content[at : at + size]
            if len(zlib.decompress(block)) != (x1 - x0) * (y1 - y0):
                raise ValueError("a patch has another size than it says")
            blocks.append(((x0, y0, x1, y1), block))
            at += size
        bounds: Box = (box[0], box[1], box[2], box[3])
        yield UndoPatch(bounds, tuple(blocks))


class _damage:
    """Turns whatever damaged values raise into InputRefused."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, _trace: object) -> None:
        if isinstance(problem, KeyError | TypeError | ValueError | AttributeError | struct.error | zlib.error):
            raise InputRefused("The saved mask is damaged.", reason="mask_values") from problem
