"""The arithmetic around a stock engine's painting: the size to paint at, the mask in whole tokens, the finish of the crop."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from outfitswap_desktop.core import compose
from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.steps import GenerationRequest
from outfitswap_desktop.ml.diffusion.stock_parts import TOKEN

LARGEST_ENLARGEMENT: Final = 2.0
"""Small crops are painted larger than they are, up to this factor: the engines know pictures of about a megapixel."""
WORTH_ENLARGING: Final = 1.25


def work_size(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """(width, height) to paint a crop of `size` at: its aspect, whole tokens, at most `max_pixels`, small ones enlarged."""
    area = size[0] * size[1]
    factor = min(LARGEST_ENLARGEMENT, (max_pixels / area) ** 0.5)
    wanted = max_pixels if factor < 1.0 else area * (factor**2 if factor > WORTH_ENLARGING else 1.0)
    return whole_tokens(size, int(wanted), most=max_pixels)


def whole_tokens(size: tuple[int, int], area: int, *, most: int | None = None) -> tuple[int, int]:
    """(width, height) of about `area` pixels at the aspect of `size`, both multiples of TOKEN, never above `most` pixels."""
    factor = (area / (size[0] * size[1])) ** 0.5
    width, height = (max(TOKEN, round(side * factor / TOKEN) * TOKEN) for side in size)
    while most is not None and width * height > most and max(width, height) > TOKEN:
        if width >= height:
            width -= TOKEN
        else:
            height -= TOKEN
    return width, height


def token_mask(alpha: Mask, size: tuple[int, int]) -> Mask:
    """(h, w) 0/255 at `size`: every token that `alpha` (any size, > 0 = may change) touches, whole."""
    width, height = size
    share = cv2.resize((alpha > 0).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    if alpha.shape[0] > height or alpha.shape[1] > width:
        share = np.maximum(share, cv2.resize((alpha > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA))
    cells = (share > 0).reshape(height // TOKEN, TOKEN, width // TOKEN, TOKEN).any(axis=(1, 3))
    return np.asarray(np.kron(cells, np.ones((TOKEN, TOKEN))) * 255, np.uint8)


def finished(painted: RGB, request: GenerationRequest) -> RGB:
    """A painted crop at the request's size, its colours matched to the photo around the mask, its seam smoothed."""
    height, width = request.image.shape[:2]
    window = resized(painted, (width, height))
    mask = np.asarray(np.where(request.alpha > 0, 255, 0), np.uint8)
    window = compose.match_colour(window, request.image, mask)
    return compose.smooth_seam(window, request.image, mask)


def resized(picture: RGB, size: tuple[int, int]) -> RGB:
    """`picture` (h, w, 3) at `size` (width, height); a contiguous array, the same one where nothing changes."""
    if (picture.shape[1], picture.shape[0]) == size:
        return np.ascontiguousarray(picture)
    return compose.resize(picture, size)
