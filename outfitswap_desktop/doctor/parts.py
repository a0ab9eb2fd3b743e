"""What the embedded program runs on: OpenCV, MediaPipe, the detectors of the output check, cascade, captions, history."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from outfitswap_desktop import paths
from outfitswap_desktop.doctor.processes import PROBE_SECONDS, package_folder, try_import, version_of
from outfitswap_desktop.doctor.report import REINSTALL, Row
from outfitswap_desktop.errors import KnownError

OPENCV_FLAVOURS = (
    "opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless",
)  # fmt: skip
MEDIAPIPE_NETWORKS = (
    "pose_detection/pose_detection.tflite",
    "pose_landmark/pose_landmark_full.tflite",
    "selfie_segmentation/selfie_segmentation.tflite",
    "face_detection/face_detection_short_range.tflite",
    "face_detection/face_detection_full_range_sparse.tflite",
    "face_landmark/face_landmark.tflite",
    "palm_detection/palm_detection_full.tflite",
    "hand_landmark/hand_landmark_full.tflite",
)
"""Below mediapipe/modules: all that the embedded segmenter runs."""


def opencv_row() -> Row:
    """Which flavours of OpenCV are installed; two share one folder and overwrite each other."""
    return judge_opencv({name: version for name in OPENCV_FLAVOURS if (version := version_of(name))})


def judge_opencv(found: dict[str, str]) -> Row:
    """The row for installed flavours by version."""
    value = ", ".join(f"{name} {version}" for name, version in found.items())
    if not found:
        return Row("OpenCV", "missing", "not installed", REINSTALL)
    if list(found) == ["opencv-python-headless"]:
        return Row("OpenCV", "ok", value)
    advice = (
        "These packages overwrite each other, and the ones with windows bring their own Qt: "
        f"uv pip uninstall {' '.join(found)} && uv pip install opencv-python-headless"
    )
    return Row("OpenCV", "warn", value, advice)


def mediapipe_row() -> Row:
    """Whether the embedded segmenter's networks are there and MediaPipe can be loaded (tried in a child process)."""
    name, version = "MediaPipe", version_of("mediapipe")
    without = "Without it persons are found roughly, with low confidence; --mask works anyway."
    folder = package_folder("mediapipe")
    if version is None or folder is None:
        return Row(name, "missing", "not installed", f"{without} {REINSTALL}")
    lost = [file for file in MEDIAPIPE_NETWORKS if not (folder / "modules" / file).is_file()]
    if lost:
        return Row(
            name, "missing", f"{version}, without {len(lost)} of its networks ({lost[0]})", f"{without} {REINSTALL}"
        )
    loaded = try_import("mediapipe", seconds=PROBE_SECONDS)
    if loaded.timed_out:
        advice = "The machine is slow or busy; it may load all the same."
        return Row(name, "warn", f"{version}, all networks there; not loaded within {PROBE_SECONDS:.0f} s", advice)
    if not loaded.worked:
        return Row(name, "missing", f"{version}, cannot be loaded: {loaded.last_line}", f"{without} {REINSTALL}")
    return Row(name, "ok", f"{version}, loads, {len(MEDIAPIPE_NETWORKS)} networks there")


def safety_rows() -> Iterator[Row]:
    """The detectors: loaded, the pinned ones, and seeing what they must see; and the records, without which nothing leaves."""
    from outfitswap_desktop.safety import api

    titles = {
        "body_parts": "body part check",
        "whole_image": "whole image check",
        "apparent_age": "apparent age",
        "audit_log": "audit log",
    }
    for check in (*api.self_test(), api.records_test(paths.data_dir())):
        closed = "Nothing can be saved without this check."
        advice = "" if check.passed else f"{closed} {check.hint or REINSTALL}"
        yield Row(titles.get(check.name, check.name), "ok" if check.passed else "missing", check.detail, advice)


def cascade_row() -> Row:
    """The face cascade that finds somebody when MediaPipe does not."""
    folder = package_folder("skimage")
    file = folder / "data" / "lbpcascade_frontalface_opencv.xml" if folder else None
    if file is None or not file.is_file():
        return Row(
            "face cascade", "missing", "not there", f"It is the fallback when MediaPipe finds nobody. {REINSTALL}"
        )
    return Row("face cascade", "ok", f"scikit-image {version_of('scikit-image')}, LBP frontal face")


def captions_row() -> Row:
    """Contact sheets are captioned with the font inside Pillow, which needs FreeType."""
    from PIL import features

    version = features.version("freetype2")
    if version is None:
        return Row("captions", "warn", "Pillow has no FreeType", "Contact sheets have a coarse font. " + REINSTALL)
    return Row("captions", "ok", f"Pillow {version_of('pillow')} with FreeType {version}")


def history_row() -> Row:
    """Whether the history can be read, and how many entries it has."""
    from outfitswap_desktop.store.history import History

    try:
        file = paths.history_file()
        if not file.exists():
            return Row("history", "ok", "none yet")
        with contextlib.closing(History(file)) as history:
            count, notes = history.count(), " ".join(history.notes)
    except KnownError as problem:
        return Row("history", "warn", problem.message, problem.hint)
    except OSError as problem:
        return Row("history", "warn", f"cannot be opened: {problem.strerror}", "Check the folder's rights.")
    return Row("history", "warn" if notes else "ok", f"{count} entries in {file}", notes)


def engines_row() -> Row:
    """Which engines have their weights here, and how to get those of the others."""
    from outfitswap_desktop.weights.catalogue import read_catalogue
    from outfitswap_desktop.weights.store import WeightsStore

    try:
        store = WeightsStore(paths.weights_dir(), read_catalogue())
        needs = {name: store.catalogue.needs(name) for name in ("sd15", "sdxl", "klein", "qwen")}
        there = {name for name, ids in needs.items() if all(store.state(one) == "installed" for one in ids)}
    except (KnownError, OSError, ValueError) as problem:
        return Row(
            "engines", "warn", f"fabric; the weights cannot be looked at: {problem}", "Check the folder's rights."
        )
    value = ", ".join(("fabric (embedded, no GPU and no download)", *(name for name in needs if name in there)))
    missing = [name for name in needs if name not in there]
    advice = f"Without weights: {', '.join(missing)}. `outfitswap models get ID` fetches them." if missing else ""
    return Row("engines", "ok", value, advice)
