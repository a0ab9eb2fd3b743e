"""Harder versions of a labelled photo whose truth is known: crops, light, noise, turns, other cloth, other walls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """A photo with its truth: `zones` and `protect` name -> mask (H, W) 0/255, `ignore` what is not counted."""

    photo: RGB
    zones: dict[str, Mask]
    protect: dict[str, Mask]
    ignore: Mask
    box: tuple[int, int, int, int]

    def each(self, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Sample:
        """The sample with `change` (geometry only) applied to every mask; the photo is left alone."""
        return replace(
            self,
            zones={k: change(v) for k, v in self.zones.items()},
            protect={k: change(v) for k, v in self.protect.items()},
            ignore=change(self.ignore),
        )


def cropped(sample: Sample, x0: int, y0: int, x1: int, y1: int) -> Sample:
    """Cut out a box; zones of which less than a quarter stays are dropped."""
    x0, y0 = max(0, x0), max(0, y0)
    cut = sample.each(lambda m: np.ascontiguousarray(m[y0:y1, x0:x1]))
    kept = {k: v for k, v in cut.zones.items() if np.count_nonzero(v) > 0.25 * np.count_nonzero(sample.zones[k])}
    a, b, c, d = sample.box
    h, w = sample.photo[y0:y1, x0:x1].shape[:2]
    box = (max(0, a - x0), max(0, b - y0), min(w, c - x0), min(h, d - y0))
    return replace(cut, photo=np.ascontiguousarray(sample.photo[y0:y1, x0:x1]), zones=kept, box=box)


def upper_half(sample: Sample) -> Sample:
    _, top, _, low = sample.box
    return cropped(sample, 0, 0, sample.photo.shape[1], (top + low) // 2)


def lower_half(sample: Sample) -> Sample:
    _, top, _, low = sample.box
    return cropped(sample, 0, (top + low) // 2, sample.photo.shape[1], sample.photo.shape[0])


def headless(sample: Sample) -> Sample:
    """Cut just under the chin, as shops do."""
    rows = np.flatnonzero(sample.protect["head"].any(axis=1)) if "head" in sample.protect else np.array([sample.box[1]])
    return cropped(sample, 0, int(rows[-1]) + 2, sample.photo.shape[1], sample.photo.shape[0])


def mirrored(sample: Sample) -> Sample:
    flip = lambda m: np.ascontiguousarray(m[:, ::-1])  # noqa: E731
    w = sample.photo.shape[1]
    x0, y0, x1, y1 = sample.box
    return replace(sample.each(flip), photo=flip(sample.photo), box=(w - x1, y0, w - x0, y1))


def scaled(sample: Sample, height: int) -> Sample:
    s = height / sample.photo.shape[0]
    size = (round(sample.photo.shape[1] * s), height)
    small = sample.each(
        lambda m: np.where(cv2.resize(m, size, interpolation=cv2.INTER_AREA) > 127, 255, 0).astype(np.uint8)
    )
    photo = cv2.resize(sample.photo, size, interpolation=cv2.INTER_AREA if s < 1 else cv2.INTER_CUBIC)
    return replace(small, photo=photo, box=tuple(round(v * s) for v in sample.box))


def turned(sample: Sample, angle: float) -> Sample:
    h, w = sample.photo.shape[:2]
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), angle, 1.0)
    photo = cv2.warpAffine(sample.photo, turn, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    def move(m: Mask) -> Mask:
        return np.where(cv2.warpAffine(m, turn, (w, h), flags=cv2.INTER_LINEAR) > 127, 255, 0).astype(np.uint8)

    return replace(sample.each(move), photo=photo)


def toned(sample: Sample, gains: tuple[float, float, float], gamma: float = 1.0) -> Sample:
    value = (sample.photo / 255.0) ** gamma * np.array(gains)
    return replace(sample, photo=np.clip(value * 255, 0, 255).astype(np.uint8))


def noisy(sample: Sample) -> Sample:
    rng = np.random.default_rng(1)
    rough = np.clip(sample.photo + rng.normal(0, 10, sample.photo.shape), 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", rough[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
    return replace(sample, photo=np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]))


def covered(sample: Sample) -> Sample:
    """A grey post in front of the person's side."""
    x0, y0, x1, y1 = sample.box
    left = round(x0 + 0.62 * (x1 - x0))
    wide = max(3, round(0.09 * (x1 - x0)))
    photo = sample.photo.copy()
    shade = np.linspace(90, 150, wide)[None, :, None]
    photo[round(y0 + 0.25 * (y1 - y0)) :, left : left + wide] = shade

    def hide(m: Mask) -> Mask:
        m = m.copy()
        m[round(y0 + 0.25 * (y1 - y0)) :, left : left + wide] = 0
        return m

    return replace(sample.each(hide), photo=photo)


def dyed(
    sample: Sample, zone: str, colour: tuple[float, float, float], *, contrast: float = 1.0, pattern: str = ""
) -> Sample:
    """Give `zone` another Lab colour, keeping its folds (lightness relative to the zone's median), softly at the edge."""
    mask = sample.zones.get(zone)
    if mask is None:
        return sample
    inside = mask > 0
    lab = cv2.cvtColor(sample.photo.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    middle = float(np.median(lab[inside, 0]))
    fold = np.clip((lab[..., 0] - middle) * contrast * min(2.5, max(0.35, (colour[0] + 10) / (middle + 10))), -35, 35)
    new = np.dstack([colour[0] + fold, np.full_like(fold, colour[1]), np.full_like(fold, colour[2])])
    ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
    pitch = max(4.0, 0.035 * (sample.box[2] - sample.box[0]) * 2)
    if pattern == "stripes":
        new[..., 0] += np.where((ys / pitch) % 1 < 0.5, 35, 0)
    elif pattern == "checks":
        new[..., 0] += 18.0 * ((ys / pitch) % 1 < 0.5) + 18.0 * ((xs / pitch) % 1 < 0.5)
        new[..., 1] += 20.0 * ((xs / pitch) % 1 < 0.25)
    elif pattern == "flowers":
        spots = np.zeros(mask.shape, np.float32)
        rng = np.random.default_rng(5)
        for _ in range(int(mask.size / pitch**2 / 2)):
            cv2.circle(
                spots, (int(rng.integers(mask.shape[1])), int(rng.integers(mask.shape[0]))), int(pitch * 0.45), 1.0, -1
            )
        new[..., 0] += 25 * spots
        new[..., 1] += 45 * spots
        new[..., 2] += 10 * spots
    new[..., 0] = np.clip(new[..., 0], 2, 99)
    return replace(sample, photo=painted(sample.photo, new, cv2.GaussianBlur(mask, (0, 0), 1.0) / 255.0))


def painted(photo: RGB, lab: NDArray[np.floating], share: NDArray[np.floating]) -> RGB:
    """`photo` with a `share` (H, W) 0..1 of other Lab colours (H, W, 3)."""
    other = np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2RGB) * 255, 0, 255)
    soft = share[..., None]
    return np.clip(other * soft + photo * (1 - soft) + 0.5, 0, 255).astype(np.uint8)


def bared(sample: Sample, zone: str, part: Callable[[Mask], NDArray[np.bool_]]) -> Sample:
    """Turn `part` of `zone` into skin: the face's colours under the cloth's broad light and shade, without its folds."""
    mask = sample.zones.get(zone)
    face = sample.protect.get("head")
    if mask is None or face is None:
        return sample
    skin = part(mask) & (mask > 0)
    lab = cv2.cvtColor(sample.photo.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    inner = cv2.erode(face, np.ones((9, 9), np.uint8)) > 0
    low, high = np.percentile(lab[inner, 0], [50, 80])  # the lit face: neither hair nor eyes
    middle = np.median(lab[inner & (lab[..., 0] >= low) & (lab[..., 0] <= high)], axis=0)
    reach = 0.04 * (sample.box[2] - sample.box[0])
    weight = (mask > 0).astype(np.float32)
    broad = cv2.GaussianBlur(lab[..., 0] * weight, (0, 0), reach)
    broad = broad / np.maximum(cv2.GaussianBlur(weight, (0, 0), reach), 1e-3)
    light = np.clip(0.6 * (broad - np.median(lab[mask > 0, 0])), -14, 10)
    grain = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 3, mask.shape), (0, 0), 1.0)
    new = np.dstack([np.clip(middle[0] + light + grain, 2, 99), *(np.full(mask.shape, v) for v in middle[1:])])
    photo = painted(sample.photo, new, cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 1.0))
    zones = {k: np.where(skin, 0, v).astype(np.uint8) for k, v in sample.zones.items()}
    return replace(sample, photo=photo, zones={k: v for k, v in zones.items() if v.any()})


def rows_between(low: float, high: float) -> Callable[[Mask], NDArray[np.bool_]]:
    """The part of a mask between two shares of its height, 0 = its top."""

    def part(mask: Mask) -> NDArray[np.bool_]:
        rows = np.flatnonzero(mask.any(axis=1))
        share = (np.arange(mask.shape[0]) - rows[0]) / max(1, rows[-1] - rows[0])
        return np.repeat(((share >= low) & (share <= high))[:, None], mask.shape[1], axis=1)

    return part


def shorts(sample: Sample) -> Sample:
    """Trousers cut at half their length; nothing where the photo ends at the hips."""
    bottom = sample.zones.get("bottom")
    if bottom is None or np.count_nonzero(bottom.any(axis=1)) < 0.8 * np.count_nonzero(bottom.any(axis=0)):
        return sample
    return bared(sample, "bottom", rows_between(0.5, 1.0))


def flanks(mask: Mask) -> NDArray[np.bool_]:
    """What lies more than 0.33 of a mask's width from the middle of its columns: the sleeves."""
    columns = np.flatnonzero(mask.any(axis=0))
    middle, width = (columns[0] + columns[-1]) / 2, columns[-1] - columns[0]
    out = np.abs(np.arange(mask.shape[1]) - middle) > 0.33 * width
    return np.repeat(out[None], mask.shape[0], axis=0)


def placed(sample: Sample, body: Mask, wall: RGB) -> Sample:
    """Put the person (`body` (H, W) 0..255) in front of another `wall` (resized to fit)."""
    h, w = sample.photo.shape[:2]
    back = cv2.resize(wall, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = cv2.GaussianBlur(body, (0, 0), 0.8)[..., None] / 255.0
    return replace(sample, photo=np.clip(sample.photo * soft + back * (1 - soft), 0, 255).astype(np.uint8))


def wall(kind: str, shape: tuple[int, int]) -> RGB:
    """A made background: "white" and "black" studio, "grey" gradient, "room" with coloured furniture-like boxes."""
    h, w = shape
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    rng = np.random.default_rng(3)
    if kind == "white":
        base = 238 + 8 * np.cos(xs / w * 3) - 10 * ys / h
        picture = np.dstack([base, base, base + 1])
    elif kind == "black":
        base = 16 + 10 * np.exp(-((xs - w / 2) ** 2 + (ys - h / 3) ** 2) / (0.3 * w) ** 2)
        picture = np.dstack([base, base, base])
    elif kind == "beige":
        base = 190 - 25 * ys / h
        picture = np.dstack([base, base * 0.86, base * 0.74])
    else:
        picture = np.dstack([150 - 30 * ys / h, 140 - 20 * ys / h, 125 - 10 * ys / h])
        for _ in range(40):
            x, y = int(rng.integers(w)), int(rng.integers(h))
            dx, dy = int(rng.integers(w // 12, w // 4)), int(rng.integers(h // 16, h // 5))
            picture[y : y + dy, x : x + dx] = rng.integers(20, 235, 3)
        picture = cv2.GaussianBlur(picture, (0, 0), w / 150)
    grain = rng.normal(0, 2.0, (h, w, 1))
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


GEOMETRY_AND_LIGHT: dict[str, Callable[[Sample], Sample]] = {
    "upper half": upper_half,
    "lower half": lower_half,
    "mirrored": mirrored,
    "darkened": lambda s: toned(s, (0.45, 0.45, 0.45)),
    "320 px": lambda s: scaled(s, 320),
}
"""The versions that the issue's figures are for."""

HARDER: dict[str, Callable[[Sample], Sample]] = {
    "warm": lambda s: toned(s, (1.08, 0.95, 0.72)),
    "noise, JPEG 40": noisy,
    "headless": headless,
    "turned +10": lambda s: turned(s, 10),
    "turned -10": lambda s: turned(s, -10),
    "post in front": covered,
    "top white": lambda s: dyed(s, "top", (92, 0, 2), contrast=0.8),
    "top black": lambda s: dyed(s, "top", (12, 0, 0)),
    "top skin-coloured": lambda s: dyed(s, "top", (70, 14, 17)),
    "top striped": lambda s: dyed(s, "top", (35, 5, -30), pattern="stripes"),
    "top checked": lambda s: dyed(s, "top", (40, 25, 15), pattern="checks"),
    "top flowers": lambda s: dyed(s, "top", (55, -15, 10), pattern="flowers"),
    "bottom white": lambda s: dyed(s, "bottom", (90, 0, 3), contrast=0.8),
    "bottom black": lambda s: dyed(s, "bottom", (13, 0, 0)),
    "bottom skin-coloured": lambda s: dyed(s, "bottom", (68, 13, 18)),
    "all white": lambda s: dyed(dyed(s, "top", (92, 0, 2)), "bottom", (90, 0, 3)),
    "all black": lambda s: dyed(dyed(s, "top", (12, 0, 0)), "bottom", (14, 0, -1)),
    "crop top": lambda s: bared(s, "top", rows_between(0.72, 1.0)),
    "sleeveless": lambda s: bared(s, "top", flanks),
    "bare shoulders": lambda s: bared(s, "top", rows_between(0.0, 0.25)),
    "shorts": shorts,
    "one colour": lambda s: dyed(dyed(s, "top", (45, 30, 10)), "bottom", (45, 30, 10)),
}

WALLS = ("white", "black", "beige", "room")
