"""From a container to an array: every colour mode becomes (H, W, 3) RGB with at most one alpha plane, upright."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFile

from outfitswap_desktop.core import png
from outfitswap_desktop.core.arrays import RGB, Alpha
from outfitswap_desktop.core.colour import cmyk_to_srgb
from outfitswap_desktop.core.container import BadPictureError, Container

_STRIP_PIXELS = 2 << 20
_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA", "CMYK"})

Strip = tuple[int, RGB, Alpha | None]
"""First row, colours (h, W, 3), alpha (h, W) or None."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Decoded pixels in the mode they are stored in: of JPEG and PNG Pillow's picture, of WebP (h, w, 3) RGB or (h, w, 4) BGRA.

    WebP goes through OpenCV because Pillow's reader, made for animations, needs three times the memory for the same pixels.
    """

    pixels: Image.Image | NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height); smaller than the canvas for some first frames."""
        if isinstance(self.pixels, Image.Image):
            return self.pixels.size
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def mode(self) -> str:
        """Pillow's word for it."""
        if isinstance(self.pixels, Image.Image):
            return self.pixels.mode
        return "RGB" if self.pixels.shape[2] == 3 else "RGBA"


def load(container: Container) -> Decoded:
    """Decode the container's stream. Raises BadPictureError for whatever the decoder objects to."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:  # other packages switch it on for the whole process; half a photo is no photo
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        loaded = Decoded(_webp(container) if container.format == "WEBP" else _pillow(container))
    except MemoryError as error:
        raise BadPictureError("out_of_memory") from error
    except Exception as error:
        raise BadPictureError("damaged") from error
    if loaded.mode not in _MODES:
        raise BadPictureError("unsupported", what=f"a picture in the colour mode {loaded.mode}")
    return loaded


def strips(loaded: Decoded, container: Container) -> Iterator[Strip]:
    """The picture from top to bottom as colours and alpha, in strips so that no second copy of it is ever whole."""
    width, height = loaded.size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        if isinstance(loaded.pixels, Image.Image):
            colours, alpha = _planes(loaded.pixels.crop((0, top, width, bottom)), container)
        else:
            colours, alpha = _split(loaded.pixels[top:bottom])
        yield top, colours, alpha


def on_white(colours: RGB, alpha: Alpha | None) -> RGB:
    """Colours (h, w, 3) laid on white by alpha (h, w), rounded to the nearest."""
    if alpha is None or int(alpha.min()) == 255:
        return colours
    opacity = cv2.merge([alpha, alpha, alpha])
    # no product of two bytes lies within 0.001 of a half after division by 255, so OpenCV's float rounding is exact
    return _bytes(cv2.add(cv2.multiply(colours, opacity, scale=1 / 255), 255 - opacity))


def upright(pixels: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    """Apply an EXIF orientation (2..8) to (H, W) or (H, W, 3); anything else leaves `pixels` alone."""
    turned: MatLike = pixels
    if orientation in {5, 7}:
        turned = cv2.transpose(turned)
    if orientation in {6, 8}:
        turned = cv2.rotate(turned, cv2.ROTATE_90_CLOCKWISE if orientation == 6 else cv2.ROTATE_90_COUNTERCLOCKWISE)
    if orientation in {2, 3, 4, 7}:
        turned = cv2.flip(turned, {2: 1, 4: 0}.get(orientation, -1))
    return _bytes(turned)


def _pillow(container: Container) -> Image.Image:
    picture = Image.open(BytesIO(container.stream), formats=(container.format,))
    picture.load()
    if container.format == "PNG" and _may_lack_rows(picture) and not png.is_complete(container.stream):
        raise BadPictureError("damaged")
    return picture


def _may_lack_rows(picture: Image.Image) -> bool:
    """Pillow takes a PNG whose pixel data end early, and leaves the missing rows at zero."""
    width, height = picture.size
    return "interlace" in picture.info or not np.asarray(picture.crop((0, height - 1, width, height))).any()


def _webp(container: Container) -> NDArray[np.uint8]:
    how = cv2.IMREAD_UNCHANGED if container.alpha else cv2.IMREAD_COLOR_RGB
    pixels = cv2.imdecode(np.frombuffer(container.stream, np.uint8), how)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != (4 if container.alpha else 3):
        raise BadPictureError("damaged")
    return cast(NDArray[np.uint8], pixels)


def _split(pixels: NDArray[np.uint8]) -> tuple[RGB, Alpha | None]:
    if pixels.shape[2] == 3:
        return pixels, None
    return _bytes(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB)), _bytes(cv2.extractChannel(pixels, 3))


def _bytes(array: MatLike) -> NDArray[np.uint8]:
    """What OpenCV returns, with the element type that it is known to have."""
    return array.astype(np.uint8, copy=False)


def _planes(strip: Image.Image, container: Container) -> tuple[RGB, Alpha | None]:
    key = container.transparency
    mode = strip.mode
    if mode == "CMYK":
        return np.asarray(cmyk_to_srgb(_true_cmyk(strip, container), container.icc)), None
    if mode == "P":
        return _from_palette(np.asarray(strip), container.palette or b"", key)
    if mode == "1":
        strip = strip.convert("L")
    raw = np.asarray(strip)
    if mode == "I;16":
        wide = raw.astype(np.uint32)
        grey = ((wide * 255 + 32_895) >> 16).astype(np.uint8)
        return _triple(grey), _keyed(raw[..., None] == _keys(key, 1)) if _fits(key, 1) else None
    if mode in {"1", "L"}:
        scale = 255 // (2**container.depth - 1) if container.depth < 8 else 1
        transparent = _keyed(raw[..., None] == _keys(key, 1) * scale) if _fits(key, 1) else None
        return _triple(raw), transparent
    if mode == "LA":
        return _triple(raw[..., 0]), raw[..., 1]
    if mode == "RGBA":
        return _bytes(cv2.cvtColor(raw, cv2.COLOR_RGBA2RGB)), _bytes(cv2.extractChannel(raw, 3))
    if not _fits(key, 3):
        return raw, None
    return raw, _keyed(raw == (_keys(key, 3) >> (container.depth - 8)))


def _true_cmyk(strip: Image.Image, container: Container) -> Image.Image:
    """Pillow takes all CMYK for Adobe's inverted kind; a file without Adobe's mark is not."""
    return strip if container.inverted else ImageChops.invert(strip)


def _triple(grey: NDArray[np.uint8]) -> RGB:
    return np.repeat(grey[..., None], 3, axis=2)


def _fits(key: bytes | None, channels: int) -> bool:
    return key is not None and len(key) >= 2 * channels


def _keys(key: bytes | None, channels: int) -> NDArray[np.int64]:
    """The transparent colour of a tRNS chunk: 16-bit numbers in the picture's own depth."""
    return np.frombuffer(key or b"", ">u2", channels).astype(np.int64)


def _keyed(same: NDArray[np.bool_]) -> Alpha:
    return np.where(same.all(axis=-1), np.uint8(0), np.uint8(255))


def _from_palette(indices: NDArray[np.uint8], palette: bytes, key: bytes | None) -> tuple[RGB, Alpha | None]:
    colours = np.zeros((256, 3), np.uint8)
    triples = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    colours[: len(triples)] = triples
    if key is None:
        return colours[indices], None
    alphas = np.full(256, 255, np.uint8)
    alphas[: len(key)] = np.frombuffer(key, np.uint8)
    return colours[indices], alphas[indices]
