"""What the denoising loop is steered by, and the parts it is given: conditions, their source, planner and accelerator.

Nothing here loads torch; the Protocols let other rooms' parts, or a test's, stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from outfitswap_desktop.core.job import BALANCED

if TYPE_CHECKING:
    from diffusers import ControlNetModel
    from torch import Tensor

    from outfitswap_desktop.core.steps import GenerationRequest
    from outfitswap_desktop.ml.device import Device
    from outfitswap_desktop.ml.recipes import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """One ControlNet and the picture it follows.

    `image` (1, 3, H, W) float 0..1, H and W of the request that `ControlSource.controls` was asked with; `weight` 0..2;
    it acts from `start` to `end`, shares 0..1 of the steps.
    """

    name: str
    net: ControlNetModel
    image: Tensor
    weight: float
    start: float = 0.0
    end: float = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrompt:
    """A garment picture for the IP-Adapter whose weights are the safetensors file `adapter`.

    `embeds` (2, tokens, width): the image encoder's penultimate hidden states of a zero picture (row 0, for the unguided half)
    and of the garment (row 1). `weight` 0..1.5.
    """

    adapter: Path
    embeds: Tensor
    weight: float


class ControlSource(Protocol):
    """Makes the conditions of one request; it keeps its own nets and caches. The generator that was given it closes it."""

    def controls(self, recipe: Recipe, request: GenerationRequest) -> tuple[tuple[Control, ...], tuple[str, ...]]:
        """The ControlNets to follow, and in sentences what could not be followed. `request` is in the bucket's pixels."""
        ...

    def image_prompt(self, recipe: Recipe, request: GenerationRequest) -> ImagePrompt | None:
        """The garment picture as IP-Adapter embeddings; None without a garment or without the adapter's weights."""
        ...

    def key(self, request: GenerationRequest) -> bytes:
        """What the conditions of `request` depend on: equal keys, equal conditions."""
        ...

    def close(self) -> None:
        """Give the memory of its nets back; the next request loads them anew."""
        ...


@dataclass(frozen=True, slots=True)
class NoControls:
    """The source that never has a condition."""

    def controls(self, recipe: Recipe, request: GenerationRequest) -> tuple[tuple[Control, ...], tuple[str, ...]]:
        return (), ()

    def image_prompt(self, recipe: Recipe, request: GenerationRequest) -> ImagePrompt | None:
        return None

    def key(self, request: GenerationRequest) -> bytes:
        return b""

    def close(self) -> None:
        return None


class Plan(Protocol):
    """How a job uses the device's memory (ml.budget.planner.MemoryPlan is one).

    `resident`: all parts stay on the device. `offload_text`: the text encoders leave it after encoding. `offload_unet`: UNet
    and ControlNets are on it for the steps alone. `batch`: images that one denoising pass may hold; more are painted one pass
    after the other. `note` is a sentence for the user, or empty.
    """

    @property
    def resident(self) -> bool: ...
    @property
    def offload_text(self) -> bool: ...
    @property
    def offload_unet(self) -> bool: ...
    @property
    def tiled_vae(self) -> bool: ...
    @property
    def batch(self) -> int: ...
    @property
    def predicted_bytes(self) -> int: ...
    @property
    def note(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Resident:
    """The plan for a device with room for everything."""

    batch: int
    resident: bool = True
    offload_text: bool = False
    offload_unet: bool = False
    tiled_vae: bool = False
    predicted_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Smallest:
    """The plan tried once after the device ran out of memory: one image at a time, nothing on it that is not in use."""

    batch: int = 1
    resident: bool = False
    offload_text: bool = True
    offload_unet: bool = True
    tiled_vae: bool = True
    predicted_bytes: int = 0
    note: str = "The memory ran out: it was painted again with less of it, which takes longer."


@dataclass(frozen=True, slots=True)
class Options:
    """What beside recipe, size and batch decides over memory: two rows per image, ControlNets, an IP-Adapter."""

    guided: bool = True
    controls: int = 0
    image_prompt: bool = False


class Planner(Protocol):
    """Chooses the plan before anything is put on the device. Raises NotAvailable when no plan fits."""

    def __call__(
        self,
        recipe: Recipe,
        size: tuple[int, int],
        batch: int,
        *,
        options: Options,
        device: Device,
        vae_dtype: str | None = None,
    ) -> Plan: ...


def all_resident(
    recipe: Recipe,
    size: tuple[int, int],
    batch: int,
    *,
    options: Options,
    device: Device,
    vae_dtype: str | None = None,
) -> Plan:
    """The planner that never doubts."""
    return Resident(batch)


Forward = Callable[..., Any]
"""A pure function of tensors alone, positionally, with one tensor as its answer: one pass of the UNet."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One fixed shape of a forward: equal keys mean that tensors of the same shapes, types and count are handed over.

    `rows`: images times guided halves; `size` of the picture (width, height) in pixels; `extras` counts further inputs
    (IP-Adapter, ControlNet residuals) and names the adapter, so that no two different forwards share a key.
    """

    recipe: str
    rows: int
    size: tuple[int, int]
    dtype: str
    extras: Hashable = ()


class Accelerator(Protocol):
    """Makes a forward faster (compiled, or captured as a CUDA graph), per shape.

    Of the inputs of a wrapped forward the first two (latents with mask and masked image, and the step's time embeddings)
    change in every call, in place too. Each further one (keys and values of the prompt, conditions) holds what it held as
    long as it is the same object. The answer may be overwritten by the next call: the loop has used it by then. The weights
    stay where they are until `forget` is called; LoRA weights are copied into them in place.
    """

    def wrap(self, forward: Forward, *, module: Any, shape: Shape) -> Forward:
        """The forward to call instead, at once usable; `module` is the UNet whose weights it reads."""
        ...

    def forget(self, module: Any) -> None:
        """Drop all that was made for `module`: it is about to move or to go."""
        ...

    def around(self, recipe: Recipe, *, device: Device, mode: str) -> AbstractContextManager[Any]:
        """Within, torch's switches are as the pass wants them (attention kernels, accumulation)."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Plain values for plan and diagnostics: {"compiled": "no" | "graph" | ..., "compiles": count}."""
        ...


@dataclass(frozen=True, slots=True)
class Eager:
    """No compiling. On CUDA, the attention kernels that were fastest; fp16 sums on GeForce in the mode "balanced" alone."""

    def wrap(self, forward: Forward, *, module: Any, shape: Shape) -> Forward:
        return forward

    def forget(self, module: Any) -> None:
        return None

    @contextmanager
    def around(self, recipe: Recipe, *, device: Device, mode: str) -> Iterator[None]:
        if device.kind != "cuda":
            yield
            return
        from outfitswap_desktop.ml.speed.attention import choose_attention
        from outfitswap_desktop.ml.speed.card import Verdicts, this_card
        from outfitswap_desktop.ml.speed.precision import choose_precision, precision_set

        # no search for convolutions: what it finds may differ from start to start, and the pixels with it
        precision = replace(choose_precision(device.name, dtype=device.dtype), search=False)
        if mode != BALANCED:
            precision = replace(precision, fp16_accumulation=False)
        verdicts = Verdicts(this_card("cuda"))
        attention = choose_attention(recipe.name, device="cuda", dtype=device.dtype, verdicts=verdicts)
        with attention.around(), precision_set(precision):
            yield

    def state(self) -> Mapping[str, Any]:
        return {"compiled": "no", "compiles": 0}


@dataclass(slots=True)
class Counters:
    """What was done since the engine started, for tests and diagnostics: calls that a cache could have saved, and loads.

    `seconds` of the last job: "prepare" (words, crop, conditions), "steps", "decode". On a card, work that was only queued in
    one is waited for in the next.
    """

    text_encodes: int = 0
    image_encodes: int = 0
    latent_encodes: int = 0
    decodes: int = 0
    loads: int = 0
    load_seconds: float = 0.0
    compiles: int = 0
    passes: int = 0
    retries: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
