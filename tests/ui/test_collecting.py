"""Cycles are collected in the window's thread, whichever thread allocates."""

import gc
import threading
import weakref

import pytest
from PySide6.QtCore import QObject

from outfitswap_desktop import app
from outfitswap_desktop.ui.collecting import Collector


@pytest.fixture
def ended_in():
    """Leaves a cycle behind, and tells the threads in which it has ended."""
    ended = []

    class Knot:
        pass

    knot = Knot()
    knot.itself = knot
    weakref.finalize(knot, lambda: ended.append(threading.current_thread()))
    return ended


def allocate():
    kept = [[] for _ in range(200_000)]
    assert kept


def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_without_a_collector_a_cycle_ends_in_the_thread_that_allocates(ended_in):
    gc.enable()
    in_a_thread(allocate)
    assert ended_in
    assert ended_in[0] is not threading.main_thread()


def test_with_one_it_ends_in_the_window_s_thread(qapp, ended_in):
    gc.enable()
    owner = QObject()
    collector = Collector(owner)
    assert not gc.isenabled()
    in_a_thread(allocate)
    assert not ended_in
    kept = [[] for _ in range(1000)]
    while not ended_in:
        assert collector.collect() is not None
        kept.extend([] for _ in range(1000))
    assert ended_in == [threading.main_thread()]


def test_nothing_is_collected_that_is_not_due(qapp):
    owner = QObject()
    collector = Collector(owner)
    gc.collect()
    assert collector.collect() is None


def test_the_application_has_one_collector(qtbot):
    application = app.make_application()
    app.make_application()
    assert len(application.findChildren(Collector)) == 1
