"""The main flow in a real window on a real (virtual) X server, driven from outside by keys alone, as a user would."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date

import psutil
import pytest

from outfitswap_desktop import paths
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.projects import Projects
from outfitswap_desktop.ui.pages.agreed import keep_agreed

TOOLS = ("Xvfb", "xdotool")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def tools():
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        reason = f"{' and '.join(missing)} not installed (Debian: apt-get install xvfb xdotool)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def display(tools):
    """A display of our own; the server chooses its number and says it."""
    hears, says = os.pipe()
    command = ["Xvfb", "-displayfd", str(says), "-screen", "0", "1440x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[says], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(says)
    with os.fdopen(hears) as answer:
        number = answer.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(timeout=20)


class Hand:
    """Keys for one window, through the X server's test extension: no different from a keyboard for the program."""

    def __init__(self, environment, pid):
        self._environment = environment
        self._pid = pid
        self.window = until(lambda: self.find("OutfitSwap"), seconds=120, what="no window")

    def find(self, title):
        """The number of a visible window of the program; None when there is none."""
        done = self._tool("search", "--all", "--onlyvisible", "--pid", str(self._pid), "--name", title, check=False)
        return done.split()[0] if done.split() else None

    def _tool(self, *words, check=True):
        done = subprocess.run(
            ["xdotool", *words], env=self._environment, capture_output=True, text=True, timeout=60, check=check
        )
        return done.stdout

    def press(self, *keys):
        """Keys for the window; there is no window manager that would give it the keyboard, above all after a popup."""
        self._tool("windowfocus", "--sync", self.window)
        for key in keys:
            self._tool("key", "--clearmodifiers", key)

    def type(self, text, *keys):
        """Letters, and keys after them, for whatever took the keyboard."""
        self._tool("type", "--delay", "40", text)
        time.sleep(0.5)
        for key in keys:
            self._tool("key", key)

    def command(self, words):
        """Run an action by its name in the command palette."""
        self.press("ctrl+k")
        until(lambda: self.find("^Commands"), seconds=30, what="no palette")
        self.type(words, "Return")


def until(look, *, seconds, what):
    """What `look` answers as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} after {seconds} s")


def opened():
    """The open project as it is kept, once the sample's garments are found; None before."""
    if not paths.project_file().is_file():
        return None
    with Projects(paths.project_file()) as projects:
        project = projects.load()
    return project.document if project is not None and project.document.get("zone") else None


def results():
    return [file for file in paths.results_dir().iterdir() if file.suffix == ".png" and not file.name.startswith(".")]


def entries():
    with History(paths.history_file()) as history:
        return history.list()


@contextmanager
def program(display, own_home):
    """The program in its own process; whatever happens, nothing of it stays."""
    environment = {**os.environ, "DISPLAY": display, "OUTFITSWAP_HOME": str(own_home), "LANG": "C.UTF-8"}
    environment.pop("QT_QPA_PLATFORM", None)
    environment.pop("WAYLAND_DISPLAY", None)
    process = subprocess.Popen([sys.executable, "-m", "outfitswap_desktop"], env=environment)
    family = {}
    try:
        yield process, environment, family
    finally:
        for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
            family.setdefault(child.pid, child)
        process.kill()
        process.wait(timeout=20)
        for child in family.values():
            if child.is_running():
                child.kill()


def test_from_the_sample_photo_to_a_kept_result(display, own_home):
    keep_agreed(paths.data_dir(), today=date.today())
    with program(display, own_home) as (process, environment, family):
        hand = Hand(environment, process.pid)
        until(lambda: psutil.Process(process.pid).children(), seconds=60, what="no engine process")
        hand.command("sample photo")
        document = until(opened, seconds=180, what="the sample's garments were not found")
        assert document["photo"].endswith("astronaut.png")
        hand.press("ctrl+p")
        hand.type("linen", "Tab", "Return")
        words = until(lambda: opened()["outfit"]["words"], seconds=60, what="no preset was chosen")
        assert "linen" in words
        hand.press("ctrl+Return")
        until(entries, seconds=240, what="no result in the history")
        time.sleep(2.0)
        (entry,) = entries()
        assert entry.output.is_file()
        assert entry.output in results()
        family.update({child.pid: child for child in psutil.Process(process.pid).children(recursive=True)})
        assert len(family) >= 2
        hand.press("ctrl+q")
        assert process.wait(timeout=60) == 0
        until(lambda: not any(running(child) for child in family.values()), seconds=20, what="children are left")


def running(child):
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
