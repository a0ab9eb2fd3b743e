"""The questions on a terminal: asked once, nothing filled in beforehand, any other answer stops."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from outfitswap_desktop import asking, paths
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.errors import Cancelled, GateRefused
from tests.fakes import STATED

pty = pytest.importorskip("pty", reason="terminals of POSIX")


@pytest.fixture
def typed(monkeypatch):
    """Somebody sits there and types these lines; what was asked is kept."""
    lines, asked = [], []

    def answer(question):
        asked.append(question)
        return lines.pop(0)

    monkeypatch.setattr(asking, "can_ask", lambda: True)
    monkeypatch.setattr(asking, "ask_typed", answer)
    return lines, asked


@pytest.fixture
def request_(astronaut_file, tmp_path):
    return SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt")


def go(runner, request, quiet=False):
    return asking.run_asking(runner, request, quiet=quiet, cancel=CancelToken())


@pytest.fixture
def fresh(history):
    """A runner with records of its own: nothing was stated yet."""
    from outfitswap_desktop.core.steps import Steps
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.kernel import SafetyKernel
    from tests.fakes import FakeSegmenter, InvertingGenerator
    from tests.safety.pictures import script

    return Runner(kernel=script(SafetyKernel()), steps=Steps(FakeSegmenter(), InvertingGenerator()), history=history)


def test_consent_and_age_are_asked_once_and_kept(fresh, request_, typed):
    lines, asked = typed
    lines += ["1", "ADULT"]
    outcome = go(fresh, request_)
    assert outcome.output.is_file()
    assert not lines
    receipt = json.loads(outcome.receipt.read_text())
    assert receipt["safety"]["consent"]["kind"] == "self"
    assert receipt["safety"]["consent"]["adult_attested"] is True
    asked.clear()
    go(fresh, replace(request_, prompt="navy shirt"))
    assert asked == [], "asked once for a photo"


@pytest.mark.parametrize(("number", "kind"), [("1", "self"), ("3", "synthetic"), ("4", "licensed")])
def test_each_number_states_what_it_says(fresh, request_, typed, number, kind):
    typed[0].extend([number, "adult"])
    assert json.loads(go(fresh, request_).receipt.read_text())["safety"]["consent"]["kind"] == kind


def test_a_signed_release_is_hashed(fresh, request_, typed, tmp_path):
    release = tmp_path / "release.pdf"
    release.write_bytes(b"%PDF signed")
    typed[0].extend(["2", str(release), "ADULT"])
    said = json.loads(go(fresh, request_).receipt.read_text())["safety"]["consent"]
    assert said["kind"] == "release"
    assert len(said["release_sha256"]) == 64


@pytest.mark.parametrize("answer", ["", "0", "5", "yes", "y", "self", "11", "1 "])
def test_any_other_answer_stops(fresh, request_, typed, answer):
    typed[0].append(answer)
    with pytest.raises(Cancelled):
        go(fresh, request_)
    assert not request_.output.exists()


@pytest.mark.parametrize("answer", ["", "yes", "y", "18", "ADULTS"])
def test_age_is_not_stated_by_anything_but_the_word(fresh, request_, typed, answer):
    typed[0].extend(["1", answer])
    with pytest.raises(Cancelled):
        go(fresh, request_)
    assert not request_.output.exists()


def test_nothing_is_asked_where_nobody_sits(fresh, request_, typed, monkeypatch):
    monkeypatch.setattr(asking, "can_ask", lambda: False)
    with pytest.raises(GateRefused) as caught:
        go(fresh, request_)
    assert caught.value.reason == "consent_needed"
    assert typed[1] == []


def test_nothing_is_asked_for_json(fresh, request_, typed):
    with pytest.raises(GateRefused):
        go(fresh, request_, quiet=True)
    assert typed[1] == []


def test_no_other_refusal_is_asked_away(fresh, request_, typed):
    with pytest.raises(GateRefused) as caught:
        go(fresh, replace(request_, prompt="naked lady", **STATED))
    assert caught.value.reason == "prompt_nudity"
    assert typed[1] == []


def test_the_terms_are_shown_once(fresh, request_, typed, capsys):
    asking.introduce(fresh)
    first = capsys.readouterr().err
    assert len(first) > 200
    assert (paths.data_dir() / "first-run.txt").read_text().strip() == first.strip()
    asking.introduce(fresh)
    assert capsys.readouterr().err == ""


# --- a real terminal ------------------------------------------------------------------------------------------------------


def on_a_terminal(arguments, answers, home, timeout=180):
    """Run the program on a pseudo-terminal: (exit code, all that was shown); `answers` are (what to wait for, what to type)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "outfitswap_desktop", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "OUTFITSWAP_HOME": str(home), "TERM": "dumb"},
        close_fds=True,
    )
    os.close(theirs)
    shown, waiting, deadline = "", list(answers), time.monotonic() + timeout
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data.decode("utf-8", "replace")
        if waiting and waiting[0][0] in shown.rpartition("\x00")[2]:
            _, words = waiting.pop(0)
            os.write(ours, f"{words}\n".encode())
            shown += "\x00"
        if process.poll() is not None and not ready:
            break
    process.wait(timeout=30)
    os.close(ours)
    return process.returncode, shown


def test_a_terminal_is_asked_and_cancels(astronaut_file, tmp_path, own_home):
    """Nothing but Return: no statement is made, and nothing is written."""
    out = tmp_path / "made" / "o.png"
    order = ("swap", astronaut_file, "-p", "navy linen", "-o", out)
    code, shown = on_a_terminal(order, [("stops):", "")], own_home)
    assert code == 130, shown
    assert "Who agreed" in shown
    assert "Nothing was stated" in shown
    assert not Path(out).exists()
    code, shown = on_a_terminal(order, [("stops):", "9")], own_home)
    assert code == 130
    assert "Who agreed" in shown, "no answer is remembered as one"
