"""A client per test that is closed again, and a look at what it has left: no process, thread, segment or open file."""

import threading
import time
from pathlib import Path

import psutil
import pytest

from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.engine.messages import Cancelled, Failed, Finished, Refused
from tests.engine.scripted import scripted
from tests.segments import segments

ENDS = (Finished, Cancelled, Refused, Failed)


class Talk:
    """A client and all events it has said."""

    def __init__(self, client):
        self.client = client
        self.events = []

    def until(self, kind, *, number=None, seconds=30.0):
        """Poll until an event of `kind` (and for that request) comes."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            event = self.client.poll(0.5)
            if event is None:
                continue
            self.events.append(event)
            if isinstance(event, kind) and (number is None or event.id == number):
                return event
        raise AssertionError(f"no {kind} within {seconds} s, but {self.events}")

    def ask(self, request, *, seconds=30.0):
        """Send and wait for the end."""
        return self.until(ENDS, number=self.client.send(request), seconds=seconds)


def children():
    """Our child processes but for Python's resource tracker, which lives as long as we do."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "resource_tracker" not in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def handles():
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else 0


def wait_for(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def ours():
    """Threads of Python's own; what a test runner brings along shows as a dummy once it calls Python."""
    return {thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}


@pytest.fixture(autouse=True)
def nothing_left():
    """Every test of the engine leaves nothing behind."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before, threads, open_files = {child.pid for child in children()}, ours(), handles()
    there = set(segments())
    yield
    assert wait_for(lambda: {child.pid for child in children()} <= before), children()
    assert wait_for(lambda: ours() <= threads), threading.enumerate()
    assert set(segments()) <= there
    assert wait_for(lambda: handles() <= open_files), (handles(), open_files)


@pytest.fixture
def talk():
    client = EngineClient(factory=scripted, grace=0.6)
    yield Talk(client)
    client.close()


@pytest.fixture
def talk_to():
    clients = []

    def make(factory, **options):
        clients.append(EngineClient(factory=factory, **options))
        return Talk(clients[-1])

    yield make
    for client in clients:
        client.close()
