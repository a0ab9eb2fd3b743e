"""A data folder, a clock that tests turn, keyrings that behave and that do not, and events that fit."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from outfitswap_desktop import private
from outfitswap_desktop.safety.records import schema
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.records.ledger import Ledger

START = 1_800_000_000.0
"""15 January 2027."""
DAY = 86_400.0


@dataclass
class Clock:
    """Seconds since 1970 that stand still until a test moves them."""

    seconds: float = START

    def __call__(self) -> float:
        return self.seconds


@dataclass
class FakeKeyring:
    """A keyring in memory; `broken` lists the methods that raise, `hangs` those that do not answer."""

    entries: dict = field(default_factory=dict)
    broken: tuple = ()
    hangs: tuple = ()
    forgets: bool = False
    calls: list = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def _misbehave(self, name):
        self.calls.append(name)
        if name in self.hangs:
            self.release.wait(30)
        if name in self.broken:
            raise RuntimeError("locked")

    def get_password(self, service, username):
        self._misbehave("get")
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self._misbehave("set")
        if not self.forgets:
            self.entries[service, username] = password

    def delete_password(self, service, username):
        self._misbehave("delete")
        del self.entries[service, username]


def none_there():
    """find_backend of a machine without a keyring."""
    return None


@pytest.fixture(autouse=True)
def no_real_keyring(monkeypatch):
    """No test touches the keyring or the passphrase of who runs it; a silent one is given up quickly."""
    monkeypatch.setattr(private, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(private, "_find_backend", none_there)
    monkeypatch.delenv(private.PASSPHRASE_VARIABLE, raising=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring():
    fake = FakeKeyring()
    yield fake
    fake.release.set()


@pytest.fixture
def ledger(folder, clock):
    with Ledger(folder, clock=clock, find_backend=none_there) as opened:
        yield opened


@pytest.fixture
def reopen(folder, clock):
    """Another program's view of the same records."""
    opened = []

    def make(**options) -> Ledger:
        opened.append(Ledger(folder, **{"clock": clock, "find_backend": none_there, **options}))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def sha(number: int) -> str:
    return f"{number:064x}"


def event(number: int = 0) -> dict:
    return schema.decision("output", "passed", gate="skin", scores={"nsfw": number / 1000}, picture=sha(number))


def evidence(number: int = 0, **changes) -> RootEvidence:
    values = {
        "root_sha256": sha(number),
        "size": (640, 480),
        "scores": {"FACE_FEMALE": 0.75, "BUTTOCKS_EXPOSED": 0.01},
        "nsfw": 0.02,
        "subjects": ({"polygons": {"chest_hip": [[1, 2], [3.5, 4]]}, "model": [0.25, -1.5], "found": True},),
    }
    return RootEvidence(**{**values, **changes})


def wait_until(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
