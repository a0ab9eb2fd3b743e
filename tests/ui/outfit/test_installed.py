"""Which engines the panel offers: by what lies on the disk, and again when the Models page has changed it."""

import hashlib
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QDialog

from outfitswap_desktop.engine.messages import Problem
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.outfit.installed import InstalledEngines, installed_engines
from outfitswap_desktop.ui.pages.weights_work import Doing
from outfitswap_desktop.ui.wording import in_window
from outfitswap_desktop.weights.catalogue import read_catalogue
from outfitswap_desktop.weights.record import Kept, Record, write_record
from outfitswap_desktop.weights.store import WeightsStore
from tests.ui.windows import main_window


@pytest.fixture
def store(tmp_path):
    """An empty store; nothing in its catalogue is pinned, so that any bytes will do."""
    found = read_catalogue()
    free = {name: replace(weights, files=(), revision=None) for name, weights in found.weights.items()}
    return WeightsStore(tmp_path / "weights", replace(found, weights=free))


def install(store, weights_id):
    place = store.place(weights_id)
    place.mkdir(parents=True)
    file = place / "model.safetensors"
    file.write_bytes(b"weights")
    kept = Kept(7, hashlib.sha256(b"weights").hexdigest(), file.stat().st_mtime_ns)
    write_record(place, Record(weights_id, "hub:a/b", "1", "hub", "2026-11-22", {file.name: kept}))
    return file


def test_an_engine_is_there_when_all_that_it_needs_is(store):
    assert installed_engines(store) == frozenset()
    needs = store.catalogue.needs("sdxl")
    for weights_id in needs[:-1]:
        install(store, weights_id)
    assert installed_engines(store) == frozenset()
    install(store, needs[-1])
    assert installed_engines(store) == {"sdxl"}
    broken = install(store, "klein")
    assert installed_engines(store) == {"sdxl", "klein"}
    broken.write_bytes(b"other weights")
    assert installed_engines(store) == {"sdxl"}


def test_a_machine_without_weights_has_none():
    assert installed_engines() == frozenset()


def test_it_is_looked_up_off_the_windows_thread(qtbot):
    where = []

    def look():
        where.append(threading.current_thread())
        return frozenset({"qwen"})

    background = Background()
    engines = InstalledEngines(background, look=look)
    with qtbot.waitSignal(engines.changed) as said:
        engines.refresh()
    background.close()
    assert said.args == [frozenset({"qwen"})]
    assert engines.engines == {"qwen"}
    assert where[0] is not threading.main_thread()


def test_nothing_of_the_weights_is_loaded_with_the_panel():
    script = "import sys; import outfitswap_desktop.ui.outfit.panel, outfitswap_desktop.ui.outfit.installed;"
    script += "print([name for name in sys.modules if name.startswith('outfitswap_desktop.weights')])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_the_window_offers_what_is_there_and_looks_again_when_weights_have_come(qtbot):
    with main_window(qtbot) as window:
        shop = window.workshop
        here = frozenset({"sdxl"})
        shop.installed._look = lambda: here
        with qtbot.waitSignal(shop.installed.changed):
            shop.installed.refresh()
        items = shop.editor.outfit.advanced.engine
        assert items.model().item(items.findData("sdxl")).isEnabled()
        assert not items.model().item(items.findData("klein")).isEnabled()
        assert shop._built["history"].side.engines == {"fabric", "sdxl"}
        here = frozenset({"sdxl", "klein"})
        shop.editor.outfit.advanced.models.click()
        (dialog,) = [one for one in window.findChildren(QDialog) if one.isVisible()]
        with qtbot.waitSignal(shop.installed.changed):
            shop._weights.ended.emit(Doing("klein", "fetch"), None)
        dialog.reject()
        assert items.model().item(items.findData("klein")).isEnabled()


@pytest.mark.parametrize("reason", ["weights_missing", "weights_damaged", "licence_not_accepted"])
def test_a_job_that_lacks_weights_is_led_to_the_models_page(reason):
    told = in_window(Problem("not_available", reason, "Why.", "Get them with `outfitswap models get sdxl`."))
    assert "Models page" in told.hint
    assert "`" not in told.hint
