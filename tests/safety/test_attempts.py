"""Attempts to get round the kernel from within: odd construction, forged, copied, borrowed and changed stages, threads."""

import contextlib
import copy
import ctypes
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import GateRefused, NotAvailable
from outfitswap_desktop.safety import gates, judging, output_gates, plan_gates, request_gates, source_gates, stages
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import RawOutput, ReleasedImage, Verdict
from tests.safety.pictures import (
    BodyPartsStub,
    WholeImageStub,
    middle,
    person,
    photo,
    planned,
    png,
    raw,
    script,
    wish,
)

NUDE = {"FEMALE_BREAST_EXPOSED": 0.9}


@pytest.fixture
def kernel():
    return script(SafetyKernel())


@pytest.fixture
def source(kernel):
    return kernel.open_photo(photo())


def reason(call):
    """The reason of the refusal that `call` ends with."""
    with pytest.raises(GateRefused) as caught:
        call()
    return caught.value.reason


class Appended:
    """A gate behind the fixed ones that does what it is told and says yes."""

    name = "appended"

    def __init__(self, act=lambda *_: None, answer=None):
        self.act = act
        self.answer = answer if answer is not None else Verdict("appended", True)

    def thresholds(self):
        return {}

    def judge(self, *given):
        self.act(*given)
        return self.answer


# --- construction -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1e9, float("inf"), 20.0001, 10**30, True])
def test_more_time_than_the_budget_cannot_be_had(budget):
    assert SafetyKernel(budget_seconds=budget)._budget <= gates.BUDGET_SECONDS


@pytest.mark.parametrize("budget", [float("nan"), -1, 0, float("-inf"), -0.0])
def test_no_time_and_time_that_is_no_number_refuse(budget):
    kernel = script(SafetyKernel(budget_seconds=budget))
    assert kernel._budget == 0.0
    slow = BodyPartsStub(instead=lambda: time.sleep(0.2))
    assert reason(lambda: script(kernel, body_parts=slow).open_photo(photo())) == "unjudged"


@pytest.mark.parametrize("budget", ["9", None, [], object()])
def test_a_budget_of_another_type_makes_no_kernel(budget):
    with pytest.raises(TypeError):
        SafetyKernel(budget_seconds=budget)


@pytest.mark.parametrize("extra", [None, 5, "abc", {"frame": None}, [None], [output_gates.Frame], (object(),)])
def test_appended_gates_that_are_none_never_loosen(extra):
    try:
        kernel = script(SafetyKernel(extra_gates=extra, extra_source_gates=()))
        source = kernel.open_photo(photo())
        output = raw(kernel, source)
    except TypeError:
        return
    with pytest.raises((GateRefused, AttributeError, TypeError)):
        kernel.release(output)


@pytest.mark.parametrize("unknown", ["gates", "skip", "developer", "thresholds", "nsfw_limit", "allow", "disabled"])
def test_the_kernel_takes_no_other_word(unknown):
    with pytest.raises(TypeError):
        SafetyKernel(**{unknown: True})


@pytest.mark.parametrize("borrowed", ["frame", "body_parts", "whole_image", "difference", "skin"])
def test_an_appended_gate_named_like_a_fixed_one_does_not_stand_in_for_it(borrowed, monkeypatch):
    """The fixed tuple without one gate, and an appended one of its name."""
    fixed = tuple(kind for kind in gates.OUTPUT_GATES if kind.name != borrowed)
    stand_in = Appended(answer=Verdict(borrowed, True))
    stand_in.name = borrowed
    kernel = script(SafetyKernel(extra_gates=(stand_in,)))
    output = raw(kernel, kernel.open_photo(photo()))
    monkeypatch.setattr(gates, "OUTPUT_GATES", fixed)
    assert reason(lambda: kernel.release(output)) == "gates_incomplete"


@pytest.mark.parametrize(
    ("group", "changed"),
    [
        (group, change)
        for group in ("SOURCE_GATES", "REQUEST_GATES", "PLAN_GATES", "OUTPUT_GATES")
        for change in ("emptied", "shorter", "reversed", "doubled", "list", "rotated")
    ],
)
def test_changed_tuples_let_nothing_through(group, changed, monkeypatch):
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    output = raw(kernel, source)
    fixed = getattr(gates, group)
    others = {
        "emptied": (),
        "shorter": fixed[:-1],
        "reversed": fixed[::-1],
        "doubled": (fixed[0], *fixed),
        "list": [],
        "rotated": (*fixed[1:], fixed[0]),
    }
    monkeypatch.setattr(gates, group, others[changed])
    ways = {
        "SOURCE_GATES": lambda: kernel.open_photo(photo()),
        "REQUEST_GATES": lambda: kernel.check_request(wish(), source),
        "PLAN_GATES": lambda: planned(kernel, source),
        "OUTPUT_GATES": lambda: kernel.release(output),
    }
    assert reason(ways[group]) == "gates_incomplete"


# --- gates and verdicts of one's own --------------------------------------------------------------------------------------


class Yes(Verdict):
    """A verdict that is another each time it is looked at."""

    __slots__ = ()

    def __getattribute__(self, name):
        return True if name == "passed" else super().__getattribute__(name)


@pytest.mark.parametrize("answer", [
    Verdict("appended", True, {"x": 10**400}),
    Verdict("appended", True, {"x": float("nan")}),
    Verdict("appended", True, {"x": float("inf")}),
    Verdict("appended", True, {"x": 1e300}),
    Verdict("appended", True, {"x": "0.1"}),
    Verdict("appended", True, None),
    Verdict("appended", True, 5),
    Verdict("appended", True, [0.1]),
    Verdict("appended", 1),
    Verdict("appended", "yes"),
    Verdict("appended", np.True_),
    Verdict("other", True),
    SimpleNamespace(gate="appended", passed=True, scores={}, reason="", message="", hint=""),
    True,
    "appended",
])  # fmt: skip
def test_an_answer_that_makes_no_sense_is_a_no_on_every_stage(answer):
    for group, way in (
        ("extra_source_gates", lambda k: k.open_photo(photo())),
        ("extra_request_gates", lambda k: k.check_request(wish(), k.open_photo(photo()))),
        ("extra_plan_gates", lambda k: planned(k, k.open_photo(photo()))),
        ("extra_gates", lambda k: k.release(raw(k, k.open_photo(photo())))),
    ):
        kernel = script(SafetyKernel(**{group: (Appended(answer=answer),)}))
        assert reason(lambda kernel=kernel, way=way: way(kernel)) == "unjudged"


def test_a_subclass_of_a_verdict_is_no_verdict():
    kernel = script(SafetyKernel(extra_gates=(Appended(answer=Yes("appended", False)),)))
    assert reason(lambda: kernel.release(raw(kernel, kernel.open_photo(photo())))) == "unjudged"


def test_a_subclassed_gate_is_not_the_fixed_one(monkeypatch):
    class Lenient(output_gates.BodyParts):
        def judge(self, output, detectors):
            return Verdict(self.name, True)

    kernel = script(SafetyKernel(extra_gates=(Lenient(),)))
    output = raw(kernel, kernel.open_photo(photo()))
    script(kernel, body_parts=BodyPartsStub(NUDE))
    assert reason(lambda: kernel.release(output)) == "output_nudity"


@pytest.mark.parametrize("hang", ["source", "request", "plan", "output"])
def test_a_gate_that_hangs_refuses(hang):
    group = {"source": "extra_source_gates", "request": "extra_request_gates", "plan": "extra_plan_gates"}
    patient = threading.Event()
    gate = Appended(lambda *_: patient.wait(20))
    kernel = script(SafetyKernel(**{group.get(hang, "extra_gates"): (gate,)}, budget_seconds=0.3))
    began = time.monotonic()
    assert reason(lambda: kernel.release(raw(kernel, kernel.open_photo(photo())))) == "unjudged"
    assert time.monotonic() - began < 15
    patient.set()


def test_pixels_swapped_by_an_appended_gate_are_not_released():
    def swap(judged, _detectors):
        judged.pixels = stages.immutable(np.full_like(judged.pixels, 7))
        judged.mask = stages.immutable(np.full_like(judged.mask, 255))
        judged.plan = None

    kernel = script(SafetyKernel(extra_gates=(Appended(swap),)))
    source = kernel.open_photo(photo())
    output = raw(kernel, source)
    out = kernel.release(output)
    assert np.array_equal(out.pixels, output.pixels)
    assert np.array_equal(out.origin.mask, output.mask)
    overlay = kernel.overlay(source, middle(source.pixels.shape))
    assert not (overlay.pixels == 7).all()


def test_a_plan_is_not_loosened_by_an_appended_gate():
    def loosen(parts, _detectors):
        assert parts.reduced is False
        parts.mask = np.full_like(parts.mask, 255)
        parts.found = None
        parts.subject = replace(parts.subject, bare=dict.fromkeys(parts.subject.bare, 1.0))
        with pytest.raises(TypeError):
            parts.scores["BUTTOCKS_EXPOSED"] = 1.0
        parts.scores = dict.fromkeys(parts.scores, 1.0)

    kernel = script(SafetyKernel(extra_plan_gates=(Appended(loosen),)))
    plan = planned(kernel, kernel.open_photo(photo()))
    assert np.array_equal(plan.mask, middle(plan.mask.shape))
    assert not plan.reduced
    assert max(plan.root.scores.values()) == 0.01
    assert max(plan.subject.bare.values()) < 1


def test_a_request_is_not_changed_by_an_appended_gate():
    def swap(_request, parts):
        parts.consent = replace(parts.consent, photo_sha256="0" * 64)
        parts.mask = np.full((96, 128), 255, np.uint8)

    kernel = script(SafetyKernel(extra_request_gates=(Appended(swap),)))
    source = kernel.open_photo(photo())
    checked = kernel.check_request(wish(), source)
    assert checked.consent.photo_sha256 == source.photo.sha256
    assert checked.mask is None


# --- the tables that a result is judged against ---------------------------------------------------------------------------


def test_no_table_of_a_sealed_stage_can_be_changed(kernel, source):
    plan = planned(kernel, source)
    tables = [source.root.scores, plan.root.scores, plan.subject.bare, plan.subject.areas]
    for table in tables:
        with pytest.raises(TypeError):
            table["BUTTOCKS_EXPOSED"] = 1.0
        assert not hasattr(table, "update")
    with pytest.raises(AttributeError):
        source.root.nsfw = 1.0


def test_the_evidence_of_a_root_that_was_found_cannot_be_changed(tmp_path):
    with Ledger(tmp_path) as ledger:
        kernel = script(SafetyKernel(ledger))
        source = kernel.open_photo(photo(size=(300, 300)))
        file = kernel.encode(kernel.release(raw(kernel, source)), "PNG")
        again = kernel.open_photo(file)
        assert again.root_sha256 == source.photo.sha256
        (document,) = again.root.subjects
        with pytest.raises(TypeError):
            document["bare"]["chest_hip"] = 1.0
        with pytest.raises(TypeError):
            document["areas"] = {}
        with pytest.raises(TypeError):
            again.root.scores["BUTTOCKS_EXPOSED"] = 1.0


# --- stages forged, borrowed and mixed ------------------------------------------------------------------------------------


def test_what_one_kernel_checked_is_nothing_to_another(kernel, source):
    other = script(SafetyKernel())
    own = other.open_photo(photo())
    output = raw(kernel, source)
    released = kernel.release(output)
    view = kernel.view(source)
    for call in (
        lambda: other.check_request(wish(), source),
        lambda: other.check_request(wish(), own, garment=kernel.open_garment(photo(1))),
        lambda: other.check_plan(
            output.plan.request, middle((96, 128)), zone=Zone.TOP, found=person((96, 128)), keeps_cut=True
        ),
        lambda: other.release(output),
        lambda: other.release(RawOutput(output.pixels, output.mask, None)),
        lambda: other.overlay(source, middle((96, 128))),
        lambda: other.encode(released, "PNG"),
        lambda: other.thumbnail(released),
        lambda: other.miniature(released),
        lambda: other.contact_sheet([[Cell(released)]]),
        lambda: other.view(source),
    ):
        with pytest.raises(TypeError):
            call()
    assert other.miniature(view) is not None, "a photo to look at is judged by whoever makes a sheet of it"


def test_a_plan_for_another_photo_does_not_release(kernel, source):
    other = kernel.open_photo(photo(7))
    plan = planned(kernel, source)
    for pixels in (other.pixels, 255 - source.pixels):
        assert reason(lambda pixels=pixels: kernel.release(RawOutput(pixels, plan.mask, plan))) == "outside_changed"


@pytest.mark.parametrize("grown", ["one", "all", "grey"])
def test_a_mask_grown_after_the_plan_does_not_release(kernel, source, grown):
    plan = planned(kernel, source)
    mask = plan.mask.copy()
    if grown == "one":
        mask[0, 0] = 1
    elif grown == "grey":
        mask[mask == 0] = 1
    else:
        mask[:] = 255
    assert reason(lambda: kernel.release(RawOutput(source.pixels, mask, plan))) == "mask_changed"


@pytest.mark.parametrize("fake", [
    SimpleNamespace(), None, object(), {"mask": 1}, "plan",
])  # fmt: skip
def test_a_forged_plan_does_not_release(kernel, source, fake):
    with pytest.raises(TypeError):
        kernel.release(RawOutput(source.pixels, middle((96, 128)), fake))


def test_a_stage_made_by_hand_is_not_known(kernel, source):
    """Even with every field filled in past the constructor."""
    plan = planned(kernel, source)
    for real in (source, plan.request, plan, kernel.release(raw(kernel, source))):
        forged = object.__new__(type(real))
        for name in type(real).__slots__:
            object.__setattr__(forged, name, getattr(real, name))
        for call in (
            lambda f=forged: kernel.check_request(wish(), f),
            lambda f=forged: kernel.check_plan(f, plan.mask, zone=Zone.TOP, found=person((96, 128)), keeps_cut=True),
            lambda f=forged: kernel.release(RawOutput(source.pixels, plan.mask, f)),
            lambda f=forged: kernel.encode(f, "PNG"),
            lambda f=forged: kernel.overlay(f, plan.mask),
            lambda f=forged: kernel.view(f),
        ):
            with pytest.raises((TypeError, AttributeError)):
                call()


def test_copies_of_a_release_are_the_release(kernel, source):
    released = kernel.release(raw(kernel, source))
    assert copy.deepcopy(released) is released
    assert copy.copy(released).pixels is released.pixels


class Sly(str):
    """Words that are others each time they are looked at."""

    __slots__ = ()

    def strip(self, *_):
        return ""

    def __len__(self):
        return 3


@pytest.mark.parametrize("prompt", [Sly("naked lady"), b"naked lady", None, 5, ["navy", "linen"]])
def test_a_prompt_that_is_no_plain_text_is_refused(kernel, source, prompt):
    assert reason(lambda: kernel.check_request(wish(prompt=prompt), source)) == "bad_prompt"


def test_a_request_of_another_class_is_refused(kernel, source):
    class Two(SwapRequest):
        __slots__ = ()

    request = Two(photo=wish().photo, output=wish().output, prompt="navy shirt", consent="self", adult_attested=True)
    assert reason(lambda: kernel.check_request(request, source)) == "bad_prompt"


@pytest.mark.parametrize("wrong", ["mask", "outline", "garment"])
def test_pictures_of_a_request_that_were_not_opened_here(kernel, source, wrong):
    given = {
        "mask": np.full((96, 128), 255, np.float64),
        "outline": np.full((96, 128), 255, np.int32),
        "garment": source,
    }
    with pytest.raises(TypeError):
        kernel.check_request(wish(), source, **{wrong: given[wrong]})


# --- time ---------------------------------------------------------------------------------------------------------------


def test_the_pipelines_array_may_change_while_it_is_judged(kernel, source):
    """Whatever another thread writes: what is released is what the gates looked at."""
    output = raw(kernel, source)
    stop, looked = threading.Event(), []
    inside = output.mask > 0

    def scribble():
        level = 0
        while not stop.is_set():
            level = (level + 37) % 256
            output.pixels[inside] = level

    script(kernel, body_parts=BodyPartsStub(looks=looked))
    thread = threading.Thread(target=scribble, daemon=True)
    thread.start()
    try:
        for _ in range(5):
            looked.clear()
            released = kernel.release(output)
            assert np.array_equal(looked[0][1][0], released.pixels)
            before = released.pixels.copy()
            first = kernel.encode(released, "PNG")
            assert np.array_equal(released.pixels, before)
            assert first
    finally:
        stop.set()
        thread.join()


def test_many_threads_release_refuse_and_encode(kernel, source):
    """Half of the threads have a result that is refused: none of them ever gets a picture."""
    bad = script(SafetyKernel(extra_gates=(Appended(answer=Verdict("appended", False, {}, "no", "No.", "Do not.")),)))
    bad_output = raw(bad, bad.open_photo(photo(3)))
    output = raw(kernel, source)
    got, leaked = [], []

    def good():
        got.append(kernel.encode(kernel.release(output), "JPEG"))

    def evil():
        with contextlib.suppress(GateRefused):
            leaked.append(bad.release(bad_output))

    threads = [threading.Thread(target=work) for work in (good, evil) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert not leaked
    assert not [image for image in bad._made if isinstance(image, ReleasedImage)]


def test_pixels_of_a_release_lie_in_memory_that_is_not_written_to(kernel, source):
    released = kernel.release(raw(kernel, source))
    for array in (released.pixels, released.origin.mask, released.origin.plan.mask):
        for call in (
            lambda a=array: a.setflags(write=True),
            lambda a=array: a.view().setflags(write=True),
            lambda a=array: np.copyto(a, 0),
            lambda a=array: a.sort(),
            lambda a=array: a.fill(0),
            lambda a=array: a.resize((1,)),
            lambda a=array: ctypes.c_ubyte.from_buffer(a),
            lambda a=array: a.byteswap(inplace=True),
        ):
            with pytest.raises((ValueError, TypeError)):
                call()


# --- what can be written beside results -----------------------------------------------------------------------------------


def test_no_picture_leaves_as_a_mask(kernel, source):
    from io import BytesIO

    from PIL import Image

    grey = np.random.default_rng(1).integers(0, 256, (96, 128), dtype=np.uint8)
    written = np.asarray(Image.open(BytesIO(kernel.encode_mask(grey))))
    assert set(np.unique(written)) <= {0, 255}
    with pytest.raises(TypeError):
        kernel.encode_mask(source.pixels)


def test_a_sheet_and_a_miniature_show_nothing_that_is_not_sealed(kernel, source):
    for wrong in (source, source.pixels, png(source.pixels), object(), SimpleNamespace(pixels=source.pixels, icc=None)):
        with pytest.raises(TypeError):
            kernel.contact_sheet([[Cell(wrong)]])
        with pytest.raises(TypeError):
            kernel.miniature(wrong)
        for way in (kernel.thumbnail, lambda image: kernel.encode(image, "PNG")):
            with pytest.raises(TypeError):
                way(wrong)


def test_a_photo_refused_as_a_result_is_not_made_small_either(kernel, source):
    view = kernel.view(source)
    script(kernel, whole_image=WholeImageStub(0.9))
    assert kernel.miniature(view, side=8) is None
    assert kernel.miniature(view, side=10**9) is None


# --- the audit log must be there ------------------------------------------------------------------------------------------


def test_without_a_log_nothing_is_encoded(tmp_path):
    ledger = Ledger(tmp_path)
    kernel = script(SafetyKernel(ledger))
    released = kernel.release(raw(kernel, kernel.open_photo(photo())))
    ledger.close()
    (tmp_path / "safety").rename(tmp_path / "away")
    (tmp_path / "safety").write_text("no folder")
    with pytest.raises(NotAvailable):
        kernel.encode(released, "PNG")
    with pytest.raises(NotAvailable):
        kernel.open_photo(photo(1))


def test_thresholds_are_constants_of_the_code():
    """What the gates say they judge by is what stands here, by hand."""
    said = {
        kind.name: kind().thresholds()
        for group in (gates.SOURCE_GATES, gates.REQUEST_GATES, gates.PLAN_GATES, gates.OUTPUT_GATES)
        for kind in group
    }
    assert said["exposure"]["BUTTOCKS_EXPOSED"] == said["body_parts"]["BUTTOCKS_EXPOSED"] == 0.25
    assert said["whole_image"] == said["source_whole_image"] == {"nsfw": 0.5}
    assert (said["difference"]["rise"], said["difference"]["seen"]) == (0.05, 0.2)
    assert (said["skin"]["chest_hip_rise"], said["skin"]["elsewhere_rise"]) == (0.02, 0.06)
    assert said["mask"]["most_of_image"] == 0.6
    assert said["apparent_age"] == {"minor": 0.5, "adult": 18, "surely_adult": 25}
    assert said["consent"]["days"] == 365
    assert said["request_shape"] == {"most_characters": 300}
    assert gates.BUDGET_SECONDS == 20.0
    assert judging._LARGEST_SCORE == 1e9
    assert {m.__name__.rpartition(".")[2] for m in (source_gates, request_gates, plan_gates, output_gates)} == {
        "source_gates", "request_gates", "plan_gates", "output_gates"
    }  # fmt: skip
