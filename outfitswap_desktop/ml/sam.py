"""The two networks that cut out what is pointed at: SAM ViT-B of segment-anything, and MobileSAM as ultralytics builds it.

Both have the same parts (image encoder, prompt encoder, mask decoder); they differ in how the photo is sized for the encoder
and how the mask comes back, and each does it as its own library's predictor does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.failures import library
from outfitswap_desktop.ml.parts import OnDevice, Opened, only_file, torch_device
from outfitswap_desktop.ml.quiet import hush
from outfitswap_desktop.ml.yolo import as_it_was, ultralytics

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

VIT_B: Final = "sam-vit-b"
MOBILE: Final = "mobile-sam"
MEAN: Final = (123.675, 116.28, 103.53)
DEVIATION: Final = (58.395, 57.12, 57.375)
"""ImageNet's mean and deviation per channel, with which SAM was trained (Kirillov et al., 2023)."""
Shape = tuple[int, int]


class SamNetwork(Protocol):
    """One loaded network; tensors are on its device."""

    weights_id: str
    network: Any

    def encode(self, photo: RGB) -> Tensor:
        """The image embedding (1, C, h, w) of `photo` (H, W, 3)."""
        ...

    def scale(self, shape: Shape) -> tuple[float, float]:
        """Pixels of the encoder's input for one pixel of a photo of `shape` (H, W), across and down."""
        ...

    def enlarge(self, low: Tensor, shape: Shape) -> Tensor:
        """Logits (1, h, w) of the decoder at the size of a photo: (H, W)."""
        ...


Load = Callable[[Opened, OnDevice], SamNetwork]


def load_vit_b(weights: Opened, device: OnDevice, *, build: Callable[[], nn.Module] | None = None) -> SamNetwork:
    """SAM ViT-B from `sam_vit_b_01ec64.pth`. `build` makes the empty network (default: the library's registry entry)."""
    hush()
    if build is None:
        try:
            from segment_anything import sam_model_registry
        except ImportError as problem:
            raise _missing("segment-anything", problem) from problem

        def build() -> nn.Module:
            made: nn.Module = sam_model_registry["vit_b"](checkpoint=None)
            return made

    with library(f"Loading {weights.id}", hint=_mend(weights)):
        network = _filled(build, only_file(weights, ".pth", ".pt"))
        return _VitB(weights.id, network.eval().to(torch_device(device)), half=_halves(device))


def load_mobile(weights: Opened, device: OnDevice, *, build: Callable[[], nn.Module] | None = None) -> SamNetwork:
    """MobileSAM from `mobile_sam.pt`, in ultralytics' modules and with its predictor's sizing."""
    ultralytics()
    with as_it_was(), library(f"Loading {weights.id}", hint=_mend(weights)):
        from ultralytics.models.sam.build import build_mobile_sam

        network = (build or build_mobile_sam)()
        network.load_state_dict(_state(only_file(weights, ".pt", ".pth")))
        return _Mobile(weights.id, network.eval().to(torch_device(device)), device)


LOADERS: Final[dict[str, Load]] = {VIT_B: load_vit_b, MOBILE: load_mobile}
"""Best first."""


def _state(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint; no code is read from it (weights_only)."""
    import torch

    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    inner = state.get("model")
    return inner if isinstance(inner, dict) else state


def _filled(build: Callable[[], nn.Module], file: Path) -> nn.Module:
    """The network with the file's tensors: built without memory of its own, so that nothing is initialised in vain."""
    import torch

    with torch.device("meta"):
        network = build()
    network.load_state_dict(_state(file), assign=True)
    network.register_buffer("pixel_mean", torch.tensor(MEAN).view(-1, 1, 1), persistent=False)
    network.register_buffer("pixel_std", torch.tensor(DEVIATION).view(-1, 1, 1), persistent=False)
    empty = [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]
    if empty:
        raise ValueError(f"{file.name} does not fill {empty[0]}")
    return network.requires_grad_(False)


def _halves(device: OnDevice) -> bool:
    return device.kind == "cuda" and device.dtype == "float16"


def _mend(weights: Opened) -> str:
    return f"Mend them with `outfitswap models verify {weights.id} --repair`."


def _missing(name: str, problem: ImportError) -> NotAvailable:
    return NotAvailable(
        f"The library {name} cannot be loaded: {problem}.",
        reason="library_missing",
        hint="Install the program with its extra `gpu`.",
    )


class _VitB:
    """segment-anything's network with its predictor's sizing."""

    def __init__(self, weights_id: str, network: Any, *, half: bool) -> None:
        self.weights_id = weights_id
        self.network = network
        self._half = half
        self._side = int(network.image_encoder.img_size)

    def encode(self, photo: RGB) -> Tensor:
        """See SamNetwork. On CUDA the encoder runs under autocast to half precision (not run where the default tests run)."""
        import torch
        from segment_anything import SamPredictor

        predictor = SamPredictor(self.network)
        kind = self.network.pixel_mean.device.type
        with torch.autocast(kind, dtype=torch.float16, enabled=self._half):
            predictor.set_image(photo)
        return predictor.get_image_embedding()

    def scale(self, shape: Shape) -> tuple[float, float]:
        high, wide = self._sized(shape)
        return wide / shape[1], high / shape[0]

    def enlarge(self, low: Tensor, shape: Shape) -> Tensor:
        whole: Tensor = self.network.postprocess_masks(low[None], self._sized(shape), shape)
        return whole[0, 0]

    def _sized(self, shape: Shape) -> Shape:
        from segment_anything.utils.transforms import ResizeLongestSide

        high, wide = ResizeLongestSide.get_preprocess_shape(shape[0], shape[1], self._side)
        return int(high), int(wide)


class _Mobile:
    """Ultralytics' network with its predictor's sizing."""

    def __init__(self, weights_id: str, network: Any, device: OnDevice) -> None:
        self.weights_id = weights_id
        self.network = network
        self._device = device
        self._side = int(network.image_encoder.img_size)
        self._predictor: Any = None

    def encode(self, photo: RGB) -> Tensor:
        predictor = self._ready()
        predictor.reset_image()
        with as_it_was():
            image = predictor.preprocess([np.ascontiguousarray(photo[..., ::-1])])
            features: Tensor = predictor.get_im_features(image)
        return features

    def scale(self, shape: Shape) -> tuple[float, float]:
        gain = min(self._side / shape[0], self._side / shape[1])
        return gain, gain

    def enlarge(self, low: Tensor, shape: Shape) -> Tensor:
        from ultralytics.utils import ops

        gain, _ = self.scale(shape)
        ratio = [
            round(edge * gain) * small / self._side / edge for edge, small in zip(shape, low.shape[1:], strict=True)
        ]
        whole: Tensor = ops.scale_masks(low[None].float(), shape, (ratio, (0, 0)), padding=False)
        return whole[0, 0]

    def _ready(self) -> Any:
        if self._predictor is None:
            with as_it_was():
                from ultralytics.models.sam import Predictor

                overrides = {
                    "imgsz": self._side,
                    "device": torch_device(self._device),
                    "save": False,
                    "verbose": False,
                    "model": "mobile_sam.pt",
                }
                self._predictor = Predictor(overrides=overrides)
                self._predictor.setup_model(self.network, verbose=False)
                self._predictor.imgsz = [self._side, self._side]
                self.network.set_imgsz([self._side, self._side])
        return self._predictor


def answer(
    network: SamNetwork,
    embedding: Tensor,
    shape: Shape,
    *,
    box: tuple[float, float, float, float] | None,
    points: tuple[tuple[float, float, bool], ...],
    several: bool,
) -> tuple[Tensor, Tensor]:
    """Logits (n, h, w) at the decoder's size and the network's own guess of their quality (n,), n 3 for `several`, else 1.

    `box` (x0, y0, x1, y1) and `points` (x, y, inside?) in pixels of a photo of `shape`.
    """
    import torch

    sx, sy = network.scale(shape)
    parts = network.network
    device: torch.device = embedding.device
    clicked = None
    if points:
        places = torch.tensor([[(x * sx, y * sy) for x, y, _ in points]], dtype=torch.float, device=device)
        clicked = places, torch.tensor([[int(inside) for *_, inside in points]], dtype=torch.int, device=device)
    corners = None
    if box is not None:
        corners = torch.tensor([[box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy]], dtype=torch.float, device=device)
    sparse, dense = parts.prompt_encoder(points=clicked, boxes=corners, masks=None)
    low, quality = parts.mask_decoder(
        image_embeddings=embedding,
        image_pe=parts.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=several,
    )
    return low[0], quality[0]
