"""Every gate on every way out: passing, refusing, raising, missing, changed, late, or answering nonsense. Nothing leaks."""

import io
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.errors import Cancelled, GateRefused, InputRefused, NotAvailable, PhotoUnreadable
from outfitswap_desktop.safety import api, detectors, gates, parts, source_gates, stages
from outfitswap_desktop.safety.detectors import BODY_PARTS, LABELS, WHOLE_IMAGE, Detectors, WeightsFile
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import DecodedImage, ReleasedImage, Verdict
from tests.safety.pictures import BodyPartsStub, WholeImageStub, middle, photo, planned, png, raw, script, wish

# --- the ways out -----------------------------------------------------------------------------------------------------


def as_result(kernel, source):
    output = raw(kernel, source)
    return lambda: kernel.release(output)


def as_overlay(kernel, source):
    return lambda: kernel.overlay(source, middle(source.pixels.shape))


def as_miniature(kernel, source):
    return lambda: kernel.miniature(kernel.view(source))


def as_sheet(kernel, source):
    """The sheet itself is made, with an empty place that says why; the photo is not in it."""

    def out():
        sheet = kernel.contact_sheet([[Cell(kernel.view(source), "me")]])
        grey = kernel.contact_sheet([[Cell(None, "me (not shown: a check refused it)")]])
        width = min(sheet.pixels.shape[1], grey.pixels.shape[1])
        colours = len(np.unique(sheet.pixels[:, :width].reshape(-1, 3), axis=0))
        return None if colours < 300 else sheet

    return out


ROUTES = {"result": as_result, "overlay": as_overlay, "miniature": as_miniature, "sheet": as_sheet}


def ready(route, kernel, source=None):
    """`route` up to the last step, with detectors that see nothing wrong; what is returned takes that step."""
    script(kernel)
    return ROUTES[route](kernel, source if source is not None else kernel.open_photo(photo()))


def take(step):
    """What came out of the last step of a route: a released picture, or the refusal's reason."""
    try:
        return step()
    except GateRefused as refused:
        return refused.reason if refused.message and refused.hint else "a refusal without words"


def released(kernel) -> list[ReleasedImage]:
    return [image for image in kernel._made if isinstance(image, ReleasedImage) and image.kind != "contact_sheet"]


def boom(kind=RuntimeError):
    def act(*_):
        raise kind("boom")

    return act


def late(*_):
    time.sleep(1.5)
    return dict.fromkeys(LABELS, 0.0)


class Waiting:
    """A check that answers only when `go` is set; `answered` says whether it has."""

    def __init__(self):
        self.go, self.answered = threading.Event(), False

    def __call__(self, *_):
        self.go.wait(20)
        self.answered = True
        return dict.fromkeys(LABELS, 0.0)


BAD_SCORES = {
    "refuse_breast": {"FEMALE_BREAST_EXPOSED": 0.25},
    "refuse_female": {"FEMALE_GENITALIA_EXPOSED": 0.3},
    "refuse_male": {"MALE_GENITALIA_EXPOSED": 0.99},
    "refuse_buttocks": {"BUTTOCKS_EXPOSED": 0.26},
    "refuse_anus": {"ANUS_EXPOSED": 1.0},
    "nan": {"BUTTOCKS_EXPOSED": float("nan")},
    "infinite": {"FEMALE_BREAST_EXPOSED": float("-inf")},
    "none": {"FEMALE_BREAST_EXPOSED": None},
}
FAULTS = {
    **{name: (lambda s=scores: BodyPartsStub(s), None) for name, scores in BAD_SCORES.items()},
    "raise": (lambda: BodyPartsStub(instead=boom()), None),
    "raise_exit": (lambda: BodyPartsStub(instead=boom(SystemExit)), None),
    "raise_interrupt": (lambda: BodyPartsStub(instead=boom(KeyboardInterrupt)), None),
    "out_of_memory": (lambda: BodyPartsStub(instead=boom(MemoryError)), None),
    "late": (lambda: BodyPartsStub(instead=late), None),
    "empty": (lambda: BodyPartsStub(instead=dict), None),
    "not_a_table": (lambda: BodyPartsStub(instead=lambda: 0.0), None),
    "nsfw_refuse": (None, lambda: WholeImageStub(0.5)),
    "nsfw_nan": (None, lambda: WholeImageStub(float("nan"))),
    "nsfw_none": (None, lambda: WholeImageStub(None)),
    "nsfw_raise": (None, lambda: WholeImageStub(instead=boom())),
    "nsfw_late": (None, lambda: WholeImageStub(instead=late)),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_lets_a_picture_out(route, fault):
    body, whole = FAULTS[fault]
    kernel = SafetyKernel(budget_seconds=0.5 if "late" in fault else 20.0)
    step = ready(route, kernel)
    script(kernel, body_parts=body and body(), whole_image=whole and whole())
    out = take(step)
    assert not isinstance(out, ReleasedImage)
    assert released(kernel) == []
    if route in ("result", "overlay"):
        assert out == ("output_nudity" if "refuse" in fault else "output_unjudged")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("which", ["BODY_PARTS", "WHOLE_IMAGE"])
@pytest.mark.parametrize(
    "fault", ["missing_file", "missing_package", "wrong_hash", "truncated", "swapped", "unloadable"]
)
def test_weights_that_are_not_the_pinned_ones_let_nothing_out(route, which, fault, monkeypatch, tmp_path):
    real = getattr(detectors, which)
    other = WHOLE_IMAGE if which == "BODY_PARTS" else BODY_PARTS
    if fault == "missing_file":
        fake = WeightsFile(real.package, "gone.onnx", real.sha256)
    elif fault == "missing_package":
        fake = WeightsFile("no_such_package_here", real.file, real.sha256)
    elif fault == "wrong_hash":
        fake = WeightsFile(real.package, real.file, "0" * 64)
    else:
        content = detectors.read_weights(other if fault == "swapped" else real)
        content = content[:1000] if fault in ("truncated", "unloadable") else content
        package = tmp_path / "planted_weights"
        package.mkdir()
        (package / real.file).write_bytes(content)
        monkeypatch.syspath_prepend(tmp_path)
        fake = WeightsFile("planted_weights", real.file, real.sha256)
        if fault == "unloadable":
            monkeypatch.setattr(detectors, "read_weights", lambda weights: content)
    monkeypatch.setattr(detectors, which, fake)
    kernel = SafetyKernel()
    step = ready(route, kernel)
    kernel._detectors = Detectors()
    if which == "WHOLE_IMAGE":
        kernel._detectors._body_parts = BodyPartsStub()
    out = take(step)
    assert not isinstance(out, ReleasedImage)
    assert released(kernel) == []
    if route in ("result", "overlay"):
        assert out == "output_unjudged"


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_open_when_all_gates_pass(route):
    kernel = SafetyKernel()
    out = take(ready(route, kernel))
    assert isinstance(out, ReleasedImage)
    assert [verdict.gate for verdict in out.verdicts] == list(stages.OUTPUT_GATE_NAMES)
    assert kernel.encode(out, "PNG").startswith(b"\x89PNG")
    assert kernel.thumbnail(out)[8:12] == b"WEBP"


class NobodyHome(NotAvailable):
    def __init__(self, message):
        super().__init__(message, reason="weights")


class Extra:
    """A gate that tests put behind the fixed ones."""

    name = "extra"

    def __init__(self, answer=None, act=None):
        self.answer = answer or Verdict("extra", True)
        self.act = act

    def thresholds(self):
        return {}

    def judge(self, *_):
        if self.act is not None:
            self.act()
        return self.answer


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "gate",
    [
        Extra(Verdict("extra", False, reason="no", message="No.", hint="Do not.")),
        Extra(Verdict("extra", False)),
        Extra(Verdict("frame", True)),
        Extra(Verdict("extra", 1)),
        Extra(Verdict("extra", True, {"score": float("nan")})),
        Extra(Verdict("extra", True, {"score": "high"})),
        Extra("yes"),
        Extra(True),
        Extra(act=boom()),
        Extra(act=boom(NobodyHome)),
    ],
    ids=lambda gate: repr(gate.answer)[:60],
)
def test_an_appended_gate_can_refuse_and_nonsense_is_a_refusal(route, gate):
    kernel = SafetyKernel(extra_gates=(gate,))
    out = take(ready(route, kernel))
    assert not isinstance(out, ReleasedImage)
    assert released(kernel) == []


def test_appended_gates_run_behind_the_fixed_ones_and_are_kept():
    kernel = SafetyKernel(extra_gates=(Extra(),))
    out = take(ready("result", kernel))
    assert [verdict.gate for verdict in out.verdicts] == [*stages.OUTPUT_GATE_NAMES, "extra"]


@pytest.mark.parametrize(
    "emptied",
    [
        (),
        gates.OUTPUT_GATES[:1],
        gates.OUTPUT_GATES[:-1],
        gates.OUTPUT_GATES[::-1],
        (*gates.OUTPUT_GATES[:1], *gates.OUTPUT_GATES[:-1]),
    ],
)
@pytest.mark.parametrize("route", ROUTES)
def test_a_changed_tuple_of_gates_lets_nothing_out(route, emptied, monkeypatch):
    kernel = SafetyKernel()
    step = ready(route, kernel)
    monkeypatch.setattr(gates, "OUTPUT_GATES", emptied)
    out = take(step)
    assert not isinstance(out, ReleasedImage)


@pytest.mark.parametrize(
    ("tuple_name", "way"), [("SOURCE_GATES", "open"), ("REQUEST_GATES", "check"), ("PLAN_GATES", "plan")]
)
def test_the_same_for_what_comes_in(tuple_name, way, monkeypatch):
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    monkeypatch.setattr(gates, tuple_name, ())
    ways = {
        "open": lambda: kernel.open_photo(photo()),
        "check": lambda: kernel.check_request(wish(), source),
        "plan": lambda: planned(kernel, source),
    }
    with pytest.raises(GateRefused) as caught:
        ways[way]()
    assert caught.value.reason == "gates_incomplete"


def test_the_budget_can_only_be_shortened():
    assert SafetyKernel(budget_seconds=1e9)._budget == gates.BUDGET_SECONDS
    assert SafetyKernel(budget_seconds=1)._budget == 1


def test_a_late_gate_is_left_behind_and_the_next_picture_is_judged_again():
    kernel = SafetyKernel(budget_seconds=0.5)
    step = ready("result", kernel)
    waiting = Waiting()
    stub = BodyPartsStub(instead=waiting)
    script(kernel, body_parts=stub)
    assert take(step) == "output_unjudged"
    stub.instead = None
    assert isinstance(take(step), ReleasedImage)
    assert not waiting.answered
    waiting.go.set()


def test_cancel_between_and_during_gates():
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    cancelled = CancelToken()
    cancelled.set()
    output = raw(kernel, source)
    with pytest.raises(Cancelled):
        kernel.release(output, cancel=cancelled)
    token, said = CancelToken(), []
    waiting = Waiting()
    kernel._detectors._body_parts = BodyPartsStub(instead=waiting)
    threading.Timer(0.2, token.set).start()
    with pytest.raises(Cancelled):
        kernel.release(output, report=said.append, cancel=token)
    assert not waiting.answered
    waiting.go.set()
    assert [(p.stage, p.detail) for p in said] == [("check", "frame"), ("check", "body parts")]
    assert 0 <= said[-1].fraction < 1
    assert released(kernel) == []


# --- what each gate measures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "passes"),
    [
        ({"FEMALE_BREAST_EXPOSED": 0.2499}, True),
        ({"FEMALE_BREAST_COVERED": 0.99, "FACE_FEMALE": 0.99, "BELLY_EXPOSED": 0.9, "ARMPITS_EXPOSED": 0.9}, True),
        ({"MALE_BREAST_EXPOSED": 0.99, "FEET_EXPOSED": 0.99}, True),
    ],
)
def test_the_exposed_classes_and_their_limit(scores, passes):
    kernel = script(SafetyKernel(), body_parts=BodyPartsStub(scores))
    source = kernel.open_photo(photo())
    out = take(lambda: kernel.release(raw(kernel, source)))
    assert isinstance(out, ReleasedImage) is passes


@pytest.mark.parametrize(("score", "passes"), [(0.2499, True), (0.25, False)])
def test_the_output_limit_itself(score, passes):
    """Without a rise over the root: the root is as near to the limit."""
    kernel = script(SafetyKernel(), body_parts=BodyPartsStub({"FEMALE_BREAST_EXPOSED": 0.24}))
    step = as_result(kernel, kernel.open_photo(photo()))
    script(kernel, body_parts=BodyPartsStub({"FEMALE_BREAST_EXPOSED": score}))
    assert take(step) == "output_nudity" if not passes else isinstance(take(step), ReleasedImage)


@pytest.mark.parametrize(("label", "passes"), [
    ("FEMALE_BREAST_EXPOSED", False), ("BUTTOCKS_EXPOSED", False), ("FEET_EXPOSED", True),
])  # fmt: skip
def test_no_exposed_class_may_rise_by_more_than_five_points(label, passes):
    for rise, fine in ((0.0499, True), (0.0501, passes)):
        kernel = script(SafetyKernel(), body_parts=BodyPartsStub({label: 0.18}))
        step = as_result(kernel, kernel.open_photo(photo()))
        script(kernel, body_parts=BodyPartsStub({label: 0.18 + rise}))
        out = take(step)
        assert isinstance(out, ReleasedImage) if fine else out == "output_reveals"


@pytest.mark.parametrize(("score", "passes"), [(0.4999, True), (0.5, False), (0.99, False)])
def test_the_nsfw_limit(score, passes):
    kernel = SafetyKernel()
    step = ready("result", kernel)
    script(kernel, whole_image=WholeImageStub(score))
    out = take(step)
    assert isinstance(out, ReleasedImage) is passes


def test_what_is_judged_is_what_is_released():
    kernel = SafetyKernel()
    stub = BodyPartsStub(looks=[])
    step = ready("result", kernel)
    script(kernel, body_parts=stub)
    out = take(step)
    (frame_side, frames), (crop_side, crops) = stub.looks
    assert (frame_side, crop_side) == (480, 320)
    assert len(frames) == 1
    assert np.array_equal(frames[0], out.pixels)
    height, width = out.pixels.shape[:2]
    for crop in crops:
        places = [
            (y, x)
            for y in range(height - crop.shape[0] + 1)
            for x in range(width - crop.shape[1] + 1)
            if np.array_equal(out.pixels[y : y + crop.shape[0], x : x + crop.shape[1]], crop)
        ]
        assert places, "a crop is cut from the released pixels"


def test_the_worst_look_counts():
    kernel = SafetyKernel()
    step = ready("result", kernel)

    class CropsOnly(BodyPartsStub):
        def scores(self, looks, side):
            return dict.fromkeys(LABELS, 0.01 if side == 480 else 0.3)

    script(kernel, body_parts=CropsOnly())
    assert take(step) == "output_nudity"


@pytest.mark.parametrize(
    ("box", "persons", "least"),
    [
        ((10, 10, 60, 60), (), 1),
        ((10, 10, 40, 190), (), 1),
        ((10, 10, 190, 30), (), 1),
        ((10, 10, 60, 60), ((0, 0, 30, 60), (150, 100, 200, 180)), 3),
        ((10, 10, 60, 60), ((-50, -50, 500, 500), (300, 300, 400, 400), (5, 5, 5, 5)), 2),
    ],
)
def test_closer_looks_cover_the_changed_area(box, persons, least):
    mask = np.zeros((200, 200), np.uint8)
    x0, y0, x1, y1 = box
    mask[y0:y1, x0:x1] = 255
    looks = parts.closer_looks(mask, persons)
    assert least <= len(looks) <= parts.MOST_CROPS
    first = looks[0]
    assert first[0] <= x0
    assert first[1] <= y0
    assert first[2] >= x1
    assert first[3] >= y1
    for a, b, c, d in looks:
        assert 0 <= a < c <= 200
        assert 0 <= b < d <= 200
    covered = np.zeros_like(mask)
    for a, b, c, d in looks[1:3] if least == 3 and not persons else looks[:1]:
        covered[b:d, a:c] = 255
    assert not (mask & ~covered).any()


def test_no_changed_area_means_no_closer_look():
    assert parts.closer_looks(np.zeros((50, 50), np.uint8), ()) == []


def test_one_pixel_outside_the_mask_is_one_too_many():
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    output = raw(kernel, source)
    output.pixels[0, 0, 1] ^= 1
    with pytest.raises(GateRefused) as caught:
        kernel.release(output)
    assert caught.value.reason == "outside_changed"


@pytest.mark.parametrize("shape", ["smaller", "grey", "float_mask", "other_size", "mask_rgb"])
def test_a_result_that_is_no_picture_of_its_source(shape):
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    good = raw(kernel, source)
    pixels, mask = good.pixels, good.mask
    if shape == "smaller":
        pixels, mask = pixels[1:], mask[1:]
    elif shape == "grey":
        pixels = pixels[..., 0]
    elif shape == "other_size":
        mask = mask[1:]
    elif shape == "mask_rgb":
        mask = np.stack([mask] * 3, axis=2)
    else:
        mask = mask.astype(np.float32)
    output = replace(good, pixels=pixels, mask=mask)
    if shape == "float_mask":
        with pytest.raises(TypeError):
            kernel.release(output)
    else:
        with pytest.raises(GateRefused) as caught:
            kernel.release(output)
        assert caught.value.reason == "output_malformed"


# --- what comes in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["open_photo", "open_garment", "view", "open_mask"])
@pytest.mark.parametrize("bad", ["tiny", "text", "missing", "gif"])
def test_every_way_in_has_the_file_limits(way, bad, tmp_path):
    kernel = script(SafetyKernel())
    path = tmp_path / "in.png"
    if bad == "tiny":
        path.write_bytes(png(np.zeros((20, 90, 3), np.uint8)))
    elif bad == "text":
        path.write_bytes(b"hello" * 100)
    elif bad == "gif":
        stream = io.BytesIO()
        Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(stream, "GIF")
        path.write_bytes(stream.getvalue())
    with pytest.raises(InputRefused):
        kernel.open_mask(path, shape=(20, 90)) if way == "open_mask" else getattr(kernel, way)(path)


@pytest.mark.parametrize(
    ("size", "kind", "reason"),
    [
        ((63, 100), "PNG", "too_small"),
        ((64, 12_001), "PNG", "too_large"),
        ((7_100, 7_100), "PNG", "too_large"),
        ((80, 80), "GIF", "format"),
        ((64, 12_000), "PNG", ""),
        ((64, 64), "webp", ""),
    ],
)
def test_the_gate_does_not_trust_the_decoder(size, kind, reason):
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (*size, 3))
    verdict = source_gates.FileLimits().judge(DecodedImage(Photo(pixels, kind, "0" * 64), "photo"), Detectors())
    assert verdict.passed is (reason == "")
    assert verdict.reason == reason


def test_what_is_not_8_bit_rgb_is_refused():
    for pixels in (np.zeros((80, 80), np.uint8), np.zeros((80, 80, 4), np.uint8), np.zeros((80, 80, 3), np.float32)):
        verdict = source_gates.FileLimits().judge(DecodedImage(Photo(pixels, "PNG", ""), "photo"), Detectors())
        assert verdict.reason == "unreadable"


def test_appended_source_and_request_gates_refuse_too():
    no = Extra(Verdict("extra", False, reason="no", message="No.", hint="Do not."))
    for way in ("open_photo", "open_garment", "view"):
        with pytest.raises(GateRefused):
            getattr(script(SafetyKernel(extra_source_gates=(no,))), way)(photo())
    with pytest.raises(GateRefused):
        script(SafetyKernel(extra_source_gates=(no,))).open_mask(photo(), shape=(96, 128))
    kernel = SafetyKernel(extra_request_gates=(no,))
    with pytest.raises(GateRefused):
        kernel.check_request(wish(), script(kernel).open_photo(photo()))


@pytest.mark.parametrize(
    ("prompt", "garment", "mask", "reason"),
    [
        ("", False, None, "prompt_empty"),
        (" \n", False, None, "prompt_empty"),
        ("x" * 301, False, None, "prompt_too_long"),
        ("shirt", False, (10, 10), "mask_size"),
        ("", True, None, ""),
        ("navy linen " * 27 + "red", False, (96, 128), ""),
    ],
)
def test_a_request_must_hang_together(prompt, garment, mask, reason):
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    request = wish(prompt=prompt)
    pictures = {
        "garment": kernel.open_garment(photo(1)) if garment else None,
        "mask": np.zeros(mask, np.uint8) if mask else None,
    }
    if reason:
        with pytest.raises(GateRefused) as caught:
            kernel.check_request(request, source, **pictures)
        assert caught.value.reason == reason
    else:
        checked = kernel.check_request(request, source, **pictures)
        assert checked.request is request
        assert checked.source is source


def test_a_mask_comes_in_at_the_photos_size_alone():
    kernel = script(SafetyKernel())
    drawn = middle((96, 128))
    mask = kernel.open_mask(png(drawn), shape=(96, 128))
    assert np.array_equal(mask, drawn)
    assert not mask.flags.writeable
    with pytest.raises(InputRefused) as caught:
        kernel.open_mask(png(drawn), shape=(128, 96))
    assert caught.value.reason == "mask_size"


def test_a_source_is_decoded_once_and_keeps_what_it_is(tmp_path):
    path = tmp_path / "me.png"
    path.write_bytes(photo())
    kernel = script(SafetyKernel())
    source = kernel.open_photo(path)
    path.write_bytes(photo(1))
    view = kernel.view(source)
    assert view.pixels is source.pixels
    assert (source.path, source.role, source.root_sha256) == (path, "photo", source.photo.sha256)
    with pytest.raises(PhotoUnreadable):
        kernel.open_photo(tmp_path / "gone.png")


# --- the face -----------------------------------------------------------------------------------------------------------


def test_the_gates_are_listed_with_their_thresholds():
    listed = {info.name: info for info in api.gates()}
    names = (stages.SOURCE_GATE_NAMES, stages.REQUEST_GATE_NAMES, stages.PLAN_GATE_NAMES, stages.OUTPUT_GATE_NAMES)
    assert list(listed) == [name for group in names for name in group]
    assert listed["body_parts"].thresholds == dict.fromkeys(gates.EXPOSED, 0.25)
    assert listed["whole_image"].thresholds == {"nsfw": 0.5}
    assert all(info.about for info in listed.values())
    assert {info.judges for info in listed.values()} == {"source", "request", "plan", "output"}


def test_the_self_test_tells_a_missing_detector(monkeypatch):
    monkeypatch.setattr(detectors, "BODY_PARTS", WeightsFile("nudenet", "gone.onnx", "0" * 64))

    def broken(self, image):
        raise RuntimeError("boom")

    monkeypatch.setattr(detectors.WholeImageDetector, "score", broken)
    first, second, _ = api.self_test()
    assert not first.passed
    assert "missing" in first.detail
    assert first.hint
    assert not second.passed
    assert "boom" in second.detail
