"""The published architectures as data, and their modules at full size on torch's meta device (shapes without storage)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outfitswap_desktop import paths
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    from torch.nn import Module

Shape = tuple[int, ...]
FILE = "architectures/components.json"


@dataclass(frozen=True, slots=True)
class Component:
    """One network of an engine.

    `builder` is "library:class" (or "ip-adapter"), `config` its arguments as published by `source`, `millions` the
    published count of parameters in millions. Of a file's keys, `renames` (pattern, replacement) turns older names into
    today's, and what matches `ignore` is not loaded; keys that match `optional` may be absent (tied weights, counters).
    Not `certain`: the published configuration was not at hand, and was inferred from papers, converters and the file's
    size.
    """

    name: str
    builder: str
    config: Mapping[str, Any]
    source: str
    millions: float
    renames: tuple[tuple[str, str], ...] = ()
    ignore: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    certain: bool = True


@dataclass(frozen=True, slots=True)
class EngineParts:
    """The components of one engine: `painter` denoises; `controls` in the order in which they are added; "" = has none."""

    family: str
    painter: str
    vae: str
    text: tuple[str, ...]
    controls: tuple[str, ...] = ()
    adapter: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Architectures:
    """All `components` by name; `weights` maps an id of the catalogue to its folders ("unet/") or files, and their
    component.

    `engines` maps a recipe's name to its parts.
    """

    components: Mapping[str, Component]
    weights: Mapping[str, Mapping[str, str]]
    engines: Mapping[str, EngineParts]


def architectures() -> Architectures:
    """The bundled list, read anew at every call."""
    read = json.loads(paths.resource(FILE).read_text(encoding="utf-8"))
    components = {name: _component(name, row) for name, row in read["components"].items()}
    return Architectures(components, read["weights"], {name: _engine(row) for name, row in read["engines"].items()})


def _engine(row: dict[str, Any]) -> EngineParts:
    lists = {key: tuple(row.get(key, ())) for key in ("text", "controls")}
    return EngineParts(**{**row, **lists})


def _component(name: str, row: dict[str, Any]) -> Component:
    return Component(
        name=name,
        builder=row["builder"],
        config=row["config"],
        source=row["source"],
        millions=float(row["millions"]),
        renames=tuple((str(pattern), str(new)) for pattern, new in row.get("renames", ())),
        ignore=tuple(row.get("ignore", ())),
        optional=tuple(row.get("optional", ())),
        certain=bool(row.get("certain", True)),
    )


def build(component: Component, *, dtype: str = "float32", device: str = "meta") -> Module:
    """The library's own module in evaluation mode, floating point weights in torch's type `dtype`.

    On the meta device it has shapes alone; on a real one (measurements on a card) it has the library's random weights.

    Raises ValueError for an unknown builder, and for "ip-adapter", which is no module but a file (ml.budget.keys lists it).
    """
    hush()
    import torch

    library, _, name = component.builder.partition(":")
    usual = torch.get_default_dtype()
    with torch.device(device):
        if device != "meta":  # a network of this size must not be made in float32 first
            torch.set_default_dtype(getattr(torch, dtype))
        try:
            module = _module(component, library, name)
        finally:
            torch.set_default_dtype(usual)
    return module.to(getattr(torch, dtype)).eval().requires_grad_(False)


def _module(component: Component, library: str, name: str) -> Any:
    if library == "diffusers":
        return _diffusers(name, component.config)
    if library == "transformers":
        return _transformers(name, component.config)
    if library == "segment_anything":
        return _segment_anything(name)
    raise ValueError(f"{component.name} is not a module: {component.builder}")


def _diffusers(name: str, config: Mapping[str, Any]) -> Any:
    import diffusers

    return getattr(diffusers, name)(**config)


def _transformers(name: str, config: Mapping[str, Any]) -> Any:
    import transformers

    kind = getattr(transformers, name)
    arguments = dict(config)
    backbone = arguments.pop("backbone_config", None)
    if backbone is not None:
        fields = dict(backbone)
        arguments["backbone_config"] = transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
    return kind(kind.config_class(**arguments))


def _segment_anything(name: str) -> Any:
    from segment_anything import sam_model_registry

    return sam_model_registry[name]()


def shapes_of(module: Module) -> dict[str, Shape]:
    """Every key of the module's state with its shape."""
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def ip_adapter_shapes(config: Mapping[str, Any], unet: Module) -> dict[str, Shape]:
    """Keys and shapes of an IP-Adapter "plus" file for `unet`: the resampler, then a key and a value matrix per
    cross-attention.

    Cross-attentions are numbered as the UNet lists its attention processors, where each self-attention takes a number too:
    https://github.com/tencent-ailab/IP-Adapter (tutorial_train_plus.py, resampler.py).
    """
    width, inner, output = config["width"], config["heads"] * 64, config["output"]
    shapes: dict[str, Shape] = {
        "image_proj.latents": (1, config["queries"], width),
        "image_proj.proj_in.weight": (width, config["embedding"]),
        "image_proj.proj_in.bias": (width,),
        "image_proj.proj_out.weight": (output, width),
        "image_proj.proj_out.bias": (output,),
        "image_proj.norm_out.weight": (output,),
        "image_proj.norm_out.bias": (output,),
    }
    for layer in range(config["depth"]):
        attention, forward = f"image_proj.layers.{layer}.0", f"image_proj.layers.{layer}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{forward}.0"):
            shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (width,)
        shapes[f"{attention}.to_q.weight"] = (inner, width)
        shapes[f"{attention}.to_kv.weight"] = (2 * inner, width)
        shapes[f"{attention}.to_out.weight"] = (width, inner)
        shapes[f"{forward}.1.weight"] = (4 * width, width)
        shapes[f"{forward}.3.weight"] = (width, 4 * width)
    state = unet.state_dict()
    for number, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            rows = state[name.removesuffix("processor") + "to_k.weight"].shape[0]
            for matrix in ("to_k_ip", "to_v_ip"):
                shapes[f"ip_adapter.{number}.{matrix}.weight"] = (rows, output)
    return shapes
