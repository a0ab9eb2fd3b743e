"""For tests: a window as a screen reader is told of it, and a mouse and keys for it; nothing is asked of the program itself.

What is visible comes from the desktop's accessibility bus (AT-SPI), on a session bus of the test's own; what is done goes
through the X server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import ImageGrab

jeepney = pytest.importorskip("jeepney", reason="only Linux has D-Bus")
blocking = pytest.importorskip("jeepney.io.blocking")
LAUNCHERS = ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher")
CHECKED, ENABLED, FOCUSED, SHOWING, VISIBLE = (1 << bit for bit in (4, 8, 12, 25, 30))
"""Of AtspiStateType."""
ROOT = "/org/a11y/atspi/accessible/root"
PATIENCE = 20.0
"""Seconds for one answer of the window."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that shows: what it is ("push button", "label", "table cell"), its name, where (x, y, width, height)."""

    role: str
    name: str
    state: int
    place: tuple[int, int, int, int]

    @property
    def enabled(self) -> bool:
        return bool(self.state & ENABLED)

    @property
    def checked(self) -> bool:
        return bool(self.state & CHECKED)

    @property
    def focused(self) -> bool:
        return bool(self.state & FOCUSED)


@contextmanager
def accessibility(folder: Path) -> Iterator[dict[str, str]]:
    """A session bus with the accessibility service; what a program needs in its environment to speak there."""
    missing = [tool for tool in ("dbus-daemon",) if shutil.which(tool) is None]
    if not any(Path(launcher).exists() for launcher in LAUNCHERS):
        missing.append("at-spi-bus-launcher")
    if missing:
        reason = f"{' and '.join(missing)} not installed (Debian: apt-get install dbus at-spi2-core)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    run = folder / "run"
    run.mkdir(parents=True, mode=0o700)
    said = folder / "address"
    with said.open("wb") as out:
        daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"],
            env={**os.environ, "XDG_RUNTIME_DIR": str(run)},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    try:
        address = until(lambda: said.read_text().strip(), seconds=20, what="no session bus")
        _address_of_accessibility(address)  # starts it: a program that comes before it stays dumb
        yield {"DBUS_SESSION_BUS_ADDRESS": address, "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1"}
    finally:
        daemon.terminate()
        daemon.wait(timeout=20)


def _address_of_accessibility(session: str) -> str:
    with blocking.open_dbus_connection(bus=session) as connection:
        where = jeepney.DBusAddress("/org/a11y/bus", bus_name="org.a11y.Bus", interface="org.a11y.Bus")
        answer = connection.send_and_get_reply(jeepney.new_method_call(where, "GetAddress"), timeout=PATIENCE)
        return str(jeepney.wrappers.unwrap_msg(answer)[0])


class Eyes:
    """What a program shows. `slowest` is the longest that its window has taken for one answer, in seconds."""

    def __init__(self, session: str, pid: int) -> None:
        self._bus = blocking.open_dbus_connection(bus=_address_of_accessibility(session))
        self._pid = pid
        self._program = ""
        self.slowest = 0.0

    def close(self) -> None:
        self._bus.close()

    def things(self) -> list[Thing]:
        """All that shows, windows in front last; empty while the program cannot be asked."""
        try:
            self._program = self._program or self._find()
            return list(self._below(self._program, ROOT)) if self._program else []
        except (jeepney.DBusErrorResponse, TimeoutError):  # it changed while it was looked at, or has ended
            return []

    def _find(self) -> str:
        bus = jeepney.DBusAddress(
            "/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus"
        )
        for name, _ in self._ask("org.a11y.atspi.Registry", ROOT, "Accessible", "GetChildren"):
            asked = jeepney.new_method_call(bus, "GetConnectionUnixProcessID", "s", (name,))
            (pid,) = jeepney.wrappers.unwrap_msg(self._bus.send_and_get_reply(asked, timeout=PATIENCE))
            if pid == self._pid:
                return str(name)
        return ""

    def _below(self, program: str, path: str) -> Iterator[Thing]:
        low, high = self._ask(program, path, "Accessible", "GetState")
        state = low | high << 32
        if not (state & VISIBLE and state & SHOWING):
            return
        role = str(self._ask(program, path, "Accessible", "GetRoleName"))
        name = str(self._property(program, path, "Name")).strip()
        if name and role not in ("application", "filler"):
            yield Thing(role, name, state, self._ask(program, path, "Component", "GetExtents", "u", (0,)))
        for owner, child in self._ask(program, path, "Accessible", "GetChildren"):
            yield from self._below(owner, child)

    def _ask(self, program: str, path: str, face: str, method: str, signature: str | None = None, body=()):
        where = jeepney.DBusAddress(path, bus_name=program, interface=f"org.a11y.atspi.{face}")
        return self._answer(jeepney.new_method_call(where, method, signature, body))

    def _property(self, program: str, path: str, name: str):
        where = jeepney.DBusAddress(path, bus_name=program, interface="org.a11y.atspi.Accessible")
        return self._answer(jeepney.Properties(where).get(name))[1]

    def _answer(self, asked):
        began = time.monotonic()
        answer = self._bus.send_and_get_reply(asked, timeout=PATIENCE)
        self.slowest = max(self.slowest, time.monotonic() - began)
        return jeepney.wrappers.unwrap_msg(answer)[0]


class Person:
    """Somebody before the window of a process: looks, clicks with the mouse, types."""

    def __init__(self, environment: dict[str, str], pid: int) -> None:
        self._environment = environment
        self.pid = pid
        self.eyes = Eyes(environment["DBUS_SESSION_BUS_ADDRESS"], pid)

    def sees(self, *words: str, seconds: float = 60.0) -> None:
        """Wait until each of these shows, as a whole name or within one."""

        def all_there() -> bool:
            names = [thing.name for thing in self.eyes.things()]
            return all(any(one in name for name in names) for one in words)

        try:
            until(all_there, seconds=seconds, what="not to be seen")
        except AssertionError as problem:
            shown = "\n".join(f"{thing.role}: {thing.name}" for thing in self.eyes.things())
            raise AssertionError(f"{words}: {problem}; what shows:\n{shown}") from None

    def has(self, words: str) -> bool:
        """Whether it shows now."""
        return any(words in thing.name for thing in self.eyes.things())

    def find(self, name: str, *roles: str, seconds: float = 60.0, last: bool = False) -> Thing:
        """Wait for the thing of this name (and one of these roles), can be used and stands still."""
        before: list[Thing | None] = [None]

        def there() -> Thing | None:
            found = [
                thing
                for thing in self.eyes.things()
                if thing.name == name and thing.enabled and (not roles or thing.role in roles)
            ]
            now = (found[-1] if last else found[0]) if found else None
            settled = now if now is not None and before[0] == now else None
            before[0] = now
            return settled

        try:
            return until(there, seconds=seconds, what="not to be found", every=0.2)
        except AssertionError as problem:
            shown = "\n".join(f"{thing}" for thing in self.eyes.things())
            raise AssertionError(f"{name} {roles}: {problem}; what shows:\n{shown}") from None

    def click(self, name: str, *roles: str, seconds: float = 60.0, last: bool = False) -> Thing:
        """Press the left button in its middle."""
        thing = self.find(name, *roles, seconds=seconds, last=last)
        x, y, width, height = thing.place
        self._tool("mousemove", str(x + width // 2), str(y + height // 2))
        time.sleep(0.1)  # what opens below a mouse that still moves would take the click
        self._tool("click", "1")
        return thing

    def keys(self, *keys: str, window: str = "OutfitSwap") -> None:
        """Keys for the window of this title; there is no window manager that would give it the keyboard."""
        found = self._tool("search", "--all", "--onlyvisible", "--pid", str(self.pid), "--name", window).split()
        self._tool("windowfocus", "--sync", found[0])
        for key in keys:
            self._tool("key", "--clearmodifiers", key)

    def types(self, text: str) -> None:
        """Letters for whatever has the keyboard."""
        self._tool("type", "--delay", "30", text)

    def picture(self, path: Path) -> None:
        """A PNG of the whole screen, once what was just done has been painted."""
        time.sleep(0.7)
        path.parent.mkdir(parents=True, exist_ok=True)
        ImageGrab.grab(xdisplay=self._environment["DISPLAY"]).save(path)

    def _tool(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=self._environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


def until(look: Callable[[], object], *, seconds: float, what: str, every: float = 0.3):
    """What `look` answers as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"{what} after {seconds} s")
