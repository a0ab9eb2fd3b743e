"""The picture of a pose that ControlNet's OpenPose nets were trained on, drawn by controlnet-aux."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.regions import BodyPose
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.quiet import hush

DRAWN_FROM: Final = 0.3
"""Confidence from which on a joint is drawn; DWPose's own limit."""

FEWEST_JOINTS: Final = 3
_USUAL_SIDE: Final = 512
_STEPS: Final = ((500, 1.0), (1000, 2.0), (2000, 3.0), (3000, 4.0), (4000, 5.0), (5000, 6.0))


def usual_thickness(size: tuple[int, int]) -> float:
    """Thickness of the limbs for lllyasviel's nets: as controlnet-aux draws them at 512 px, enlarged with the picture."""
    return max(1.0, min(size) / _USUAL_SIDE)


def xinsir_thickness(size: tuple[int, int]) -> float:
    """Thickness of the limbs for xinsir's SDXL net, by the longer side in pixels as the net's card gives it."""
    longest = max(size)
    return next((thickness for below, thickness in _STEPS if longest < below), 7.0)


def joints_shown(pose: BodyPose, size: tuple[int, int]) -> int:
    """How many joints of `pose` would be drawn inside a picture of `size` (width, height)."""
    width, height = size
    return sum(1 for x, y, seen in pose.joints if seen >= DRAWN_FROM and 0 <= x < width and 0 <= y < height)


def draw_pose(pose: BodyPose, size: tuple[int, int], *, thickness: float) -> RGB:
    """The map (height, width, 3) of `pose`, whose joints are in pixels of `size` (width, height), on black.

    controlnet-aux has one width of limb, 4 px to each side: it draws on a smaller canvas, which is then enlarged
    `thickness` >= 1 times.
    """
    width, height = size
    small = (max(1, math.ceil(width / thickness)), max(1, math.ceil(height / thickness)))
    places = np.array([(x / width, y / height) for x, y, _ in pose.joints])
    shown = [[index if seen >= DRAWN_FROM else -1 for index, (_, _, seen) in enumerate(pose.joints)]]
    drawn = _renderer()(np.zeros((small[1], small[0], 3), np.uint8), places, shown)
    if small != size:
        drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(drawn, np.uint8)


def _renderer() -> Callable[..., Any]:
    """controlnet-aux's `draw_bodypose(canvas, candidate, subset)`.

    WORKAROUND(https://github.com/huggingface/controlnet_aux/blob/master/src/controlnet_aux/__init__.py): the package
    imports all its detectors, MediaPipe and timm among them, which takes ten seconds; this file of it needs none of them.
    """
    hush()
    package = importlib.util.find_spec("controlnet_aux")
    file = Path(package.origin).parent / "dwpose" / "util.py" if package is not None and package.origin else None
    spec = importlib.util.spec_from_file_location("controlnet_aux_drawing", file) if file and file.is_file() else None
    if spec is None or spec.loader is None:
        raise NotAvailable(
            "The pose cannot be drawn: controlnet-aux is not installed.",
            reason="library_missing",
            hint="Install it with the extra: uv sync --extra gpu.",
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    draw: Callable[..., Any] = module.draw_bodypose
    return draw
