"""The library ultralytics, kept in its place: nothing of it in the user's home, no network, no installing, and what it changes
in other libraries when it is imported put back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop import paths
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.failures import library
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    from types import ModuleType

    from ultralytics import YOLO

KINDS: Final = (".pt", ".onnx")
TASKS: Final = ("detect", "segment")
_TOUCHED: Final = (
    "OMP_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "TF_CPP_MIN_LOG_LEVEL",
    "TORCH_CPP_LOG_LEVEL",
    "KINETO_LOG_LEVEL",
    "CUBLAS_WORKSPACE_CONFIG",
)
"""Environment that ultralytics sets for its own trainings; it would slow OpenCV, OpenMP and cuBLAS for everybody else."""


def ultralytics() -> ModuleType:
    """The library, imported with its settings in our cache folder and its effects on OpenCV, Pillow, numpy and torch undone.

    Raises NotAvailable ("library_missing") where it is not installed.
    """
    hush()
    folder = paths.cache_dir() / "ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    os.environ.setdefault("MPLCONFIGDIR", str(folder))
    with as_it_was():
        try:
            import ultralytics as imported
        except ImportError as problem:
            raise NotAvailable(
                f"The library ultralytics cannot be loaded: {problem}.",
                reason="library_missing",
                hint="Install the program with its extra `gpu`.",
            ) from problem
        from ultralytics.utils import SETTINGS

        if SETTINGS["sync"]:
            SETTINGS.update(sync=False)
    _require_safe_loading()
    found: ModuleType = imported
    return found


@contextmanager
def as_it_was() -> Iterator[None]:
    """Puts back what the import or a loader of ultralytics changes for the whole process.

    WORKAROUND(https://github.com/ultralytics/ultralytics): on import it turns OpenCV's threads off, replaces PIL.Image.open by
    one that installs a HEIF reader, replaces torch.save, sets print options, and limits OpenMP to one thread.
    """
    import cv2
    import numpy as np
    import PIL.Image
    import torch

    environment = {name: os.environ.get(name) for name in _TOUCHED}
    threads, opener, saver = cv2.getNumThreads(), PIL.Image.open, torch.save
    printed = np.get_printoptions()
    try:
        yield
    finally:
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        cv2.setNumThreads(threads)
        PIL.Image.open, torch.save = opener, saver
        np.set_printoptions(**printed)
        torch.set_printoptions(profile="default")


def _require_safe_loading() -> None:
    """Refuse to go on where the library was imported by somebody else before it was told to read no code from pickles."""
    from ultralytics.utils import ONLINE, SAFE_LOAD

    if not SAFE_LOAD or ONLINE:
        raise NotAvailable(
            "The library ultralytics was started without its safe mode.",
            reason="library_unsafe",
            hint="Start the program again.",
        )


def load_yolo(file: Path) -> YOLO:
    """A YOLO network that detects or segments, from a ``.pt`` (weights alone, no code) or ``.onnx`` file; on the processor yet.

    Raises NotAvailable for any other file, a pickle with foreign classes, a damaged file, or a network for another purpose.
    """
    hint = "Mend the weights with `outfitswap models verify yolo-clothing --repair`, or import others."
    if file.suffix.lower() not in KINDS or not file.is_file():
        raise NotAvailable(f"{file.name} is no YOLO network.", reason="weights_damaged", hint=hint)
    found = ultralytics()
    with as_it_was(), library(f"Loading {file.name}", hint=hint):
        network = found.YOLO(str(file), task=_task_of(file), verbose=False)
    if network.task not in TASKS:
        raise NotAvailable(
            f"{file.name} is a YOLO network for another purpose ({network.task}).", reason="weights_unfit", hint=hint
        )
    return network


def _task_of(file: Path) -> str | None:
    """The purpose that an ONNX file states; None for a ``.pt`` file, which ultralytics asks itself."""
    if file.suffix.lower() != ".onnx":
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    stated: dict[str, Any] = session.get_modelmeta().custom_metadata_map
    return str(stated.get("task") or ("segment" if len(session.get_outputs()) == 2 else "detect"))
