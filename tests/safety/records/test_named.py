"""The entry of the log that a consent leans on: that very one, and no other."""

import json
from types import SimpleNamespace

import pytest

from outfitswap_desktop.safety.records import consents

STORED = SimpleNamespace(id=b"\x10" * 16, mac=b"\x20" * 32)
BODY = {"kind": "consent_given", "consent": "10" * 16, "digest": "20" * 32}


def names(**changes):
    return consents._names(SimpleNamespace(body=json.dumps(BODY | changes)), STORED)


def test_the_entry_that_logged_it():
    assert names()
    assert names(at="2026-01-01")


@pytest.mark.parametrize("change", [
    {"kind": "consent_withdrawn"}, {"kind": "a"}, {"consent": "11" * 16}, {"consent": "00" * 16},
    {"digest": "21" * 32}, {"digest": "00" * 32}, {"digest": "20" * 31}, {"digest": "20" * 33},
])  # fmt: skip
def test_another_entry(change):
    assert not names(**change)
