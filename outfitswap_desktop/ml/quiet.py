"""Silences libraries that like to phone home or to talk, before they are imported."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Final

_ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "YOLO_OFFLINE": "True",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "False",
    "ULTRALYTICS_SAFE_LOAD": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
_TALKERS: Final = ("ultralytics", "diffusers", "transformers", "insightface", "controlnet_aux", "timm")


def hush() -> None:
    """Called before the first import of a library of the torch stack; may be called again.

    The environment is this process's own, and set whatever the user has set: these are promises (no network but what the user
    started, no code out of a pickle), not defaults.
    """
    os.environ.update(_ENVIRONMENT)
    logging.captureWarnings(True)
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("controlnet_aux", "timm", "torch.jit"):
        warnings.filterwarnings("ignore", module=module.replace(".", r"\."))
