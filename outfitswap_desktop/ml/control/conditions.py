"""The conditions of a request: which ControlNets it follows with which maps, and its garment as an image prompt."""

from __future__ import annotations

import hashlib
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.regions import BodyPose
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.control import pose_map
from outfitswap_desktop.ml.control.depth import DepthEstimator, without_garment
from outfitswap_desktop.ml.control.dwpose import DwPose
from outfitswap_desktop.ml.control.garment import GarmentEncoder
from outfitswap_desktop.ml.diffusion.conditions import Control, ImagePrompt
from outfitswap_desktop.ml.failures import OUT_OF_MEMORY, library
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    import torch
    from diffusers import ControlNetModel
    from torch import Tensor

    from outfitswap_desktop.core.steps import GenerationRequest
    from outfitswap_desktop.ml.parts import Opened, Store
    from outfitswap_desktop.ml.recipes import Recipe

POSE_END: Final = 0.8
DEPTH_END: Final = 0.6
"""Shares of the steps after which a condition is let go: folds are painted in the last ones."""
KEPT: Final = 8
"""Maps and garments that are remembered, of each kind."""
DWPOSE, DEPTH = "dwpose", "depth-anything-small"
ADAPTERS: Final = {
    "sd15": "models/ip-adapter-plus_sd15.safetensors",
    "sdxl": "sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors",
}
IMAGE_ENCODER: Final = "models/image_encoder"

T = TypeVar("T")


@dataclass(slots=True)
class Counters:
    """What was done since the source was made: loads of networks, and works that a cache could have saved."""

    loads: int = 0
    load_seconds: float = 0.0
    pose_finds: int = 0
    pose_maps: int = 0
    depth_maps: int = 0
    garment_encodes: int = 0


class Controls:
    """ml.diffusion.conditions.ControlSource out of the weights in `store`.

    `device` and `dtype` are torch's names. Networks are loaded when first needed and kept until `close`; maps and garments
    are remembered by their content, so that a second outfit on the same pose, or the same garment on another photo, costs
    nothing. Not safe for two threads at once.
    """

    def __init__(self, store: Store, *, device: str, dtype: str) -> None:
        self._store = store
        self._device = device
        self._dtype_name = dtype
        self._networks: dict[str, Any] = {}
        self._maps: OrderedDict[bytes, Any] = OrderedDict()
        self.counters = Counters()

    def controls(self, recipe: Recipe, request: GenerationRequest) -> tuple[tuple[Control, ...], tuple[str, ...]]:
        """The ControlNets to follow, and in sentences what could not be followed.

        Raises NotAvailable when pose or depth was asked for in so many words and its weights are not there.
        """
        if recipe.family != "unet":
            return (), ()
        made: list[Control] = []
        notes: list[str] = []
        for name, wish, usual, control in (
            ("pose", request.wishes.pose, recipe.pose_weight, self._pose),
            ("depth", request.wishes.depth, recipe.depth_weight, self._depth),
        ):
            weight = usual if wish is None else wish
            if weight <= 0:
                continue
            try:
                one = control(recipe, request, weight, notes)
            except NotAvailable as problem:
                if wish is not None or problem.reason == OUT_OF_MEMORY:
                    raise
                notes.append(f"{name.capitalize()} was left out: {_lowered(problem.message)}")
                continue
            if one is not None:
                made.append(one)
        if request.garment is not None and self._garment_weight(recipe, request) > 0:
            notes.extend(self._no_adapter(recipe, request))
        return tuple(made), tuple(notes)

    def image_prompt(self, recipe: Recipe, request: GenerationRequest) -> ImagePrompt | None:
        """The garment picture as IP-Adapter embeddings; None without a garment, weight, or the adapter's weights.

        Raises NotAvailable for weights that are damaged, and for missing ones when a garment weight was asked for.
        """
        weight = self._garment_weight(recipe, request)
        if request.garment is None or weight <= 0:
            return None
        try:
            weights = self._store.open(f"ip-adapter-{recipe.name}")
        except NotAvailable as problem:
            if problem.reason == "weights_missing" and request.wishes.garment_weight is None:
                return None  # `controls` says so
            raise
        encoder_hash = weights.hashes.get(f"{IMAGE_ENCODER}/model.safetensors", "")
        key = b"garment" + encoder_hash.encode() + _digest(request.garment)
        embeds = self._remembered(key, lambda: self._encoded(weights, encoder_hash, request.garment))
        return ImagePrompt(weights.folder / ADAPTERS[recipe.name], embeds, weight)

    def key(self, request: GenerationRequest) -> bytes:
        """What the conditions of `request` depend on: equal keys, equal conditions."""
        parts = [
            repr((request.wishes.pose, request.wishes.depth, request.wishes.garment_weight)).encode(),
            _digest(request.image),
            _pose_bytes(request.pose),
            repr(request.axes).encode(),
            *(b"-" if array is None else _digest(array) for array in (request.alpha, request.cut, request.garment)),
        ]
        return hashlib.sha256(b"|".join(parts)).digest()

    def close(self) -> None:
        """Give the memory of all networks and maps back; the next request loads them anew."""
        self._networks.clear()
        self._maps.clear()

    def _garment_weight(self, recipe: Recipe, request: GenerationRequest) -> float:
        wish = request.wishes.garment_weight
        return (recipe.garment_weight if wish is None else wish) if recipe.name in ADAPTERS else 0.0

    def _no_adapter(self, recipe: Recipe, request: GenerationRequest) -> tuple[str, ...]:
        """Why the garment's picture is not followed, in one sentence; nothing when it is, or when `image_prompt` raises."""
        try:
            self._store.open(f"ip-adapter-{recipe.name}")
        except NotAvailable as problem:
            if problem.reason == "weights_missing" and request.wishes.garment_weight is None:
                return (f"The garment's picture was left out: {_lowered(problem.message)}",)
        return ()

    def _pose(self, recipe: Recipe, request: GenerationRequest, weight: float, notes: list[str]) -> Control | None:
        weights_id = f"controlnet-pose-{recipe.name}"
        weights = self._store.open(weights_id)
        size = (request.image.shape[1], request.image.shape[0])
        pose = self._best_pose(request, notes)
        if pose is None or pose_map.joints_shown(pose, size) < pose_map.FEWEST_JOINTS:
            notes.append("Pose was left out: too little of a body is seen where the garment is painted.")
            return None
        thickness = (pose_map.xinsir_thickness if recipe.name == "sdxl" else pose_map.usual_thickness)(size)

        def drawn() -> Tensor:
            self.counters.pose_maps += 1
            return self._tensor(pose_map.draw_pose(pose, size, thickness=thickness).astype(np.float32) / 255.0)

        image = self._remembered(b"pose" + _pose_bytes(pose) + repr((size, thickness)).encode(), drawn)
        return Control("pose", self._net(weights_id, weights), image, weight, end=POSE_END)

    def _depth(self, recipe: Recipe, request: GenerationRequest, weight: float, notes: list[str]) -> Control | None:
        weights_id = f"controlnet-depth-{recipe.name}"
        weights, estimator = self._store.open(weights_id), self._store.open(DEPTH)
        garment = request.cut if request.cut is not None and request.cut.any() else request.alpha

        key = b"depth" + _digest(request.image) + _digest(garment) + repr(request.axes).encode()

        def mapped() -> Tensor:
            self.counters.depth_maps += 1
            network = self._loaded(
                DEPTH, estimator, lambda folder, dtype: DepthEstimator(folder, device=self._device, dtype=dtype)
            )
            near = without_garment(network.depth(request.image), garment, axes=request.axes)
            return self._tensor(np.repeat(near[..., None], 3, axis=2))

        image = self._remembered(key, mapped)
        return Control("depth", self._net(weights_id, weights), image, weight, end=DEPTH_END)

    def _best_pose(self, request: GenerationRequest, notes: list[str]) -> BodyPose | None:
        """DWPose's reading of the crop where its weights are there and it finds somebody, else the segmenter's."""
        try:
            weights = self._store.open(DWPOSE)
        except NotAvailable as problem:
            if problem.reason != "weights_missing":
                notes.append(f"The embedded pose was used: {_lowered(problem.message)}")
            return request.pose

        def found() -> BodyPose | None:
            self.counters.pose_finds += 1
            finder = self._loaded(DWPOSE, weights, lambda folder, _: DwPose(folder, device=self._device))
            with library("Finding the pose with DWPose"):
                pose: BodyPose | None = finder.find(request.image, request.alpha)
                return pose

        try:
            pose = self._remembered(b"dwpose" + _digest(request.image) + _digest(request.alpha), found)
        except NotAvailable as problem:
            notes.append(f"The embedded pose was used: {_lowered(problem.message)}")
            return request.pose
        return pose if pose is not None else request.pose

    def _encoded(self, weights: Opened, encoder_hash: str, garment: RGB | None) -> Tensor:
        assert garment is not None
        self.counters.garment_encodes += 1
        name = f"image-encoder {encoder_hash}"  # one and the same for both adapters
        encoder = self._loaded(
            name,
            weights,
            lambda folder, dtype: GarmentEncoder(folder / IMAGE_ENCODER, device=self._device, dtype=dtype),
        )
        embeds: Tensor = encoder.encode(garment)
        return embeds

    def _net(self, weights_id: str, weights: Opened) -> ControlNetModel:
        def load(folder: Path, dtype: torch.dtype) -> ControlNetModel:
            from diffusers import ControlNetModel

            half = (folder / "diffusion_pytorch_model.fp16.safetensors").is_file()
            net: ControlNetModel = ControlNetModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                torch_dtype=dtype,
                variant="fp16" if half else None,
            )
            return net.to(self._device).eval().requires_grad_(False)

        net: ControlNetModel = self._loaded(weights_id, weights, load)
        return net

    def _loaded(self, name: str, weights: Opened, load: Callable[[Path, torch.dtype], Any]) -> Any:
        """The network `name`, loaded at most once. A card's memory that runs out stays the library's own exception."""
        if name in self._networks:
            return self._networks[name]
        _without_bars()
        import torch

        began = time.perf_counter()
        try:
            with library(
                f"Loading {weights.id}", hint=f"Mend it with `outfitswap models verify {weights.id} --repair`."
            ):
                network = load(weights.folder, getattr(torch, self._dtype_name))
        except NotAvailable as problem:
            if problem.reason == OUT_OF_MEMORY and problem.__cause__ is not None:
                raise problem.__cause__ from None
            raise
        self._networks[name] = network
        self.counters.loads += 1
        self.counters.load_seconds += time.perf_counter() - began
        return network

    def _remembered(self, key: bytes, make: Callable[[], T]) -> T:
        if key not in self._maps:
            self._maps[key] = make()
        self._maps.move_to_end(key)
        while len(self._maps) > 3 * KEPT:
            self._maps.popitem(last=False)
        made: T = self._maps[key]
        return made

    def _tensor(self, picture: np.ndarray) -> Tensor:
        """(h, w, 3) 0..1 as (1, 3, h, w) on the device."""
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
        return tensor.to(self._device, getattr(torch, self._dtype_name))


def _without_bars() -> None:
    """Loading shows no progress bars of the libraries' own."""
    hush()
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()


def _digest(array: np.ndarray) -> bytes:
    made = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    made.update(array.tobytes())
    return made.digest()


def _pose_bytes(pose: BodyPose | None) -> bytes:
    return b"" if pose is None else b"".join(struct.pack("<3d", *joint) for joint in pose.joints)


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
