"""Where the frozen program begins: children of multiprocessing first, then as `python -m outfitswap_desktop`."""

import importlib
import multiprocessing
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from outfitswap_desktop.doctor.processes import TRY_IMPORT


def stand_in(*names: str) -> None:
    """MediaPipe imports a plotting library for a drawing that nobody asks for here; it is not in the build."""
    for name in names:
        module = sys.modules[name] = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)


def restore_library_path() -> None:
    """What the program starts (a file manager, a driver's tool) gets the user's own libraries, not those of the build."""
    own = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if own:
        os.environ["LD_LIBRARY_PATH"] = own
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


def silence() -> None:
    """ONNX Runtime 1.30 notes a device number and looks up its maker's server once it is imported, unless told not to."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def begin() -> None:
    """A child of multiprocessing, a trial of the doctor's, the window, or the command line."""
    stand_in("matplotlib", "matplotlib.pyplot")
    restore_library_path()
    silence()
    multiprocessing.freeze_support()
    if sys.argv[1:2] == [TRY_IMPORT] and len(sys.argv) == 3:
        importlib.import_module(sys.argv[2])
        return
    from outfitswap_desktop.__main__ import main

    main()


if __name__ == "__main__":
    begin()
