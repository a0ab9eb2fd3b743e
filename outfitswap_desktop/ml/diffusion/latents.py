"""Pictures to latents and back: the VAE, the mask in latent cells, and a cache of what was encoded."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.ml.diffusion.tiles import tile

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.ml.diffusion.conditions import Counters

CELL: Final = 8
"""Pixels across one latent cell."""
KEPT: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the net is told of the photo: `known` (1, 5, h, w), mask and latents of the photo without what is masked.

    `image` (1, 4, h, w) float32, the whole photo's latents; None when nothing starts from them.
    """

    known: Tensor
    image: Tensor | None


def in_cells(mask: Mask) -> Mask:
    """`mask` (h, w) > 0 grown to whole latent cells, as 0/255; both sides are multiples of CELL."""
    height, width = mask.shape
    cells = (mask > 0).reshape(height // CELL, CELL, width // CELL, CELL).any(axis=(1, 3))
    return np.repeat(np.repeat(cells, CELL, axis=0), CELL, axis=1).astype(np.uint8) * 255


class Pictures:
    """Encodes crops, at most once each while they are among the last KEPT, and decodes latents to bytes."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._kept: OrderedDict[bytes, Known] = OrderedDict()

    def clear(self) -> None:
        self._kept.clear()

    def know(self, image: RGB, mask: Mask, *, whole: bool, ready: Callable[[], Any], tiled: bool, dtype: Any) -> Known:
        """The latents of the crop `image` (h, w, 3) with `mask` (h, w) 0/255 in whole cells.

        `whole`: the photo itself is encoded too. `ready` is called only when the VAE is needed.
        """
        digest = hashlib.sha256(image.tobytes())
        digest.update(mask.tobytes())
        key = digest.digest() + repr((image.shape, whole, tiled, dtype)).encode()
        found = self._kept.get(key)
        if found is None:
            found = _encoded(image, mask, whole=whole, vae=_tiling(ready(), tiled), dtype=dtype)
            self._counters.latent_encodes += 1
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found

    def decode(self, latents: Tensor, vae: Any, *, tiled: bool) -> list[RGB]:
        """Pictures (h, w, 3) of latents (images, 4, h / 8, w / 8): one after the other, as bytes before they are copied."""
        import torch

        _tiling(vae, tiled)
        found = []
        with torch.inference_mode():
            scaled = (latents / vae.config.scaling_factor).to(vae.dtype)
            for one in scaled.split(1):
                picture = vae.decode(one, return_dict=False)[0][0].float()
                if not bool(torch.isfinite(picture).all()):
                    raise FloatingPointError("the decoded picture holds values that are no numbers")
                picture = picture.mul_(127.5).add_(128.0).clamp_(0.0, 255.0).to(torch.uint8)
                found.append(picture.permute(1, 2, 0).contiguous().cpu().numpy())
        self._counters.decodes += len(found)
        return found


def _tiling(vae: Any, tiled: bool) -> Any:
    """The VAE, working in tiles or not."""
    if tiled != vae.use_tiling:
        tile(vae, wanted=tiled)
    return vae


def _encoded(image: RGB, mask: Mask, *, whole: bool, vae: Any, dtype: Any) -> Known:
    import torch

    weight = next(vae.parameters())
    with torch.inference_mode():
        photo = torch.from_numpy(np.array(image)).to(weight.device).permute(2, 0, 1)[None].float().div_(127.5).sub_(1.0)
        covered = torch.from_numpy(np.array(mask)).to(weight.device)[None, None].float().div_(255.0)
        inputs = [photo * (1.0 - covered), *([photo] if whole else [])]
        made = []
        for each in inputs:
            held = vae.encode(each.to(weight.dtype)).latent_dist.mode() * vae.config.scaling_factor
            made.append(held.float())
        cells = covered[:, :, ::CELL, ::CELL]
        known = torch.cat([cells, made[0]], dim=1).to(dtype)
        return Known(known, made[1] if whole else None)
