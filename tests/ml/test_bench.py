"""The bench: its clocks, its verdicts, its table, and every case with small networks on the processor."""

import json
import math
from dataclasses import dataclass, field

import pytest

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.ml.bench.case import Need, Row, Setting, Target, compared
from outfitswap_desktop.ml.bench.cases_card import cases as card_cases
from outfitswap_desktop.ml.bench.cases_cpu import HostTimeCase, LedgerCase
from outfitswap_desktop.ml.bench.cases_jobs import CountersCase
from outfitswap_desktop.ml.bench.cases_jobs import cases as job_cases
from outfitswap_desktop.ml.bench.cases_memory import cases as memory_cases
from outfitswap_desktop.ml.bench.ceilings import measure_ceilings
from outfitswap_desktop.ml.bench.networks import StubTokenizer, component, random_networks
from outfitswap_desktop.ml.bench.report import HEADINGS, Report, failed
from outfitswap_desktop.ml.bench.suite import INSTALL, all_cases, run_suite
from outfitswap_desktop.ml.bench.timing import interleaved, process_clock, wall_clock
from outfitswap_desktop.ml.device import Device
from outfitswap_desktop.ml.recipes import recipes

TINY = Setting("cpu", "", False, lambda: 500.0, tiny=True)


@dataclass
class Fixed:
    """A case that answers what it was given, or raises it."""

    ids: tuple = ("X1",)
    what: str = "nothing"
    need: Need = field(default_factory=lambda: Need("cpu", 1, 0, ("torch",)))
    quick: bool = True
    answer: object = ()

    def run(self, setting):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def row(**changes):
    return compared(
        "X1", "a step", unit="ms", ours=2.0, baseline=6.0, against="B0",
        **{"target": Target(ratio=2.5, most=1.0, on=("H100",)), **changes},
    )  # fmt: skip


# --- clocks -----------------------------------------------------------------------------------------------------------


def test_candidates_take_turns_and_the_median_is_answered():
    seen = []
    times = iter([9.0, 9.0, 1.0, 5.0, 3.0, 7.0, 2.0, 100.0])

    def clock(call):
        seen.append(call())
        return next(times)

    found = interleaved([lambda: "a", lambda: "b"], repeats=3, warm=1, clock=clock)
    assert seen == ["a", "b"] * 4
    assert found == [2.0, 7.0]


def test_a_long_measurement_stops_at_its_budget_after_three_rounds():
    calls = []
    interleaved([lambda: calls.append(1)], repeats=50, warm=0, clock=wall_clock, budget=-1.0)
    assert len(calls) == 3


def test_the_process_clock_counts_work_and_not_waiting():
    import time

    assert process_clock(lambda: time.sleep(0.05)) < 25
    assert process_clock(lambda: sum(math.sqrt(n) for n in range(200_000))) > 1


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_absolute_bounds_are_for_the_card_they_were_set_for():
    assert row().ratio == 3.0
    assert row().target.reached(row(), card="NVIDIA GeForce RTX 3060") is True
    assert row().target.reached(row(), card="NVIDIA H100 80GB HBM3") is False
    assert Target(most=3.0).reached(row(), card="") is True
    assert Target(least=3.0).reached(row(), card="") is False
    assert Target().reached(row(), card="") is None


@pytest.mark.parametrize("error", [0.02, float("nan"), float("inf")])
def test_a_fast_wrong_answer_has_reached_nothing(error):
    wrong = row(errors={"one step": error}, target=Target(ratio=2.5))
    assert wrong.target.reached(wrong, card="") is False
    right = row(errors={"one step": 0.009}, target=Target(ratio=2.5))
    assert right.target.reached(right, card="") is True


def test_a_row_without_figures_reaches_nothing_and_says_why():
    (broken,) = failed(("G9",), "a job", "OutOfMemoryError: no")
    assert Target(ratio=1).reached(broken, card="") is None


# --- the table and the document ---------------------------------------------------------------------------------------


def report(*rows):
    machine = {"card": "NVIDIA H100", "torch": "2.15", "date": "2026-11-22", "load": [0.1, 0.2, 0.3]}
    ceilings = {"tflops": 798.0, "gib_per_s": 2800.0, "how": "8192"}
    return Report(machine, ceilings, rows, {"G2": "only in the full suite"}, 12.34)


def test_the_table_has_a_line_for_each_row_and_the_remarks_follow():
    lines = report(row(errors={"one step": 0.001}, notes=("a note",)), *failed(("G9",), "a job", "it broke")).lines()
    text = "\n".join(lines)
    table = lines[3:6]
    assert table[0].split() == list(HEADINGS)
    assert table[1].split() == ["X1", "a", "step", "2", "ms", "6", "ms", "B0", "3.00x", ">=", "2.5x,", "<=", "1", "no"]
    assert table[2].split() == ["G9", "a", "job", "-", "-", "-", "-", "not", "run"]
    assert len({line.index(word) for line, word in zip(table, ("what", "a step", "a job"), strict=True)}) == 1
    for remark in (
        "798",
        "X1: error one step 0.001",
        "X1: a note",
        "G9: it broke",
        "not run: G2: only in the full suite",
    ):
        assert remark in text


def test_the_document_is_json_and_has_no_figure_that_is_none():
    document = report(row(errors={"x": float("nan")}), Row("Y", "y", ours=1 / 3)).as_json()
    read = json.loads(json.dumps(document, allow_nan=False))
    assert read["rows"][0]["ratio"] == 3.0
    assert read["rows"][0]["errors"] == {"x": None}
    assert read["rows"][0]["reached"] is False
    assert read["rows"][1]["ours"] == 0.33333
    assert read["missing"] == {"G2": "only in the full suite"}
    assert read["machine"]["card"] == "NVIDIA H100"


# --- the suite --------------------------------------------------------------------------------------------------------


def test_a_broken_case_costs_no_other_and_what_does_not_fit_is_named():
    cases = (
        Fixed(("A1",), answer=RuntimeError("first line\nsecond")),
        Fixed(("A2",), answer=(row(),)),
        Fixed(("A3",), need=Need("cuda", 1, 0, ("torch",))),
        Fixed(("A4",), quick=False),
        Fixed(("A5",), need=Need("cpu", 10_000, 0, ("torch",))),
        Fixed(("A6",), need=Need("cpu", 1, 0, ("no_such_library",))),
    )
    told = []
    found = run_suite(cases=cases, device="cpu", tiny=True, tell=told.append)
    assert [one.failure for one in found.rows] == ["RuntimeError: first line", ""]
    assert found.missing["A3"] == "there is no CUDA card"
    assert found.missing["A4"] == "only in the full suite"
    assert "it takes about 10000" in found.missing["A5"]
    assert found.missing["A6"] == "no_such_library is not installed"
    assert told[1:] == ["A1: nothing", "A2: nothing"]
    assert found.ceilings["tflops"] > 0
    full = run_suite(cases=cases[3:4], device="cpu", tiny=True, suite="full")
    assert full.missing == {}


def test_only_what_is_named_is_run_whatever_the_suite():
    cases = (Fixed(("A1",), answer=(row(),)), Fixed(("A4",), quick=False, answer=(row(), row())))
    assert len(run_suite(cases=cases, only=["a4"], device="cpu", tiny=True).rows) == 2
    with pytest.raises(UsageProblem, match="no measurement Z9"):
        run_suite(cases=cases, only=["A1", "Z9"], device="cpu", tiny=True)
    with pytest.raises(UsageProblem):
        run_suite(cases=cases, suite="huge", device="cpu", tiny=True)


def test_without_torch_it_says_how_to_get_it(monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    with pytest.raises(NotAvailable) as caught:
        run_suite(cases=(Fixed(),), device="cpu")
    assert (caught.value.exit_code, caught.value.reason, caught.value.hint) == (4, "torch_missing", INSTALL)


def test_the_suite_of_the_research_is_there_once_each_and_fits_its_time():
    cases = all_cases()
    ids = [one for case in cases for one in case.ids]
    assert len(ids) == len(set(ids))
    assert {f"G{n}" for n in range(1, 19)} | {"C2", "C10", "C11", "C12", "C13"} <= set(ids)
    on_card = [case for case in cases if case.need.on == "cuda"]
    assert {"G1", "G3", "G7", "G10", "G11"} <= {one for case in on_card if case.quick for one in case.ids}


def test_the_machine_is_named():
    found = run_suite(cases=(), device="cpu", tiny=True)
    assert found.machine["date"].startswith("20")
    assert found.machine["torch"]
    assert found.machine["card"] is None
    assert found.machine["program"]
    assert measure_ceilings("cpu", tiny=True).gib_per_s > 0.01


# --- networks ---------------------------------------------------------------------------------------------------------


def test_random_networks_have_no_zeros_and_the_published_names():
    import torch

    networks = random_networks("sdxl", device="cpu", dtype="float32", tiny=True)
    assert networks.wide
    for module in (networks.unet, networks.vae, *networks.texts):
        for name, tensor in module.named_parameters():
            assert torch.isfinite(tensor).all(), name
            assert (tensor != 0).float().mean() > 0.99, name
    assert set(networks.unet.config) >= set(component("sdxl.unet").config)
    assert networks.unet.config.in_channels == 9


def test_the_stub_tokenizer_answers_in_clips_shape():
    tokenizer = StubTokenizer()
    one, other = tokenizer("red wool coat").input_ids, tokenizer(["red wool coat", "blue"]).input_ids
    assert one.shape == (1, 77)
    assert other.shape == (2, 77)
    assert (one[0] == other[0]).all()
    assert (one[0] != other[1]).any()
    assert tokenizer("word " * 200).input_ids.shape == (1, 77)


# --- every case, small ------------------------------------------------------------------------------------------------


def sound(rows):
    for one in rows:
        assert not one.failure, one
        assert one.ours is not None
        assert math.isfinite(one.ours)
        assert one.baseline is None or (math.isfinite(one.baseline) and one.baseline > 0)
        assert all(error <= 1e-2 for error in one.errors.values()), one.errors
    json.dumps([one.facts if isinstance(one.facts, dict) else dict(one.facts) for one in rows])
    return rows


def test_host_time_is_compared_from_equal_latents():
    rows = sound(HostTimeCase().run(TINY))
    assert [one.id for one in rows] == ["C13", "C13"]
    for one in rows:
        (error,) = one.errors.values()
        assert error < 1e-4


def test_the_second_outfit_encodes_nothing_again():
    (one,) = sound(CountersCase().run(TINY))
    assert one.ours == 0
    assert one.facts["first"] == (1, 2)
    assert one.facts["other_words"] == (0, 1)
    assert one.target.reached(one, card="") is True


@pytest.mark.slow
def test_the_ledger_of_the_large_photo():
    for one in sound(LedgerCase().run(TINY)):
        assert one.target.reached(one, card="") is True


@pytest.mark.parametrize("name", [case.ids[0] for case in card_cases() if case.ids[0] in {"G1", "G5", "G12"}])
def test_cases_of_the_card_run_small_on_the_processor(name):
    (case,) = (case for case in card_cases() if case.ids[0] == name)
    assert {one.id for one in sound(case.run(TINY))} == set(case.ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", [case.ids[0] for case in (*card_cases(), *job_cases(), *memory_cases())])
def test_every_case_runs_small_on_the_processor(name):
    (case,) = (case for case in (*card_cases(), *job_cases(), *memory_cases()) if case.ids[0] == name)
    assert {one.id for one in sound(case.run(TINY))} == set(case.ids)


@pytest.mark.gpu
def test_on_a_card_a_step_is_right_and_recorded():
    (case,) = (case for case in card_cases() if case.ids[0] == "G1")
    (one,) = sound(case.run(Setting("cuda", "", False, lambda: 100.0)))
    assert one.facts["accelerator"]["captures"] >= 1
    assert one.ratio > 1


@pytest.mark.slow
def test_the_products_own_step_is_compiled_whole_and_takes_over(tmp_path):
    import torch

    from outfitswap_desktop.ml.bench.steps import OurLoop, difference, make_start
    from outfitswap_desktop.ml.speed.artifacts import Artifacts
    from outfitswap_desktop.ml.speed.card import Verdicts, this_card
    from outfitswap_desktop.ml.speed.compiled import Compiler
    from outfitswap_desktop.ml.speed.stepper import Stepper

    card = this_card("cpu")
    own = Compiler(Artifacts(card, folder=tmp_path), Verdicts(card, folder=tmp_path), pays=0.0)
    stepper = Stepper(device="cpu", graphs=False, compiler=own)
    networks = random_networks("sd15", device="cpu", dtype="float32", tiny=True)
    start = make_start(networks, (64, 64))
    loop = OurLoop(networks, stepper)

    def job():
        with stepper.around(recipes()["sd15"], device=Device("cpu", "CPU", 1, 1, None, "float32"), mode="quality"):
            return loop.job(start, steps=4, guidance=5.0)().clone()

    eager = job()
    job()
    assert stepper.wait(280)
    for _ in range(2):
        compiled = job()
    assert stepper.counters.swaps == 1, stepper.counters
    assert stepper.counters.recompiles == 0
    assert difference(compiled, eager) < 1e-4
    assert not torch._dynamo.utils.counters["graph_break"]
    assert stepper.state()["compiled"] == "compiled"
