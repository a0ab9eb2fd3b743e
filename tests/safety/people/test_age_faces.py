"""Which faces are found, and whose they are: every look, limit and offset with a scripted detector, then the real one."""

import dataclasses

import numpy as np
import pytest

from outfitswap_desktop.safety.detectors import BodyPartDetector, Detection
from outfitswap_desktop.safety.people import faces as module
from outfitswap_desktop.safety.people.faces import Face, face_of, faces, faces_of

PICTURE = np.random.default_rng(5).integers(0, 256, (400, 600, 3), dtype=np.uint8)


class BodyParts:
    """Answers each look in turn with chosen detections, and keeps the looks."""

    def __init__(self, *answers):
        self.answers, self.looks = list(answers), []

    def boxes(self, looks, side):
        assert len(looks) == 1
        self.looks.append((side, looks[0].copy()))
        assert looks[0].flags.c_contiguous
        answer = self.answers.pop(0) if self.answers else ()
        return (tuple(Detection(*one) for one in answer),)


def found(label="FACE_FEMALE", score=0.9, box=(10, 20, 70, 80)):
    return (label, score, box)


def head_at(box, shape=(400, 600)):
    mask = np.zeros(shape, np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def test_the_limits_are_the_published_ones():
    assert module.FACE_LABELS == ("FACE_FEMALE", "FACE_MALE")
    assert (module.FACE_FLOOR, module.FRAME_SIDE, module.CROP_SIDE) == (0.2, 480, 320)
    assert (module.AROUND_PERSON, module.UPPER_PART, module.AROUND_HEAD) == (0.25, 0.4, 1.0)
    assert (module.SAME_FACE, module.OF_HEAD, module.OF_PERSON) == (0.5, 0.4, 0.75)


@pytest.mark.parametrize(
    ("box", "size"), [((0, 0, 60, 48), 48), ((5, 5, 52, 90), 47), ((3, 4, 13, 14), 10), ((3, 10, 90, 40), 30)]
)
def test_a_face_is_as_large_as_its_shorter_side(box, size):
    assert Face(box, 0.5).size == size


def test_both_labels_from_the_floor_on_and_no_others():
    parts = BodyParts(
        [
            found("FACE_MALE", 0.2, (0, 0, 50, 50)),
            found("FACE_FEMALE", 0.7, (100, 0, 150, 50)),
            found("FACE_MALE", 0.1999, (200, 0, 250, 50)),
            found("BELLY_COVERED", 0.9, (300, 0, 350, 50)),
            found("FACE_MALE", 0.9, (400, 0, 400, 50)),
            found("FACE_MALE", 0.9, (400, 50, 450, 50)),
        ]
    )
    assert faces(PICTURE, parts) == (Face((100, 0, 150, 50), 0.7), Face((0, 0, 50, 50), 0.2))


def test_the_frame_alone_without_a_person():
    parts = BodyParts([found()])
    assert faces(PICTURE, parts) == (Face((10, 20, 70, 80), 0.9),)
    ((side, look),) = parts.looks
    assert side == 480
    assert np.array_equal(look, PICTURE)


def test_a_tall_frame_is_looked_at_whole():
    parts = BodyParts()
    tall = np.ascontiguousarray(PICTURE.transpose(1, 0, 2))
    faces(tall, parts)
    assert np.array_equal(parts.looks[0][1], tall)


@pytest.mark.parametrize("person", [(0, 0, 1, 1), (599, 399, 600, 400), (-5, -5, 1, 1), (599, 399, 605, 405)])
def test_a_person_of_one_pixel_is_enough(person):
    parts = BodyParts()
    faces(PICTURE, parts, person=person)
    assert len(parts.looks) == 3


def test_the_person_and_the_upper_part_are_looked_at_close_up():
    parts = BodyParts([], [found(score=0.5)], [found(score=0.8, box=(300 - 180, 1, 340 - 180, 41))])
    answer = faces(PICTURE, parts, person=(200, 40, 300, 240))
    looks = [(side, look) for side, look in parts.looks]
    assert [side for side, _ in looks] == [480, 320, 320]
    assert np.array_equal(looks[1][1], PICTURE[0:290, 175:325])
    assert np.array_equal(looks[2][1], PICTURE[20:140, 175:325])
    assert answer == (Face((175 + 120, 20 + 1, 175 + 160, 20 + 41), 0.8), Face((175 + 10, 20, 175 + 70, 80), 0.5))


def test_a_known_head_is_looked_at_instead_of_the_upper_part():
    parts = BodyParts([], [], [found(box=(50, 30, 100, 80))])
    answer = faces(PICTURE, parts, person=(200, 40, 300, 240), head=head_at((230, 50, 280, 110)))
    sides = [side for side, _ in parts.looks]
    assert sides == [480, 320, 320]
    assert np.array_equal(parts.looks[1][1], PICTURE[0:290, 175:325])
    assert np.array_equal(parts.looks[2][1], PICTURE[0:170, 180:330])
    assert answer == (Face((230, 30, 280, 80), 0.9),)


def test_a_head_without_a_person_is_looked_at_too():
    parts = BodyParts()
    assert faces(PICTURE, parts, head=head_at((230, 50, 280, 110))) == ()
    assert [look.shape for _, look in parts.looks] == [(400, 600, 3), (170, 150, 3)]


def test_an_empty_head_is_none():
    parts = BodyParts()
    faces(PICTURE, parts, person=(200, 40, 300, 240), head=np.zeros((400, 600), np.uint8))
    assert [look.shape for _, look in parts.looks] == [(400, 600, 3), (290, 150, 3), (120, 150, 3)]


def test_looks_end_at_the_edges_of_the_picture():
    parts = BodyParts()
    faces(PICTURE, parts, person=(-40, -20, 580, 395))
    assert [look.shape for _, look in parts.looks[1:]] == [(400, 600, 3), (198, 600, 3)]
    thin = BodyParts()
    faces(PICTURE, thin, person=(599, 399, 600, 400))
    assert [look.shape for _, look in thin.looks[1:]] == [(1, 1, 3), (1, 1, 3)]


@pytest.mark.parametrize(
    "person",
    [(600, 0, 700, 100), (0, 400, 10, 500), (-90, 0, -40, 10), (0, -90, 9, -40), (50, 50, 50, 90), (9, 70, 40, 70)],
)
def test_a_person_outside_the_picture_raises(person):
    with pytest.raises(ValueError, match="holds nothing"):
        faces(PICTURE, BodyParts(), person=person)


def test_a_head_of_another_size_raises():
    with pytest.raises(ValueError, match="head mask"):
        faces(PICTURE, BodyParts(), head=np.zeros((600, 400), np.uint8))


def test_a_failing_detector_raises():
    class Failing:
        def boxes(self, looks, side):
            raise ValueError("NudeNet answered in the shape ()")

    with pytest.raises(ValueError, match="NudeNet"):
        faces(PICTURE, Failing())


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        ((30, 0, 90, 60), 1),  # half of it
        ((31, 0, 91, 60), 2),
        ((0, 0, 20, 20), 1),  # inside
        ((0, 30, 60, 90), 1),
        ((0, 31, 60, 91), 2),
        ((60, 0, 120, 60), 2),
        ((200, 200, 260, 260), 2),
    ],
)
def test_boxes_that_share_half_are_one_face_the_surest(second, kept):
    parts = BodyParts([found(score=0.4, box=second), found("FACE_MALE", 0.8, (0, 0, 60, 60))])
    answer = faces(PICTURE, parts)
    assert len(answer) == kept
    assert answer[0] == Face((0, 0, 60, 60), 0.8)


def test_a_large_sure_face_swallows_a_small_one_and_not_the_other_way_round():
    large, small = found(score=0.8, box=(0, 0, 100, 100)), found(score=0.9, box=(10, 10, 30, 30))
    assert faces(PICTURE, BodyParts([large, small])) == (Face((10, 10, 30, 30), 0.9),)


# --- whose face it is ------------------------------------------------------------------------------------------------

PERSON = (100, 0, 300, 400)


@pytest.mark.parametrize(
    ("box", "is_theirs"),
    [
        ((150, 20, 210, 80), True),
        ((85, 20, 145, 80), True),  # three quarters of it
        ((84, 20, 144, 80), False),
        ((400, 20, 460, 80), False),
        ((150, -15, 210, 45), True),
        ((150, -16, 210, 44), False),
        ((20, 20, 80, 80), False),
        ((150, 410, 210, 470), False),
    ],
)
@pytest.mark.parametrize("head", [None, np.zeros((400, 600), np.uint8)], ids=("none", "empty"))
def test_without_a_head_the_person_s_box_decides(box, is_theirs, head):
    face = Face(box, 0.5)
    assert faces_of(PERSON, head, [face]) == ((face,) if is_theirs else ())
    assert face_of(PERSON, head, [face]) == (face if is_theirs else None)


@pytest.mark.parametrize(
    ("box", "is_theirs"),
    [
        ((150, 20, 210, 80), True),
        ((186, 20, 246, 80), True),  # 24 of 60 columns
        ((187, 20, 247, 80), False),
        ((150, 56, 210, 116), True),
        ((150, 57, 210, 117), False),
        ((400, 20, 460, 80), False),
        ((114, -16, 174, 44), False),
    ],
)
def test_with_a_head_it_alone_decides(box, is_theirs):
    face = Face(box, 0.5)
    head = head_at((150, 20, 210, 80))
    assert faces_of((0, 0, 1, 1), head, [face]) == ((face,) if is_theirs else ())


def test_a_face_beyond_the_edge_counts_with_what_is_inside():
    head = head_at((0, 0, 40, 40))
    assert faces_of(PERSON, head, [Face((-10, -10, 30, 30), 0.5)]) == (Face((-10, -10, 30, 30), 0.5),)
    assert faces_of(PERSON, head, [Face((-30, -30, 10, 10), 0.5)]) == ()
    assert faces_of(PERSON, head, [Face((-60, -60, -20, -20), 0.5)]) == ()


def test_a_head_seen_from_behind_has_no_face_whoever_else_is_near():
    assert face_of(PERSON, head_at((150, 20, 210, 80)), [Face((220, 20, 280, 80), 0.9)]) is None


def test_the_best_comes_first_by_share_and_confidence():
    head = head_at((150, 20, 210, 80))
    whole, half, sure = Face((150, 20, 210, 80), 0.5), Face((180, 20, 240, 80), 0.9), Face((150, 20, 210, 81), 0.6)
    assert faces_of(PERSON, head, [half, whole, sure]) == (sure, whole, half)
    assert face_of(PERSON, head, [half, whole]) == whole
    assert faces_of(PERSON, None, [whole, half, sure]) == (half, sure, whole)
    assert face_of(PERSON, None, iter([])) is None


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9), (5, 9, 9, 5), (9, 9, 5, 5)])
def test_a_box_of_no_pixels_is_no_face(box):
    with pytest.raises(ValueError, match="no face"):
        Face(box, 0.9)


def test_a_face_cannot_be_changed():
    face = Face((0, 0, 60, 60), 0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        face.confidence = 0.9
    assert not hasattr(face, "__dict__")


@pytest.mark.parametrize("box", [(-6, 0, 4, 10), (0, -6, 10, 4)])
def test_a_face_two_fifths_inside_the_picture_counts(box):
    assert faces_of(PERSON, head_at((0, 0, 200, 200)), [Face(box, 0.5)]) == (Face(box, 0.5),)


@pytest.mark.parametrize("box", [(0, -2, 10, 0), (-2, 0, 0, 10), (-3, 0, -1, 10), (0, -3, 10, -1)])
def test_a_face_that_ends_at_the_edge_does_not_lie_on_a_head(box):
    assert faces_of(PERSON, head_at((0, 0, 200, 200)), [Face(box, 0.5)]) == ()


@pytest.mark.parametrize("box", [(400, 20, 401, 80), (300, 20, 301, 80), (150, 400, 210, 401), (99, 20, 100, 80)])
def test_a_thin_face_beside_the_person_is_not_theirs(box):
    assert faces_of(PERSON, None, [Face(box, 0.5)]) == ()


# --- the real detector -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def body_parts():
    return BodyPartDetector()


def test_the_astronauts_face_is_found_where_it_is(body_parts, astronaut):
    head = head_at((165, 60, 285, 195), (512, 512))
    answer = faces(astronaut, body_parts, person=(0, 0, 512, 512), head=head)
    face = face_of((0, 0, 512, 512), head, answer)
    assert len(answer) == 1
    assert face.confidence > 0.6
    assert np.allclose(face.box, (172, 81, 276, 184), atol=15)


def test_a_small_person_s_face_is_found_close_up(body_parts, astronaut):
    """In a frame of 4,000 pixels the face has no chance at 480; the look at the person finds it."""
    from PIL import Image

    small = np.asarray(Image.fromarray(astronaut).resize((256, 256), Image.Resampling.LANCZOS))
    frame = np.full((4000, 4000, 3), 120, np.uint8)
    frame[900:1156, 300:556] = small
    assert faces(frame, body_parts) == ()
    (face,) = faces(frame, body_parts, person=(300, 900, 556, 1156))
    assert np.allclose(face.box, (386, 940, 438, 992), atol=9)
