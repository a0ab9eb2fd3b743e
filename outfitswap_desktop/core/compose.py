"""Crop around the mask, resize to the generator's size and back, and paste so that nothing outside the mask changes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.regions import BodyAxis, BodyPose, Box, box_of

CONTEXT = 0.12
"""Border of surroundings around the mask's box, as a share of its longer side (crop-and-stitch practice: 0.1 to 0.3)."""
MINIMUM_BORDER = 32


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of the photo: `box` (x0, y0, x1, y1), and `size` (width, height) that the generator works at."""

    box: Box
    size: tuple[int, int]

    @property
    def native(self) -> tuple[int, int]:
        x0, y0, x1, y1 = self.box
        return x1 - x0, y1 - y0

    @property
    def scale(self) -> tuple[float, float]:
        """Generator pixels per photo pixel, across and down."""
        width, height = self.native
        return self.size[0] / width, self.size[1] / height


def plan_crop(mask: Mask, *, max_pixels: int | None = None, multiple: int = 1, context: float = CONTEXT) -> Crop:
    """A padded box around `mask` > 0 at its native aspect, inside the photo.

    The box grows by `context` of its longer side, at least MINIMUM_BORDER px. The generator's size is the box's own, scaled
    down (never up) to at most `max_pixels`, both sides rounded to `multiple`. Raises ValueError for an empty mask.
    """
    x0, y0, x1, y1 = box_of(mask)
    if x1 == 0:
        raise ValueError("the mask is empty")
    height, width = mask.shape
    border = max(MINIMUM_BORDER, round(context * max(x1 - x0, y1 - y0)))
    x0, y0, x1, y1 = max(0, x0 - border), max(0, y0 - border), min(width, x1 + border), min(height, y1 + border)
    native = (x1 - x0, y1 - y0)
    factor = 1.0 if max_pixels is None else min(1.0, (max_pixels / (native[0] * native[1])) ** 0.5)
    size = (_rounded(native[0] * factor, multiple), _rounded(native[1] * factor, multiple))
    return Crop((x0, y0, x1, y1), size)


def _rounded(length: float, multiple: int) -> int:
    return max(multiple, int(length / multiple + 0.5) * multiple)


def extract(array: RGB | Mask, crop: Crop) -> RGB | Mask:
    """The crop of `array` (H, W[, 3]) at the generator's size; a contiguous copy."""
    x0, y0, x1, y1 = crop.box
    window = array[y0:y1, x0:x1]
    if crop.size == crop.native:
        return np.ascontiguousarray(window)
    return resize(window, crop.size)


def resize(array: RGB | Mask, size: tuple[int, int]) -> RGB | Mask:
    """Resize to `size` (width, height): area averaging down, Lanczos up (no ringing below 0 or above 255: uint8)."""
    shrinking = size[0] * size[1] < array.shape[0] * array.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(np.ascontiguousarray(array), size, interpolation=method), np.uint8)


def axes_in_crop(axes: tuple[BodyAxis, ...], crop: Crop) -> tuple[BodyAxis, ...]:
    """Body axes moved from photo pixels to the generator's pixels."""
    x0, y0 = crop.box[:2]
    sx, sy = crop.scale
    size = (sx * sy) ** 0.5

    def moved(point: tuple[float, float]) -> tuple[float, float]:
        return (point[0] - x0) * sx, (point[1] - y0) * sy

    return tuple(BodyAxis(a.part, moved(a.start), moved(a.end), a.radius * size) for a in axes)


def pose_in_crop(pose: BodyPose, crop: Crop) -> BodyPose:
    """The joints moved from photo pixels to the generator's pixels."""
    x0, y0 = crop.box[:2]
    sx, sy = crop.scale
    return BodyPose(tuple(((x - x0) * sx, (y - y0) * sy, seen) for x, y, seen in pose.joints))


def paste_back(photo: RGB, window: RGB, alpha: Alpha, *, crop: Crop) -> RGB:
    """A copy of `photo` (H, W, 3) in which `window` (the crop at native size) replaces what `alpha` (H, W) covers.

    Where `alpha` is 0 the photo's bytes are copied, not computed: they stay identical by construction. Blended values are
    rounded, in integers: (window * a + photo * (255 - a) + 127) // 255. Raises ValueError when the sizes do not fit.
    """
    x0, y0, x1, y1 = crop.box
    if window.shape != (y1 - y0, x1 - x0, 3) or alpha.shape != photo.shape[:2]:
        raise ValueError(f"window {window.shape} or alpha {alpha.shape} does not fit the crop {crop.box}")
    result = photo.copy()
    result.setflags(write=True)
    target = result[y0:y1, x0:x1]
    for top in range(0, y1 - y0, 512):  # strips keep the 16-bit temporaries small on large photos
        rows = slice(top, top + 512)
        a = alpha[y0:y1, x0:x1][rows][..., None].astype(np.uint16)
        blend = (window[rows] * a + target[rows] * (255 - a) + 127) // 255
        np.copyto(target[rows], blend.astype(np.uint8), where=a > 0)
    return result


def changed_outside(before: RGB, after: RGB, mask: Mask) -> int:
    """Number of pixels with `mask` == 0 in which any channel differs between `before` and `after` (H, W, 3)."""
    if cv2.norm(before, after, cv2.NORM_INF, (mask == 0).view(np.uint8)) == 0:
        return 0  # the usual answer, in a twentieth of the time that counting takes
    count = 0
    for top in range(0, before.shape[0], 512):
        rows = slice(top, top + 512)
        differs = (before[rows] != after[rows]).any(axis=2)
        count += int(np.count_nonzero(differs & (mask[rows] == 0)))
    return count


def match_colour(window: RGB, source: RGB, mask: Mask, *, ring: int = 24, limit: float = 12.0) -> RGB:
    """Shift `window` so that the ring around `mask` has the colour it has in `source`; all (h, w[, 3]).

    For generators that repaint the surroundings with a slight shift (a VAE does). Mean and spread of CIELAB in the ring of
    `ring` px outside the mask are matched; the mean moves by at most `limit` (delta E). Pixels outside the mask do not
    matter: paste_back drops them. Returns `window` unchanged when the ring holds under 64 pixels.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ring + 1, 2 * ring + 1))
    around = (cv2.dilate((mask > 0).astype(np.uint8), kernel) > 0) & (mask == 0)
    if np.count_nonzero(around) < 64:
        return window
    lab = cv2.cvtColor(window.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    want = cv2.cvtColor(source.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[around]
    have = lab[around]
    gain = np.clip((want.std(axis=0) + 1e-3) / (have.std(axis=0) + 1e-3), 0.8, 1.25)
    shift = want.mean(axis=0) - have.mean(axis=0)
    length = float(np.linalg.norm(shift))
    if length > limit:
        shift *= limit / length
    middle = have.mean(axis=0)
    lab = (lab - middle) * gain + middle + shift
    rgb = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(rgb * 255.0 + 0.5, 0, 255), np.uint8)


def smooth_seam(window: RGB, source: RGB, mask: Mask, *, width: int = 6) -> RGB:
    """Let the difference at the mask's border fade out over `width` px inside it; all (h, w[, 3]).

    The step between source and window is measured just inside the border and spread inwards by normalised blurring, weighted
    down with the distance from the border, so that no line shows and nothing outside is touched.
    """
    inside = (mask > 0).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    rim = ((distance > 0) & (distance <= 1.5)).astype(np.float32)
    step = (source.astype(np.float32) - window.astype(np.float32)) * rim[..., None]
    size = (0, 0)
    weight = cv2.GaussianBlur(rim, size, width / 2)
    spread = cv2.GaussianBlur(step, size, width / 2) / np.maximum(weight, 1e-4)[..., None]
    fade = np.clip(1.0 - distance / width, 0.0, 1.0) * inside * (weight > 1e-4)
    return np.asarray(np.clip(window + spread * (0.5 * fade)[..., None] + 0.5, 0, 255), np.uint8)
