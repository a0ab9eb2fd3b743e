"""The one-folder build: what PyInstaller is told, and that the frozen program does on its own what the installed one does.

OUTFITSWAP_TEST_BUILD may name a folder of a finished build (the one with the program in it); otherwise one is made.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import build_spec
from outfitswap_desktop import paths
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.queue import NewJob, Queue
from outfitswap_desktop.ui.pages.agreed import keep_agreed

LARGEST_MB = 750
NEVER = ("torch", "torchvision", "diffusers", "transformers", "ultralytics", "jax", "matplotlib", "fastapi", "stripe")
STATEMENTS = ("--adult-consent", "licensed", "--adult-attested")
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only the Linux build is made and tested")


# What PyInstaller is told


def test_everything_that_goes_along_is_there(tmp_path):
    told = build_spec.arguments(tmp_path)
    assert Path(told[0]).is_file()
    added = [value.rsplit(":", 1)[0] for flag, value in itertools.pairwise(told) if flag == "--add-data"]
    assert len(added) > 20
    assert [name for name in added if not Path(name).exists()] == []
    hooks = [value for flag, value in itertools.pairwise(told) if flag == "--additional-hooks-dir"]
    assert all(list(Path(folder).glob("hook-*.py")) for folder in hooks)


def test_nothing_of_server_and_gpu_goes_along(tmp_path):
    told = build_spec.arguments(tmp_path)
    pairs = list(itertools.pairwise(told))
    excluded = {value for flag, value in pairs if flag == "--exclude-module"}
    wanted = {value for flag, value in pairs if flag in ("--hidden-import", "--collect-submodules", "--copy-metadata")}
    assert excluded >= set(NEVER) | {"outfitswap_desktop.server"}
    assert not wanted & excluded
    assert not wanted & {*NEVER, "fastapi", "sqlalchemy"}


def test_versions_that_a_receipt_names_go_along():
    from outfitswap_desktop.core.receipt import PACKAGES

    assert {*PACKAGES, "outfitswap-desktop", "keyring", "c2pa-python"} <= set(build_spec.distributions())


def test_a_package_without_its_file_stops_the_build(monkeypatch):
    monkeypatch.setitem(build_spec.FILES, "nudenet", ("not-there.onnx",))
    with pytest.raises(FileNotFoundError, match=r"nudenet lacks not-there\.onnx"):
        list(build_spec.files())


# The finished program: one build, so one process of a parallel run


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """The folder of the build; made once, taken away at the end."""
    named = os.environ.get("OUTFITSWAP_TEST_BUILD")
    if named:
        yield Path(named)
        return
    output = tmp_path_factory.mktemp("build")
    script = Path(build_spec.__file__)
    done = subprocess.run(
        [sys.executable, str(script), "--output", str(output)],
        capture_output=True, text=True, timeout=1500, cwd=output, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    yield output / build_spec.NAME
    shutil.rmtree(output, ignore_errors=True)


@pytest.fixture
def ask(build, own_home, tmp_path):
    """Run the frozen program with a home of its own and nothing of the interpreter that runs the tests."""

    def run(*words, seconds=180.0):
        return subprocess.run(
            [str(build / build_spec.NAME), *map(str, words)],
            capture_output=True, text=True, timeout=seconds, env=environment(own_home), cwd=tmp_path, check=False,
        )  # fmt: skip

    return run


def environment(home, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "QT_"))}
    kept["PATH"] = "/usr/bin:/bin"
    return {
        **kept,
        "HOME": str(home.parent),
        "OUTFITSWAP_HOME": str(home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        **more,
    }


@linux_only
@pytest.mark.slow
@pytest.mark.xdist_group("build")
@pytest.mark.timeout(1600)
def test_the_build_is_whole_and_small(build):
    files = [file for file in build.rglob("*") if not file.is_symlink() and file.is_file()]
    assert sum(file.stat().st_size for file in files) < LARGEST_MB * 1_000_000
    assert [link for link in build.rglob("*") if link.is_symlink() and not link.exists()] == []
    there = {entry.name.lower() for entry in (build / "_internal").iterdir()}
    assert not there & set(NEVER)
    modules = frozen_modules(build / build_spec.NAME)
    assert {"outfitswap_desktop.runner", "outfitswap_desktop.ui.window", "mediapipe", "onnxruntime"} <= modules
    assert {name for name in modules if name.partition(".")[0] in {*NEVER, "tests", "pytest", "PyInstaller"}} == set()
    assert {name for name in modules if name.startswith("outfitswap_desktop.server")} == set()
    assert not list((build / "_internal").rglob("libQt6Q*"))
    assert (build / "_internal" / "LICENSE").is_file()
    texts = [file for file in files if "dist-info" in str(file) and "licen" in file.name.lower()]
    assert len(texts) > 30


def frozen_modules(program):
    from PyInstaller.archive.readers import CArchiveReader

    return set(CArchiveReader(str(program)).open_embedded_archive("PYZ.pyz").toc)


@linux_only
@pytest.mark.slow
@pytest.mark.xdist_group("build")
@pytest.mark.timeout(1600)
def test_help_and_doctor(ask):
    told = ask("--help", seconds=60)
    assert told.returncode == 0
    assert "swap" in told.stdout
    looked = ask("doctor", "--json")
    assert looked.returncode == 0, looked.stderr
    document = json.loads(looked.stdout)
    assert document["usable"] is True
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["MediaPipe"]["state"] == "ok" or "busy" in rows["MediaPipe"]["advice"], rows["MediaPipe"]
    for name in ("OpenCV", "face cascade", "captions", "body part check", "whole image check", "apparent age"):
        assert rows[name]["state"] == "ok", rows[name]
    assert rows["torch"]["state"] == "missing"


@linux_only
@pytest.mark.slow
@pytest.mark.xdist_group("build")
@pytest.mark.timeout(1600)
def test_demo_swap_and_verify(ask, tmp_path, astronaut_file, astronaut):
    shown = ask("demo", "-o", tmp_path / "demo", seconds=300)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "demo" / "contact-sheet.png").stat().st_size > 50_000
    output = tmp_path / "navy.png"
    made = ask("swap", astronaut_file, "--prompt", "navy linen", *STATEMENTS, "-o", output, "--json")
    assert made.returncode == 0, made.stderr
    about = json.loads(made.stdout)
    assert about["segmenter"] == "mediapipe"
    assert about["fallbacks"] == []
    changed = (np.asarray(Image.open(output)) != astronaut).any(axis=2)
    mask = np.asarray(Image.open(about["mask"])) > 0
    assert changed.sum() > 20_000
    assert not (changed & ~mask).any()
    receipt = json.loads(Path(about["receipt"]).read_text(encoding="utf-8"))
    assert "missing" not in json.dumps(receipt["versions"])
    marks = ask("verify", output, "--json")
    assert marks.returncode == 0, marks.stderr
    found = json.loads(marks.stdout)
    assert [found[name]["valid"] for name in ("xmp", "c2pa", "mark")] == [True, True, True]
    assert [file.name for file in tmp_path.rglob("*") if "onnxruntime" in file.name] == []  # no notes for its maker


@linux_only
@pytest.mark.slow
@pytest.mark.xdist_group("build")
@pytest.mark.timeout(1600)
def test_the_window_runs_what_waits_in_its_child_and_leaves_nothing(build, own_home, tmp_path, astronaut_file):
    keep_agreed(paths.data_dir(), today=date.today())
    request = SwapRequest(
        photo=astronaut_file, prompt="navy linen", output=tmp_path / "navy.png", consent="licensed", adult_attested=True
    )
    with Queue(paths.queue_file()) as queue:
        job = queue.add(NewJob(request, title="navy linen"))
    window = subprocess.Popen(
        [str(build / build_spec.NAME), str(astronaut_file)],
        env=environment(own_home, QT_QPA_PLATFORM="offscreen"), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    family = {}
    try:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and window.poll() is None:
            family.update({child.pid: child for child in psutil.Process(window.pid).children(recursive=True)})
            if paths.history_file().is_file() and ended(job):
                break
            time.sleep(1.0)
        assert window.poll() is None, window.stdout.read()
        with Queue(paths.queue_file()) as queue:
            (kept,) = [one for one in queue.jobs() if one.id == job]
        assert kept.state == "done", kept.problem
        assert (tmp_path / "navy.png").is_file()
        engines = [child for child in family.values() if running(child) and "--multiprocessing-fork" in child.cmdline()]
        assert len(engines) >= 2  # desk and device
        window.send_signal(signal.SIGTERM)
        window.wait(timeout=30)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and any(running(child) for child in family.values()):
            time.sleep(0.2)
        assert [child for child in family.values() if running(child)] == []
        assert "Traceback" not in window.stdout.read()
    finally:
        window.kill()
        for child in family.values():
            if running(child):
                child.kill()


def ended(job):
    with History(paths.history_file()) as history:
        if history.by_job(job) is not None:
            time.sleep(1.0)  # the queue hears of it a moment later
            return True
    with Queue(paths.queue_file()) as queue:
        return any(one.id == job and one.state not in ("queued", "running") for one in queue.jobs())


def running(child):
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
