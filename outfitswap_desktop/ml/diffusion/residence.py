"""Where the parts of an engine are: loaded once, moved on and off the device as the plan says, and given back."""

from __future__ import annotations

import gc
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.ml.diffusion import lora
from outfitswap_desktop.ml.diffusion.conditions import Accelerator, Counters, Forward, Plan, Shape
from outfitswap_desktop.ml.diffusion.unet import Lean, read
from outfitswap_desktop.ml.load import Store, UnetBundle, load_unet_bundle, vae_dtype

if TYPE_CHECKING:
    from outfitswap_desktop.ml.device import Device
    from outfitswap_desktop.ml.recipes import Recipe

Size = tuple[int, int]
_NETS_KEPT: Final = 4
"""ControlNets whose layers stay read; they belong to whoever loaded them."""


class Residence:
    """The parts of one recipe. Every method that answers a part answers it on the device; `plan` may change between jobs."""

    def __init__(
        self, recipe: Recipe, store: Store, *, device: Device, accelerator: Accelerator, counters: Counters
    ) -> None:
        self.plan: Plan | None = None
        self.dtype = "float32" if device.dtype == "float32" else recipe.dtype
        self._recipe, self._store, self._device = recipe, store, device
        self._accelerator, self._counters = accelerator, counters
        self._bundle: UnetBundle | None = None
        self._lean: Lean | None = None
        self._few: tuple[Path, frozenset[str]] | None = None
        self._adapter: Path | None = None
        self._nets: OrderedDict[int, Lean] = OrderedDict()
        self._forwards: dict[Hashable, Forward] = {}

    def vae_dtype(self) -> str:
        """What the VAE computes in."""
        return vae_dtype(self._recipe, self._store, device=self._device.kind, dtype=self.dtype)

    def bundle(self) -> UnetBundle:
        """All parts, loaded by the first call: what the plan offloads waits in the computer's memory."""
        if self._bundle is None:
            began = time.perf_counter()
            here = self._device.kind
            places = {"text": here, "vae": here, "unet": "cpu" if self._waits else here}
            bundle = load_unet_bundle(self._recipe, self._store, device=places, dtype=self.dtype)
            if here == "cuda":
                import torch

                bundle.vae.to(memory_format=torch.channels_last)
                bundle.unet.to(memory_format=torch.channels_last)
            self._bundle = bundle
            self._counters.loads += 1
            self._counters.load_seconds += time.perf_counter() - began
        return self._bundle

    def text(self) -> Sequence[Any]:
        """The text encoders."""
        bundle = self.bundle()
        self._steps_over()
        for encoder in bundle.text_encoders:
            _moved(encoder, self._device.kind)
        return bundle.text_encoders

    def text_done(self) -> None:
        """The prompts are encoded."""
        if self.plan is not None and self.plan.offload_text and self._bundle is not None:
            for encoder in self._bundle.text_encoders:
                _moved(encoder, "cpu")
            self._emptied()

    def vae(self) -> Any:
        """The VAE, with the UNet away when the plan says so."""
        bundle = self.bundle()
        self._steps_over()
        return _moved(bundle.vae, self._device.kind)

    def steady_vae(self) -> Any:
        """The VAE in float32, for good: half precision overflowed."""
        bundle = self.bundle()
        bundle.vae.float()
        return bundle.vae

    def unet(self) -> Lean:
        """The UNet's layers."""
        bundle = self.bundle()
        self._move_unet(self._device.kind)
        if self._lean is None:
            self._lean = read(bundle.unet)
        return self._lean

    def lend(self, nets: Sequence[Any]) -> None:
        """Somebody else's ControlNets that the job is going to use; they wait where the UNet waits."""
        if self._waits:
            self._nets.clear()  # their layers hold views that a move would leave behind
            for net in nets:
                _moved(net, "cpu")
            self._emptied()

    def control(self, net: Any) -> Lean:
        """The layers of a lent ControlNet, read once."""
        _moved(net, self._device.kind)
        found = self._nets.get(id(net))
        if found is None:
            found = self._nets[id(net)] = read(net)
            while len(self._nets) > _NETS_KEPT:
                self._nets.popitem(last=False)
        self._nets.move_to_end(id(net))
        return found

    def few_steps(self, file: Path | None) -> None:
        """Put the few-step weights of `file` into the UNet, or take them out again (None)."""
        bundle = self.bundle()
        with self._whole_or_gone():
            if self._few is not None and self._few[0] != file:
                lora.restore(bundle.unet, bundle.unet_folder, self._few[1])
                self._few = None
            if self._few is None and file is not None:
                self._few = (file, lora.add(bundle.unet, file))

    def adapter(self, file: Path) -> Any:
        """The layer that makes tokens of a garment's embeddings, with the IP-Adapter weights `file` in the UNet."""
        unet = self.bundle().unet
        if self._adapter != file:
            from safetensors.torch import load_file

            state: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
            for key, tensor in load_file(file).items():
                part, _, name = key.partition(".")
                state[part][name] = tensor
            with self._whole_or_gone():
                unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
            unet.requires_grad_(False)
            self._adapter = file
        return unet.encoder_hid_proj.image_projection_layers[0]

    def wrapped(self, forward: Forward, leans: tuple[Lean, ...], *, rows: int, size: Size, extras: Hashable) -> Forward:
        """`forward` accelerated; what was made for the same nets and shape before is answered again."""
        key = (tuple(id(lean) for lean in leans), rows, size, extras)
        if key not in self._forwards:
            shape = Shape(self._recipe.name, rows, size, self.dtype, extras)
            self._forwards[key] = self._accelerator.wrap(forward, module=leans[0].module, shape=shape)
        return self._forwards[key]

    def close(self) -> None:
        """Give the memory back; the next call loads again."""
        if self._bundle is not None:
            self._accelerator.forget(self._bundle.unet)
        self._bundle = self._lean = self._few = self._adapter = None
        self._nets.clear()
        self._forwards.clear()
        gc.collect()  # modules refer to themselves
        self._emptied()

    @contextmanager
    def _whole_or_gone(self) -> Iterator[None]:
        """Around changes of the UNet: when one fails half-way, the UNet is loaded anew by the next job."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    @property
    def _waits(self) -> bool:
        """Whether the nets of the steps are off the device between the steps of one job and of the next."""
        return self.plan is not None and self.plan.offload_unet and self._device.kind != "cpu"

    def _steps_over(self) -> None:
        if self._waits:
            nets = [lean.module for lean in self._nets.values()]
            self._move_unet("cpu")
            self.lend(nets)

    def _move_unet(self, place: str) -> None:
        unet = self.bundle().unet
        if unet.device.type == place:
            return
        self._accelerator.forget(unet)
        self._lean = None  # it holds views that a move would leave behind
        self._forwards.clear()
        unet.to(place)
        self._emptied()

    def _emptied(self) -> None:
        if self._device.kind == "cuda":
            import torch

            torch.cuda.empty_cache()


def _moved(module: Any, place: str) -> Any:
    return module if module.device.type == place else module.to(place)
