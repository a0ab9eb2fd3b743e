"""Chooses, before anything is put on the device, how a job uses its memory: predicted peaks, the modes, and the first
that fits.

The peaks are sums of weights and activations that were tracked on torch's meta device (ml.budget.derive). What is not
in them, CUDA's context, workspaces of cuDNN and cuBLAS, and CUDA graphs, is what RESERVE is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.budget.architectures import EngineParts, architectures
from outfitswap_desktop.ml.budget.figures import FACTORS, Figures, figures, step_name
from outfitswap_desktop.ml.device import Device
from outfitswap_desktop.ml.diffusion.conditions import Options
from outfitswap_desktop.ml.recipes import Recipe, Size, recipes

RESERVE: Final = 700 * 2**20
"""Free bytes that no plan takes."""
HEADROOM: Final = 1.04
"""On top of tracked bytes: blocks that the caching allocator splits and cannot give to another size."""
CROP_BYTES: Final = 32
"""Bytes per pixel that live during a whole job beside one pass: the crop, the masked crop and the mask as float32."""
IMAGE_BYTES: Final = 2
"""And per pixel and image: latents, noise, the last step's prediction, as float32 at an eighth of each side."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to use the device; see MemoryPlan."""

    name: str
    note: str = ""
    offload_text: bool = False
    offload_unet: bool = False
    tiled_vae: bool = False
    streamed: bool = False


_TEXT_NOTE: Final = "The text encoder leaves the card once the words are read."
_MOVE_NOTE: Final = "The card is small for this engine: its parts take turns on it, which takes a little longer."
_STREAM_NOTE: Final = (
    "The card is too small for the whole engine: it is sent there piece by piece, which takes much longer."
)
_TILES_NOTE: Final = " The picture is decoded in tiles."
UNET_MODES: Final = (
    Mode("resident"),
    Mode("text off", _TEXT_NOTE, offload_text=True),
    Mode("text off, tiled", _TEXT_NOTE + _TILES_NOTE, offload_text=True, tiled_vae=True),
    Mode("turns", _MOVE_NOTE, offload_text=True, offload_unet=True),
    Mode("turns, tiled", _MOVE_NOTE + _TILES_NOTE, offload_text=True, offload_unet=True, tiled_vae=True),
)
STOCK_MODES: Final = (
    Mode("resident"),
    Mode("text off", _TEXT_NOTE, offload_text=True),
    Mode("text off, tiled", _TEXT_NOTE + _TILES_NOTE, offload_text=True, tiled_vae=True),
    Mode("streamed", _STREAM_NOTE, offload_text=True, offload_unet=True, tiled_vae=True, streamed=True),
)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a job uses the device's memory (a ml.diffusion.conditions.Plan).

    `resident`: everything stays on the device. `offload_text`: the text encoders leave it after encoding; with the stock
    engines (klein, qwen) text encoder and transformer change places. `offload_unet`: with sd15 and sdxl the UNet is on the
    device for the steps alone, not while words are read or pictures encoded and decoded; with the stock engines its blocks
    are streamed. ControlNets and the image encoder stay where they are in any mode. `tiled_vae`: the VAE works in tiles of
    ml.diffusion.tiles.TILE pixels, whatever its configuration says. `streamed`: the transformer's
    blocks come one by one, with the stock engines alone. `batch`: images that one denoising pass may hold. Sizes in bytes;
    `free_bytes` is what the device had when it was planned.
    """

    mode: str
    resident: bool
    offload_text: bool
    offload_unet: bool
    tiled_vae: bool
    streamed: bool
    batch: int
    predicted_bytes: int
    free_bytes: int
    note: str
    engine: str
    size: Size
    options: Options
    dtype: str
    vae_dtype: str | None

    @property
    def spare_bytes(self) -> int:
        """What would be left beside the reserve at the peak: room for CUDA graphs, for example. Negative: none."""
        return self.free_bytes - RESERVE - self.predicted_bytes


@dataclass(frozen=True, slots=True)
class Peak:
    """Predicts the peak of one job: `engine` at `size` (width, height), weights and activations in torch's type `dtype`.

    The VAE may compute in `vae_dtype` of its own (SDXL's published one needs float32, its fixed twin does not).
    """

    engine: str
    size: Size
    options: Options
    dtype: str
    figures: Figures
    parts: EngineParts
    vae_dtype: str | None = None

    def of(self, mode: Mode, batch: int) -> int:
        """Bytes on the device at the worst moment of the job, with headroom."""
        phases = self._stock(mode, batch) if self.parts.family == "stock" else self._unet(mode, batch)
        job = (CROP_BYTES + IMAGE_BYTES * batch) * self.size[0] * self.size[1]
        return int((max(phases) + job) * HEADROOM)

    def _unet(self, mode: Mode, batch: int) -> tuple[int, ...]:
        """Bytes while words are read, the garment is looked at, the crop is encoded, the steps run, a picture is decoded."""
        weight, options = self._weight, self.options
        text = sum(weight(name) for name in self.parts.text)
        painter = weight(self.parts.painter) + (weight(self.parts.adapter) if options.image_prompt else 0)
        vae = self._vae_weight()
        encode, decode = self._vae("encode", mode), self._vae("decode", mode)
        stays = vae + sum(weight(name) for name in self.parts.controls[: options.controls])
        look = 0
        if options.image_prompt:
            stays += weight(self.parts.image)
            look = self._pass("picture")
        stays += 0 if mode.offload_text else text
        here = stays + (0 if mode.offload_unet else painter)
        read = here + (text if mode.offload_text else 0) + self._pass("text1")
        return read, here + look, here + encode, stays + painter + self._step(batch), here + decode

    def _stock(self, mode: Mode, batch: int) -> tuple[int, ...]:
        text = sum(self._weight(name) for name in self.parts.text)
        vae, painter = self._vae_weight(), self._weight(self.parts.painter)
        read = text + self._pass("text2" if self.options.guided else "text1")
        if mode.streamed:
            stays = self._pass("rest") + self._pass("largest") + vae
            return (
                stays + read,
                stays + self._vae("encode", mode),
                vae + self._streamed_step(batch),
                stays + self._vae("decode", mode, images=batch),
            )
        here = painter + vae + (0 if mode.offload_text else text)
        return (
            (vae if mode.offload_text else painter + vae) + read,
            here + self._vae("encode", mode),
            here + self._step(batch),
            here + self._vae("decode", mode, images=batch),
        )

    def _rows(self, batch: int) -> int:
        """Rows of one pass: guidance doubles a UNet's, the stock pipelines run two passes one after the other."""
        return 2 * batch if self.options.guided and self.parts.family == "unet" else batch

    def _step(self, batch: int) -> int:
        """Affine in the rows with a share that does not grow: so many times one row is never below it."""
        return self._rows(batch) * self._pass(self._step_name)

    def _streamed_step(self, batch: int) -> int:
        rows, one = self._rows(batch), self._pass(self._step_name + "~")
        if rows == 1:
            return one
        blocks = 3 * self._pass("largest") + self._pass("rest")
        return min(rows * one, rows * self._pass(self._step_name) + blocks)

    @property
    def _step_name(self) -> str:
        return step_name(self.options.controls, reference=self.options.image_prompt)

    def _pass(self, name: str) -> int:
        return self.figures.activations(self.engine, name, self.dtype, pixels=self.size[0] * self.size[1])

    def _vae(self, name: str, mode: Mode, *, images: int = 1) -> int:
        name = f"{name}_tiled" if mode.tiled_vae else name
        pixels = self.size[0] * self.size[1]
        return images * self.figures.activations(self.engine, name, self.vae_dtype or self.dtype, pixels=pixels)

    def _weight(self, component: str) -> int:
        return self.figures.weight(component, self.dtype)

    def _vae_weight(self) -> int:
        return self.figures.weight(self.parts.vae, self.vae_dtype or self.dtype)


def modes(family: str) -> tuple[Mode, ...]:
    """The modes from the fastest to the smallest. UNets are not streamed: their engines do not offer it."""
    return STOCK_MODES if family == "stock" else UNET_MODES


def plan_memory(
    recipe: Recipe,
    size: Size,
    batch: int,
    *,
    options: Options,
    device: Device,
    vae_dtype: str | None = None,
) -> MemoryPlan:
    """The first plan whose peak fits into the device's free memory less RESERVE: fewer images at once before slower modes.

    `size` (width, height) of the bucket, `batch` images wanted at once. `device.free_bytes` must be what would be free
    without this engine's own weights. The processor and Apple's GPU share the machine's memory: there everything stays,
    and the note says when it is more than there is. Raises NotAvailable ("not_enough_gpu_memory") on a CUDA card that
    no plan fits, with a smaller engine that does where there is one; ValueError for a type that is neither 16 nor 32
    bits wide.
    """
    peak = _peak(recipe.name, size, options, device, vae_dtype)
    if device.kind != "cuda":
        return _shared(peak, batch, device)
    known = modes(peak.parts.family)
    for plan in _ladder(peak, batch, device.free_bytes, known):
        if plan.spare_bytes >= 0:
            return plan
    least = peak.of(known[-1], 1) + RESERVE
    raise NotAvailable(
        f"The engine {recipe.name} needs {_gb(least)} of free memory at {size[0]} x {size[1]} on {device.name}, "
        f"which has {_gb(device.free_bytes)} free of {_gb(device.total_bytes)}.",
        reason="not_enough_gpu_memory",
        hint=_way_out(recipe.name, device),
    )


def smaller(plan: MemoryPlan) -> MemoryPlan | None:
    """The next plan that takes less than `plan`, for one retry after the device ran out of memory; None when there is none."""
    parts = architectures().engines[plan.engine]
    peak = Peak(plan.engine, plan.size, plan.options, plan.dtype, figures(), parts, plan.vae_dtype)
    known = modes(parts.family)
    rungs = list(_ladder(peak, plan.batch, plan.free_bytes, known))
    names = [mode.name for mode in known]
    after = names.index(plan.mode) if plan.mode in names else 0
    later = [rung for rung in rungs if (names.index(rung.mode), -rung.batch) > (after, -plan.batch)]
    for rung in later:
        if rung.predicted_bytes < plan.predicted_bytes:
            return rung
    return later[-1] if later and later[-1].tiled_vae and not plan.tiled_vae else None


def spilled_bytes(*, free_before: int, free_now: int, reserved_before: int, reserved_now: int) -> int:
    """How much of what torch reserved since then is not missing from the card's free memory: it lies in main memory."""
    return max(0, (reserved_now - reserved_before) - max(0, free_before - free_now))


def spills(device: Device, *, reserved_before: int = 0) -> bool:
    """Whether Windows' driver has begun to keep this process's tensors in main memory, where every step takes ten times
    as long.

    `device` as it was found before the job (its free memory), `reserved_before` torch's reserved bytes at that time.
    The driver does not say so, nor does an allocation fail: one compares how much free memory went with how much was
    reserved. A quarter of RESERVE is allowed for other programs that gave memory back meanwhile. False off CUDA. Not
    run on Windows yet.
    """
    if device.kind != "cuda":
        return False
    import torch

    free, _ = torch.cuda.mem_get_info(0)
    spilled = spilled_bytes(
        free_before=device.free_bytes,
        free_now=int(free),
        reserved_before=reserved_before,
        reserved_now=int(torch.cuda.memory_reserved(0)),
    )
    return spilled > RESERVE // 4


def spilled(device: Device) -> str:
    """A sentence for the user when `spills`, else ""."""
    if not spills(device):
        return ""
    return (
        "The graphics card's memory was full and its driver used main memory, which is many times slower: close other programs "
        "that use the card, or choose a smaller engine."
    )


def _peak(engine: str, size: Size, options: Options, device: Device, vae_dtype: str | None = None) -> Peak:
    for dtype in (device.dtype, vae_dtype or device.dtype):
        if dtype not in FACTORS:
            raise ValueError(f"no figures for {dtype}")
    return Peak(engine, size, options, device.dtype, figures(), architectures().engines[engine], vae_dtype)


def _ladder(peak: Peak, batch: int, free: int, known: tuple[Mode, ...]) -> Iterator[MemoryPlan]:
    for mode in known:
        count = max(1, batch)
        while True:
            yield _plan(peak, mode, count, free)
            if count == 1:
                break
            count = -(-count // 2)


def _plan(peak: Peak, mode: Mode, batch: int, free: int) -> MemoryPlan:
    return MemoryPlan(
        mode=mode.name,
        resident=not (mode.offload_text or mode.offload_unet),
        offload_text=mode.offload_text,
        offload_unet=mode.offload_unet,
        tiled_vae=mode.tiled_vae,
        streamed=mode.streamed,
        batch=batch,
        predicted_bytes=peak.of(mode, batch),
        free_bytes=free,
        note=mode.note,
        engine=peak.engine,
        size=peak.size,
        options=peak.options,
        dtype=peak.dtype,
        vae_dtype=peak.vae_dtype,
    )


def _shared(peak: Peak, batch: int, device: Device) -> MemoryPlan:
    """On the processor and on Apple's GPU parts have nowhere else to go: tiles and fewer images are all that helps."""
    whole, tiles = Mode("resident"), Mode("resident, tiled", tiled_vae=True)
    plans = (_plan(peak, whole, batch, device.free_bytes), _plan(peak, tiles, 1, device.free_bytes))
    plan = plans[0] if plans[0].predicted_bytes <= device.free_bytes else plans[1]
    where = "Apple's GPU" if device.kind == "mps" else "the processor"
    note = f"Painting on {where}, slowly; it takes about {_gb(plan.predicted_bytes)} of main memory."
    if plan.predicted_bytes > device.free_bytes:
        note += f" Only {_gb(device.free_bytes)} are free: close other programs, else it takes very long."
    return replace(plan, note=note)


def _way_out(engine: str, device: Device) -> str:
    order = ("qwen", "klein", "sdxl", "sd15")
    for name in order[order.index(engine) + 1 :]:
        recipe = recipes()[name]
        peak = _peak(name, recipe.buckets[0], Options(), device)
        least = modes(peak.parts.family)[-1]
        if peak.of(least, 1) + RESERVE <= device.free_bytes:
            return f"Take a smaller engine, which fits: --engine {name}. Or close other programs that use the card."
    return "Close other programs that use the card, or take the embedded engine: --engine fabric."


def _gb(size: int) -> str:
    return f"{size / 2**30:.1f} GB"
