"""`outfitswap licence`: the same parts, with exit codes and documents."""

from __future__ import annotations

import json

import pytest

from outfitswap_desktop import wiring
from outfitswap_desktop.cli import run


@pytest.fixture
def ask(world, capsys, monkeypatch):
    """Run one command on this machine; a program of its own each time."""
    monkeypatch.setattr(wiring, "open_licensing", lambda: world.machine()[0])

    def asked(*arguments):
        code = run(["licence", *map(str, arguments), "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said[said.index("{\n") :])  # before it the server's log of this process

    return asked


def test_a_life_on_the_command_line(world, ask, tmp_path):
    assert ask("status")[1]["state"] == "signed_out"
    code, answer = ask("activate", "--key", world.key(100))
    assert (code, answer["state"], answer["available"]) == (0, "online", 100)
    assert len(answer["root_key_fingerprint"].split()) == 8
    assert ask("take", 20, "--days", 3)[1]["lease_left"] == 20
    assert ask("take", 20)[1]["error"]["reason"] == "lease_open"
    code, answer = ask("receipts", tmp_path / "r")
    assert answer["file"].endswith("r.osrcp")
    assert ask("return")[1]["available"] == 100
    kinds = [entry["kind"] for entry in ask("history")[1]["entries"]]
    assert len(kinds) == 3
    assert ask("buy")[1] == {"packs": []}
    code, answer = ask("buy", "nothing")
    assert code == 4
    assert ask("release")[1]["state"] == "signed_out"
    code, answer = ask("history")
    assert (code, answer["error"]["reason"]) == (4, "signed_out")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("activate", "--key", "x"), 2, "not_a_key"),
        (("activate", "--key", "x", "--browser"), 2, "usage"),
        (("activate", "--server", "http://example.org"), 2, "bad_server"),
        (("take", 0), 2, "usage"),
        (("take", 5, "--days", 31), 2, "usage"),
        (("take", 5), 4, "signed_out"),
        (("receipts", "x"), 2, "no_lease"),
        (("activate", "--file", "missing.oslic"), 4, "no_keys"),
    ],
)
def test_what_goes_wrong_has_its_code(ask, arguments, code, reason):
    got, answer = ask(*arguments)
    assert (got, answer["error"]["reason"]) == (code, reason)


def test_words_for_people(world, ask, capsys):
    run(["licence", "activate", "--key", world.key(3)])
    run(["licence", "status"])
    run(["licence", "history"])
    said = capsys.readouterr()
    assert "credits      3, 0 held, 0 taken along" in said.out
    assert "+3" in said.out
    assert "note: " in said.err
