"""Where the parts of a stock engine lie during a job, decided before anything is put on the device.

The sizes of activations are estimates from the architectures' widths, not measured on a card.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.device import Device
from outfitswap_desktop.ml.diffusion.conditions import Options
from outfitswap_desktop.ml.recipes import Recipe

RESERVE: Final = 700 * 2**20
"""Bytes left free for the driver's context and what torch keeps for itself."""
PAINT_BYTES: Final = 2400
"""Activations per pixel and image while the transformer runs: a token of 16x16 pixels, twice or three times (noise, crop,
garment), at width 3072 with its widest layer nine times that, in two bytes."""
DECODE_BYTES: Final = 3000
"""Activations per pixel while the VAE decodes one picture whole: about twelve maps of 128 channels in two bytes."""
TILED_SHARE: Final = 0.3
"""What of that is left when the VAE works in tiles of 512 pixels."""
STREAMED_SHARE: Final = 0.12
"""Share of the transformer that lies on the device when its blocks are streamed: the ones in work and on the way, and what
is no block."""


@dataclass(frozen=True, slots=True)
class StockPlan:
    """A plan as conditions.Plan has it; `offload_unet` streams the transformer's blocks, `note` is a sentence for the user."""

    batch: int
    resident: bool = True
    offload_text: bool = False
    offload_unet: bool = False
    tiled_vae: bool = False
    predicted_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class StockPlanner:
    """Plans by the sizes of an engine's parts: `text`, `painter` and `vae` in bytes, as they lie on the device."""

    text: int
    painter: int
    vae: int

    def __call__(
        self, recipe: Recipe, size: tuple[int, int], batch: int, *, options: Options, device: Device
    ) -> StockPlan:
        """The fastest plan that fits into the device's free memory; raises NotAvailable ("too_little_gpu_memory")."""
        if device.kind == "cpu":
            return StockPlan(batch, predicted_bytes=self._peak(StockPlan(batch), size))
        room = device.free_bytes - RESERVE
        for plan in _ladder(batch):
            peak = self._peak(plan, size)
            if peak <= room:
                return replace(plan, predicted_bytes=peak)
        least = self._peak(StockPlan(1, False, True, True, True), size) + RESERVE
        raise NotAvailable(
            f"The engine {recipe.name} needs {least / 2**30:.0f} GB of free memory on {device.name}, which has "
            f"{device.free_bytes / 2**30:.0f} GB.",
            reason="too_little_gpu_memory",
            hint="Close other programs that use the card, or take a smaller engine: --engine sdxl or sd15.",
        )

    def _peak(self, plan: StockPlan, size: tuple[int, int]) -> int:
        pixels = size[0] * size[1]
        decode = pixels * DECODE_BYTES * (TILED_SHARE if plan.tiled_vae else 1.0)
        working = max(pixels * PAINT_BYTES * plan.batch, decode)
        painter = self.painter * (STREAMED_SHARE if plan.offload_unet else 1.0)
        painting = painter + self.vae + working
        return int(max(painting, self.text) if plan.offload_text else painting + self.text)


def _ladder(batch: int) -> Iterator[StockPlan]:
    """From the fastest plan to the smallest; fewer images at once cost less time than parts that move."""
    moves = "The text encoder leaves the card after reading the words."
    streams = "The card is too small for the whole engine: its blocks are sent to it one by one, which takes longer."
    for plan in (
        StockPlan(1),
        StockPlan(1, tiled_vae=True),
        StockPlan(1, False, offload_text=True, note=moves),
        StockPlan(1, False, offload_text=True, tiled_vae=True, note=moves),
        StockPlan(1, False, offload_text=True, offload_unet=True, tiled_vae=True, note=streams),
    ):
        for count in dict.fromkeys((batch, max(1, batch // 2), 1)):
            yield replace(plan, batch=count)


def sizes(folder: Path, *, dtype: str) -> Mapping[str, int]:
    """Bytes that the parts in a diffusers folder take once loaded, by folder name; files are taken to hold two-byte numbers."""
    factor = 2 if dtype == "float32" else 1
    return {
        part.name: factor * sum(file.stat().st_size for file in part.glob("*.safetensors"))
        for part in folder.iterdir()
        if part.is_dir()
    }


def planner_for(folder: Path, *, dtype: str) -> StockPlanner:
    """The planner for the engine that lies in `folder`."""
    found = sizes(folder, dtype=dtype)
    return StockPlanner(found.get("text_encoder", 0), found.get("transformer", 0), found.get("vae", 0))
