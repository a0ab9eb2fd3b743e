"""Makes the data of resources/architectures, key lists and memory figures, from the libraries' modules on the meta device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from outfitswap_desktop.ml.budget import meta
from outfitswap_desktop.ml.budget.architectures import Architectures, build, ip_adapter_shapes, shapes_of
from outfitswap_desktop.ml.budget.figures import step_name
from outfitswap_desktop.ml.budget.passes import Rehearsal, Size, Step
from outfitswap_desktop.ml.recipes import recipes

AREAS: Final[dict[str, tuple[Size, ...]]] = {
    "unet": ((256, 256), (512, 512), (768, 1024), (1024, 1536)),
    "stock": ((512, 512), (768, 1024), (1024, 1024)),
}
DTYPE: Final = "float16"


def derive_keys(known: Architectures) -> dict[str, dict[str, list[int]]]:
    """For each component every key with its shape."""
    lists: dict[str, dict[str, list[int]]] = {}
    for name, component in known.components.items():
        if component.builder == "ip-adapter":
            shapes = ip_adapter_shapes(component.config, build(known.components[component.config["unet"]]))
        else:
            shapes = shapes_of(build(component))
        lists[name] = {key: list(shape) for key, shape in sorted(shapes.items())}
    return lists


def derive_memory(known: Architectures) -> dict[str, Any]:
    """Weights and curves of every engine in a type of 16 bits; some minutes on one core."""
    weights: dict[str, int] = {}
    for name, component in known.components.items():
        if component.builder == "ip-adapter":
            shapes = ip_adapter_shapes(component.config, build(known.components[component.config["unet"]]))
            weights[name] = 2 * sum(math.prod(shape) for shape in shapes.values())
        else:
            weights[name] = meta.weight_bytes(build(component, dtype=DTYPE))
    return {
        "weights": weights,
        "curves": {engine: derive_curves(Rehearsal(engine, DTYPE, known)) for engine in known.engines},
    }


def derive_curves(rehearsal: Rehearsal) -> dict[str, list[list[int]]]:
    """The curves of one engine. A name ending in "~" counts the streamed blocks of its transformer in."""
    made: dict[str, list[list[int]]] = {}
    areas = AREAS[rehearsal.parts.family]
    unet = rehearsal.parts.family == "unet"
    for rows in (1, 2):
        made[f"text{rows}"] = _flat(rehearsal, lambda rows=rows: rehearsal.text(rows))  # type: ignore[misc]
    for controls in range(len(rehearsal.parts.controls) + 1):
        for reference in (False, True):
            step = partial(Step, rows=1, controls=controls, reference=reference)
            made[step_name(controls, reference=reference)] = [
                [width * height, rehearsal.measure(partial(rehearsal.step, step((width, height))))[0]]
                for width, height in areas
            ]
            if not unet:
                made[step_name(controls, reference=reference) + "~"] = [
                    [width * height, streamed_step(rehearsal, step((width, height)))] for width, height in areas
                ]
    sizes = sorted({(min(size), max(size)) for size in recipes()[rehearsal.engine].buckets})
    for name, run in (("encode", rehearsal.encode), ("decode", rehearsal.decode)):
        made[name] = [[w * h, _peak(rehearsal, run, (w, h), tiled=False)] for w, h in areas]
        made[f"{name}_tiled"] = _rising([[w * h, _peak(rehearsal, run, (w, h), tiled=True)] for w, h in sizes])
    if unet:
        made["picture"] = _flat(rehearsal, rehearsal.picture)
    else:
        blocks = transformer_blocks(rehearsal.painter())
        made["largest"] = [[0, max(meta.weight_bytes(block) for block in blocks)]]
        made["rest"] = [[0, meta.weight_bytes(rehearsal.painter()) - sum(meta.weight_bytes(b) for b in blocks)]]
    return made


def _flat(rehearsal: Rehearsal, run: Callable[[], Any]) -> list[list[int]]:
    return [[0, rehearsal.measure(run)[0]]]


def _peak(rehearsal: Rehearsal, run: Callable[..., Any], size: Size, *, tiled: bool) -> int:
    return rehearsal.measure(lambda: run(size, tiled=tiled))[0]


def streamed_step(rehearsal: Rehearsal, step: Step) -> int:
    """Peak bytes of a transformer's step, with those of its blocks that lie on the device meanwhile."""
    rehearsal.measure(lambda: rehearsal.step(step))
    painter = rehearsal.painter()
    with meta.track(*rehearsal.modules()) as tracker, blocks_streamed(tracker, painter):
        rehearsal.step(step)
        return tracker.peak


def transformer_blocks(painter: Any) -> list[Any]:
    """A diffusion transformer's blocks in the order in which they run."""
    return [*painter.transformer_blocks, *getattr(painter, "single_transformer_blocks", ())]


@contextmanager
def blocks_streamed(tracker: meta.Tracker, painter: Any) -> Iterator[None]:
    """Within, of a transformer's blocks only the running one, the next (after the last the first) and the one before
    are here.

    So ml.diffusion.stock_stream does at its worst, when the host is ahead of the card. All that is no block stays.
    """
    blocks = transformer_blocks(painter)
    sizes = [meta.weight_bytes(block) for block in blocks]
    count = len(blocks)
    tracker.add(meta.weight_bytes(painter) - sum(sizes) + sizes[0])
    handles = []
    for place, block in enumerate(blocks):
        following = sizes[(place + 1) % count]
        before = sizes[place - 1] if place else 0
        handles += [
            block.register_forward_pre_hook(lambda *_, size=following: tracker.add(size)),
            block.register_forward_hook(lambda *_, size=before: tracker.add(-size)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _rising(points: list[list[int]]) -> list[list[int]]:
    """By area, each point at least as high as those before it: tiles make the curve a staircase."""
    highest: dict[int, int] = {}
    for area, size in sorted(points):
        highest[area] = max(size, *highest.values(), 0) if highest else size
    return [[area, size] for area, size in highest.items()]
