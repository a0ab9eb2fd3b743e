"""Shared fixtures: a home of its own for every test, photos, and a runner with scripted steps."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.steps import Steps
from tests.fakes import FakeSegmenter, InvertingGenerator


def pytest_addoption(parser):
    parser.addoption("--headed", action="store_true", help="show the windows of the tests on the screen that there is")


def pytest_configure(config):
    """Before anything imports Qt: a platform that needs no screen."""
    if not config.getoption("--headed"):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """No test reads or writes the user's history."""
    home = tmp_path / "outfitswap-home"
    monkeypatch.setenv("OUTFITSWAP_HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")  # nor touches their keyring
    return home


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """NASA's portrait (512, 512, 3), public domain."""
    import skimage.data

    return skimage.data.astronaut()


@pytest.fixture
def astronaut_file(tmp_path, astronaut) -> Path:
    path = tmp_path / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    return path


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    """Photos from outside the project; the tests that want them skip without."""
    folder = os.environ.get("OUTFITSWAP_TEST_PHOTOS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("OUTFITSWAP_TEST_PHOTOS names no folder of photos")
    return Path(folder)


@pytest.fixture(scope="session")
def kernel():
    """One kernel for the whole run: its detectors stay warm."""
    from outfitswap_desktop.safety.kernel import SafetyKernel

    return SafetyKernel()


@pytest.fixture
def history(own_home):
    from outfitswap_desktop.store.history import History

    with History(own_home / "history.db") as opened:
        yield opened


@pytest.fixture
def fake_runner(kernel, history):
    """The real road with scripted steps: (runner, segmenter, generator)."""
    from outfitswap_desktop.runner import Runner

    segmenter, generator = FakeSegmenter(), InvertingGenerator()
    return Runner(kernel=kernel, steps=Steps(segmenter, generator), history=history), segmenter, generator
