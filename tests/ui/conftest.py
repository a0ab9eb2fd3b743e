"""The window's tests: offscreen unless --headed, no Qt warning, and nothing left running behind a test."""

import gc
import multiprocessing
import threading
import time

import psutil
import pytest


@pytest.fixture(scope="session")
def what_is_imported():
    """Set aside what stays for good, so that collecting after each test is quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def collected_here(what_is_imported):
    """As in the window: what a test leaves of Qt ends in this thread, whichever thread allocates (see ui/collecting)."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def nothing_left_running(request):
    """A test that leaves a thread of ours or a child process behind fails."""
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    threads = {thread.ident for thread in threading.enumerate()}
    yield
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        left = _children_beyond(children)
        running = [t.name for t in threading.enumerate() if t.ident not in threads and not t.daemon]
        if not left and not running:
            return
        time.sleep(0.05)
    pytest.fail(f"left behind: processes {[(c.pid, c.name()) for c in left]}, threads {running}")


def _children_beyond(known):
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            line = " ".join(child.cmdline())
            if child.pid not in known and child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in line:
                found.append(child)
        except psutil.Error:
            continue
    multiprocessing.active_children()
    return found
