"""Every folder the program uses and every bundled resource (editable, wheel and frozen installs)."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from outfitswap_desktop.errors import NotAvailable

HOME_VARIABLE = "OUTFITSWAP_HOME"
"""Environment variable that moves all of the program's own folders (tests, portable installs)."""


def data_dir() -> Path:
    """Folder for history, thumbnails and settings; made when missing. Raises NotAvailable ("home_unwritable")."""
    moved = os.environ.get(HOME_VARIABLE)
    if moved:
        folder = Path(moved)
    else:
        from platformdirs import user_data_path

        folder = user_data_path("OutfitSwap", appauthor=False)
    return _made(folder.absolute())


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or str(problem)
        raise NotAvailable(
            f"The program's own folder {folder} cannot be made: {why}.",
            reason="home_unwritable",
            hint=f"Set {HOME_VARIABLE} to a folder that can be written.",
        ) from problem
    return folder


def history_file() -> Path:
    """The SQLite file of the history."""
    return data_dir() / "history.db"


def queue_file() -> Path:
    """The SQLite file of the queue."""
    return data_dir() / "queue.db"


def project_file() -> Path:
    """The SQLite file of the last open project."""
    return data_dir() / "project.db"


def licence_file() -> Path:
    """The SQLite file of the credits: leases, their receipts, and what is not yet told to the server."""
    return data_dir() / "licence.db"


def sample_photo() -> Path | None:
    """NASA's portrait of an astronaut (512 x 512, public domain) inside the scikit-image package; None when it is missing.

    The package is not imported: the window shows the photo without loading it.
    """
    found = importlib.util.find_spec("skimage")
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        path = Path(folder) / "data" / "astronaut.png"
        if path.is_file():
            return path
    return None


def results_dir() -> Path:
    """Where results go when the caller names no output."""
    return _made(data_dir() / "results")


def weights_dir() -> Path:
    """Where downloaded weights lie; the folder is made."""
    return _made(data_dir() / "weights")


def cache_dir() -> Path:
    """What can be made again at any time (embeddings, compiled code); the folder is made."""
    return _made(data_dir() / "cache")


def resources_dir() -> Path:
    """Folder of the bundled data files; in a frozen build below sys._MEIPASS."""
    frozen_root = getattr(sys, "_MEIPASS", None)
    root = Path(frozen_root) / "outfitswap_desktop" if frozen_root else Path(__file__).resolve().parent
    return root / "resources"


def resource(name: str) -> Path:
    """A bundled data file by its path below resources/; raises FileNotFoundError naming it when it is not there."""
    path = resources_dir() / name
    if not path.is_file():
        raise FileNotFoundError(f"bundled resource is missing: {name}")
    return path


def log_file() -> Path:
    """Where tracebacks of our own bugs go."""
    return data_dir() / "outfitswap.log"
