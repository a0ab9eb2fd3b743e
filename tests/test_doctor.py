"""The doctor: honest rows for what is there, what is missing, and what does not fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from outfitswap_desktop.doctor import Report, Row, graphics, machine, parts, processes
from outfitswap_desktop.doctor.graphics import Driver, Gpu, Torch
from outfitswap_desktop.doctor.report import NEEDED
from outfitswap_desktop.paths import HOME_VARIABLE

RTX = Gpu("NVIDIA GeForce RTX 3060", "580.82", 12288, 11000, "8.6")
CARD = Driver((RTX,), "13.0")


LOOKED_FOR = ("torch", "mediapipe", "diffusers", "PySide6")
LOOK = f"""
import json, sys
from outfitswap_desktop.doctor import examine
found = examine()
loaded = [name for name in {LOOKED_FOR} if name in sys.modules]
print(json.dumps([found.as_json(), found.seconds, loaded]))
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """One real examination in a fresh process: the JSON, the report, and which heavy packages it loaded."""

    document: dict[str, Any]
    report: Report
    loaded: list[str]


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    environment = {**os.environ, HOME_VARIABLE: str(tmp_path_factory.mktemp("home"))}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    document, seconds, loaded = json.loads(done.stdout)
    return Looked(document, Report(tuple(Row(**row) for row in document["rows"]), seconds), loaded)


@pytest.fixture
def report(looked: Looked) -> Report:
    return looked.report


def row(report: Report, name: str) -> Row:
    (found,) = [row for row in report.rows if row.name == name]
    return found


def test_this_machine_is_usable_and_every_part_is_named(report: Report) -> None:
    names = [row.name for row in report.rows]
    assert len(names) == len(set(names))
    wanted = {"Python", "system", "processor", "memory", "disk, program data", "disk, results", "OpenCV", "MediaPipe"}
    wanted |= {"body part check", "whole image check", "apparent age", "audit log"}
    wanted |= {"face cascade", "captions", "history"}
    wanted |= {"graphics card", "torch", "engines"}
    assert set(names) == wanted
    assert wanted >= NEEDED
    assert report.usable
    for name in ("Python", "OpenCV", "face cascade", "captions", "history", "body part check", "whole image check"):
        assert row(report, name).state == "ok", row(report, name)
    assert row(report, "history").value == "none yet"


def test_mediapipe_is_found_with_its_networks(report: Report) -> None:
    found = row(report, "MediaPipe")
    assert found.value.startswith("0.10.21")
    assert found.state == "ok" or "busy" in found.advice, found


def test_everything_that_is_missing_says_what_to_do(report: Report) -> None:
    for found in report.rows:
        assert found.state == "ok" or found.advice, found
        assert "\n" not in found.value + found.advice


def test_it_does_not_pretend_to_have_engines_without_their_weights(report: Report) -> None:
    engines = row(report, "engines")
    assert "fabric" in engines.value
    assert "sd15" not in engines.value
    assert "sd15" in engines.advice
    assert "models get" in engines.advice


def test_it_answers_in_time_and_as_json(looked: Looked) -> None:
    assert looked.report.seconds < 2 * processes.PROBE_SECONDS
    assert looked.document["usable"] is True
    assert looked.document == looked.report.as_json()


def test_neither_torch_nor_mediapipe_is_loaded_by_looking(looked: Looked) -> None:
    assert looked.loaded == []


def test_something_needed_that_is_missing_makes_it_unusable() -> None:
    good = tuple(Row(name, "ok", "") for name in sorted(NEEDED))
    assert Report((*good, Row("torch", "missing", "not installed", "-")), 0.1).usable
    for name in NEEDED:
        bad = tuple(Row(r.name, "missing" if r.name == name else "ok", "") for r in good)
        assert not Report(bad, 0.1).usable


# --- the graphics card and torch -------------------------------------------------------------------------------------

SMI_DEVICES = "NVIDIA H100 80GB HBM3, 570.124.06, 81559, 81000, 9.0\nNVIDIA T4, 570.124.06, 15360, 15000, 7.5\n"
SMI_TABLE = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 570.124.06             Driver Version: 570.124.06     CUDA Version: 12.8     |
|-----------------------------------------+------------------------+----------------------+
"""


def test_the_drivers_answer_is_read() -> None:
    driver = graphics.parse_driver(SMI_DEVICES, SMI_TABLE)
    assert driver.cuda == "12.8"
    assert driver.gpus[0] == Gpu("NVIDIA H100 80GB HBM3", "570.124.06", 81559, 81000, "9.0")
    assert graphics.driver_row(driver).value == (
        "NVIDIA H100 80GB HBM3, 79.1 of 79.6 GB free; NVIDIA T4, 14.6 of 15.0 GB free; driver 570.124.06, runs CUDA up to 12.8"
    )


@pytest.mark.parametrize("devices", ["", "No devices were found\n"])
def test_a_driver_without_a_device_is_said(devices: str) -> None:
    found = graphics.driver_row(graphics.parse_driver(devices, ""))
    assert found.state == "warn"
    assert "no device" in found.value


def test_memory_that_the_driver_does_not_tell_is_no_crash() -> None:
    driver = graphics.parse_driver("NVIDIA GB10, 580.1, [N/A], [N/A], 12.1\n", "")
    assert graphics.driver_row(driver).state == "ok"


@pytest.mark.parametrize(
    ("torch", "driver", "state", "words"),
    [
        (None, None, "missing", "Not needed"),
        (Torch("2.15.0+cpu", None, False), None, "ok", ""),
        (Torch("2.15.0+cu130", "13.0", False), None, "ok", "no NVIDIA driver"),
        (Torch("2.15.0+cpu", None, False), CARD, "warn", "uv pip install --torch-backend=auto torch torchvision"),
        (Torch("2.15.0+cu130", "13.0", True, ("sm_80", "sm_90")), CARD, "ok", ""),
        (Torch("2.15.0+cu130", "13.0", False), CARD, "warn", "Restart after a driver update"),
        (
            Torch("2.15.0+cu130", "13.0", False),
            Driver((RTX,), "12.4"),
            "warn",
            "runs CUDA up to 12.4: update the driver",
        ),
        (
            Torch("2.15.0+cu130", "13.0", False),
            Driver((replace(RTX, driver="550.54"),), "12.4"),
            "warn",
            "runs CUDA up to 12.4 (CUDA 13 needs driver 580 or newer, this is 550.54): update the driver",
        ),
        (
            Torch("2.15.0+cu130", "13.0", False),
            Driver((Gpu("NVIDIA T4", "570.124.06", 15360, 15000, "7.5"),)),
            "warn",
            "CUDA 13 needs driver 580 or newer, this is 570.124.06: update the driver",
        ),
        (Torch("2.15.0+cu130", "13.0", True), Driver((RTX,)), "ok", ""),
        (Torch("2.15.0+cu130", "13.0", False), Driver((replace(RTX, driver="[N/A]"),)), "warn", "Restart after"),
        (
            Torch("2.15.0+cu132", "13.2", False, ("sm_75", "sm_80")),
            Driver((Gpu("NVIDIA GeForce GTX 1080", "581.15", 8192, 8000, "6.1"),), "13.0"),
            "warn",
            "too old for the GPU engines",
        ),
        (
            Torch("2.15.0+cu132", "13.2", True, ("sm_75", "sm_90")),
            Driver((replace(RTX, capability="15.0"),), "14.0"),
            "warn",
            "(compute 15.0): uv pip install",
        ),
        (Torch("2.15.0+cu126", "12.6", True, ("sm_80",)), Driver((RTX,), "12.4"), "ok", ""),
        (Torch("2.15.0+cu130", "13.0", True, ("sm_90", "sm_100")), CARD, "warn", "no code for NVIDIA GeForce RTX 3060"),
        (Torch("2.15.0", "13.0", fault="cannot be loaded: OSError: libcudart"), CARD, "warn", "Mend it with: uv pip"),
        (Torch("2.15.0", "13.0", fault="not loaded within 10 s"), None, "warn", "Mend it with"),
    ],
)
def test_torch_is_judged_against_the_driver(torch: Torch | None, driver: Driver | None, state: str, words: str) -> None:
    found = graphics.torch_row(torch, driver)
    assert found.state == state
    assert words in found.advice
    assert bool(found.advice) == bool(words)


@pytest.mark.parametrize(
    ("archs", "capability", "runs"),
    [
        (("sm_80", "sm_90"), "8.6", True),
        (("sm_86",), "8.0", False),
        (("sm_80",), "9.0", False),
        (("sm_80", "compute_80"), "12.0", True),
        (("sm_120",), "12.0", True),
        (("sm_90a",), "9.0", True),
        ((), "8.6", True),
        (("sm_80",), "[N/A]", True),
    ],
)
def test_compute_capabilities(archs: tuple[str, ...], capability: str, runs: bool) -> None:
    assert graphics.runs_on(archs, capability) is runs


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("__version__ = '2.15.0'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", "13.0"),
        ("cuda = None\n", None),
        ("cuda = '12.8'\n", "12.8"),
        ("__version__ = 'x'\n", None),
    ],
)
def test_the_cuda_build_is_read_without_loading_torch(text: str, cuda: str | None) -> None:
    assert graphics.cuda_of(text) == cuda


# --- parts -----------------------------------------------------------------------------------------------------------


def test_a_second_opencv_is_warned_about() -> None:
    assert parts.judge_opencv({"opencv-python-headless": "5.0"}).state == "ok"
    both = parts.judge_opencv({"opencv-python-headless": "5.0", "opencv-python": "4.12"})
    assert both.state == "warn"
    assert "uv pip uninstall opencv-python-headless opencv-python" in both.advice
    assert parts.judge_opencv({"opencv-python": "4.12"}).state == "warn"
    assert parts.judge_opencv({}).state == "missing"


@pytest.mark.parametrize(("free", "state"), [(50.0, "ok"), (0.5, "warn"), (0.01, "missing")])
def test_disk_space(free: float, state: str) -> None:
    assert machine.disk_row("disk", Path("x"), free=free, writable=True).state == state
    assert machine.disk_row("disk", Path("x"), free=free, writable=False).state == "missing"


def test_a_data_folder_that_cannot_be_made_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "file" / "home"))
    rows = list(machine.disk_rows())
    assert [found.state for found in rows] == ["missing", "missing"]
    assert all(HOME_VARIABLE in found.advice for found in rows)
    assert parts.history_row().state == "warn"


def test_a_history_is_counted_and_a_broken_one_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from outfitswap_desktop.store.history import History

    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert parts.history_row().value == "none yet"
    History(tmp_path / "history.db").close()
    assert parts.history_row().value.startswith("0 entries in")
    (tmp_path / "history.db").unlink()
    (tmp_path / "history.db").mkdir()
    found = parts.history_row()
    assert found.state == "warn"
    assert found.advice


# --- child processes -------------------------------------------------------------------------------------------------


def test_a_child_that_hangs_is_ended_in_time() -> None:
    answer = processes.run_python("import time; time.sleep(60)", seconds=0.5)
    assert answer.timed_out
    assert not answer.worked


def test_a_child_that_fails_says_its_last_line() -> None:
    answer = processes.run_python("import a_module_that_is_not_there", seconds=30)
    assert not answer.worked
    assert answer.last_line.startswith("ModuleNotFoundError")


def test_a_child_that_dies_is_no_exception() -> None:
    assert not processes.run_python("import os; os.abort()", seconds=30).worked
    assert not processes.run(["there-is-no-such-program"], seconds=5).worked


def test_an_import_is_tried_in_another_process() -> None:
    assert processes.try_import("json", seconds=30).worked
    lost = processes.try_import("a_module_that_is_not_there", seconds=30)
    assert not lost.worked
    assert lost.last_line.startswith("ModuleNotFoundError")


def test_a_packaged_program_asks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(processes, "run", lambda command, *, seconds: asked.append(list(command)))
    processes.try_import("mediapipe", seconds=1)
    assert asked == [[sys.executable, processes.TRY_IMPORT, "mediapipe"]]
    assert not processes.run_python("import json", seconds=1).worked


def test_packages_are_found_without_importing_them() -> None:
    folder = processes.package_folder("mediapipe")
    assert folder is not None
    assert (folder / "modules").is_dir()
    assert processes.package_folder("there_is_no_such_package") is None
    assert processes.version_of("there-is-no-such-package") is None
