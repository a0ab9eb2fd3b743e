"""The runner asks its gate: after the plan is approved, before anything is painted, and settles whatever the end is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.errors import Cancelled, GateRefused, InputRefused, KnownError, NotAvailable
from outfitswap_desktop.runner import Runner
from outfitswap_desktop.safety import writing
from tests.fakes import STATED, FakeSegmenter, InvertingGenerator


@dataclass
class Ticket:
    said: list
    id: str = "01J00000000000000000000000"
    problem: Exception | None = None

    def commit(self, *, output_sha256):
        self.said.append(("commit", output_sha256))
        if self.problem is not None:
            raise self.problem

    def void(self, reason):
        self.said.append(("void", reason))


@dataclass
class Gate:
    said: list = field(default_factory=list)
    refusal: Exception | None = None
    problem: Exception | None = None

    def reserve(self, *, engine, job):
        self.said.append(("reserve", engine, job))
        if self.refusal is not None:
            raise self.refusal
        return Ticket(self.said, problem=self.problem)

    def settle(self, made):
        raise AssertionError


@pytest.fixture
def road(kernel, history):
    gate, segmenter, generator = Gate(), FakeSegmenter(), InvertingGenerator()
    return (
        Runner(kernel=kernel, steps=Steps(segmenter, generator), history=history, gate=gate),
        gate,
        segmenter,
        generator,
    )


def swap(runner, photo, output, **more):
    request = SwapRequest(photo=photo, output=output, prompt="navy linen", **STATED)
    return runner.run(request, report=lambda now: None, cancel=more.pop("cancel", CancelToken()), **more)


def test_a_result_is_paid_when_it_is_in_its_place(road, history, astronaut_file, tmp_path):
    runner, gate, _, generator = road
    generator.on_generate = lambda: gate.said.append("paints")
    outcome = swap(runner, astronaut_file, tmp_path / "o.png", job="j1")
    sha256 = history.get(outcome.entry_id).output_sha256
    assert gate.said == [("reserve", "invert", "j1"), "paints", ("commit", sha256)]
    assert history.made_with(Ticket([]).id) == sha256


def test_every_other_end_gives_the_credits_back(road, history, astronaut_file, tmp_path, monkeypatch):
    runner, gate, _, generator = road
    cancel = CancelToken()
    ends = [
        ("bad_words", InputRefused, lambda: setattr(generator, "problem", InputRefused("x", reason="bad_words"))),
        ("valueerror", ValueError, lambda: setattr(generator, "problem", ValueError("bug"))),
        (
            "cancelled",
            Cancelled,
            lambda: (setattr(generator, "problem", None), setattr(generator, "on_generate", cancel.set)),
        ),
    ]
    for reason, kind, prepare in ends:
        prepare()
        gate.said.clear()
        with pytest.raises(kind):
            swap(runner, astronaut_file, tmp_path / "o.png", cancel=cancel)
        assert gate.said == [("reserve", "invert", ""), ("void", reason)]
    generator.on_generate = None
    gate.said.clear()

    def full(staged):
        raise NotAvailable("full", reason="disk_full")

    monkeypatch.setattr(writing, "publish", full)
    with pytest.raises(NotAvailable):
        swap(runner, astronaut_file, tmp_path / "o.png")
    assert gate.said[1:] == [("void", "disk_full")]
    assert history.list() == ()
    assert history.made_with(Ticket([]).id) is None


def test_what_the_gates_refuse_is_given_back(road, astronaut_file, tmp_path, monkeypatch):
    runner, gate, _, _ = road

    def refuse(*_, **__):
        raise GateRefused("no", reason="output_nudity")

    monkeypatch.setattr(runner.kernel, "release", refuse)
    with pytest.raises(GateRefused):
        swap(runner, astronaut_file, tmp_path / "o.png")
    assert gate.said[1:] == [("void", "output_nudity")]


def test_without_credits_nothing_is_painted(road, astronaut_file, tmp_path):
    runner, gate, _, generator = road
    gate.refusal = NotAvailable("none", reason="no_credits")
    with pytest.raises(KnownError) as caught:
        swap(runner, astronaut_file, tmp_path / "o.png")
    assert caught.value.reason == "no_credits"
    assert generator.requests == []
    assert not (tmp_path / "o.png").exists()


def test_what_is_refused_before_painting_asks_nobody(road, astronaut_file, tmp_path):
    runner, gate, segmenter, _ = road
    segmenter.problem = InputRefused("nobody", reason="nobody_found")
    with pytest.raises(InputRefused):
        swap(runner, astronaut_file, tmp_path / "o.png")
    assert gate.said == []


def test_a_result_stays_when_its_payment_cannot_be_written_down(road, history, astronaut_file, tmp_path):
    runner, gate, _, _ = road
    gate.problem = NotAvailable("full", reason="disk_full")
    swap(runner, astronaut_file, tmp_path / "o.png")
    assert (tmp_path / "o.png").exists()
    assert [word for word, *_ in gate.said] == ["reserve", "commit"]
