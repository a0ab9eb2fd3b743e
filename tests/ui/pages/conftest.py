"""A desk that notes what it is asked and answers when the test says so."""

import pytest

from outfitswap_desktop.engine.messages import Problem

DOCTOR = {
    "version": "0.1.0",
    "usable": True,
    "seconds": 1.0,
    "rows": [
        {"name": "Python", "state": "ok", "value": "3.11", "advice": ""},
        {"name": "processor", "state": "ok", "value": "AMD; 2 of 2 threads usable", "advice": ""},
        {"name": "MediaPipe", "state": "warn", "value": "slow", "advice": "It may load all the same."},
        {"name": "graphics card", "state": "missing", "value": "no NVIDIA driver", "advice": "Not needed."},
    ],
}


class FakeDesk:
    def __init__(self):
        self.asked = []

    def ask(self, request, answered, failed=None, *, key=""):
        self.asked.append((request, answered, failed, key))
        return len(self.asked)

    @property
    def request(self):
        return self.asked[-1][0]

    def answer(self, value, number=-1):
        self.asked[number][1](value)

    def fail(self, message="The engine stopped.", hint="Try again.", number=-1):
        self.asked[number][2](Problem("failed", "died", message, hint))


@pytest.fixture
def desk():
    return FakeDesk()


@pytest.fixture
def doctor():
    return DOCTOR
