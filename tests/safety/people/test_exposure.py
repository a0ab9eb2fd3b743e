"""What a picture that comes in may not show: rules on scripted boxes and painted skin, and ordinary pictures that pass."""

import math

import numpy as np
import pytest

from outfitswap_desktop.safety import gates
from outfitswap_desktop.safety.detectors import LABELS, BodyPartDetector, BodyPartReading, Detection
from outfitswap_desktop.safety.people import exposure
from outfitswap_desktop.safety.people.areas import AREAS
from outfitswap_desktop.safety.people.exposure import BARE, COVERED, EXPOSED, exposed, garment_picture, underwear_only

SKIN = (214, 160, 130)


def scores(**changed):
    return dict.fromkeys(LABELS, 0.01) | changed


def shares(**changed):
    return dict.fromkeys(AREAS, 0.0) | changed


def test_the_numbers_are_the_ones_written_down():
    assert EXPOSED == gates.EXPOSED
    assert exposure.LIMIT == gates.EXPOSED_LIMIT == 0.25
    assert (exposure.REDUCED, exposure.MOSTLY_SKIN, exposure.SKIN_BESIDE_COVERED) == (0.5, 0.5, 0.35)
    assert (exposure.GARMENT_LIMIT, exposure.SKIN_IN_BOX, exposure.COVERED_LIMIT) == (0.15, 0.3, 0.2)
    assert (exposure.BELLY_LIMIT, exposure.BELLY_SKIN, exposure.SKIN_AROUND) == (0.2, 0.5, 0.45)
    assert (exposure.BODY_LIMIT, exposure.SKIN_OF_PICTURE) == (0.3, 0.3)


@pytest.mark.parametrize("label", EXPOSED)
def test_every_exposed_class_is_refused(label):
    assert exposed(scores()) is None
    assert exposed(scores(**{label: 0.249})) is None
    shown = exposed(scores(**{label: 0.25}))
    assert shown is not None
    assert (shown.what, shown.score, shown.limit) == (label, 0.25, 0.25)
    assert exposed(scores(**{label: 0.124}), reduced=True) is None
    assert exposed(scores(**{label: 0.125}), reduced=True) is not None


@pytest.mark.parametrize("label", [*BARE, *COVERED, "ARMPITS_EXPOSED", "FACE_MALE"])
def test_other_classes_are_no_nudity(label):
    assert exposed(scores(**{label: 0.99})) is None


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.1])
def test_numbers_that_are_none_raise(wrong):
    with pytest.raises(ValueError, match="no number"):
        exposed(scores(ANUS_EXPOSED=wrong))
    with pytest.raises(ValueError, match="no number"):
        underwear_only(scores(), shares(chest_hip=wrong), shares())
    with pytest.raises(ValueError, match="no number"):
        underwear_only(scores(), shares(), shares(chest_hip=wrong))
    with pytest.raises(KeyError):
        underwear_only(scores(), {}, shares())


def test_mostly_skin_is_undressed_whatever_the_detector_says():
    assert underwear_only(scores(), shares(chest_hip=0.499), shares()) is None
    shown = underwear_only(scores(), shares(chest_hip=0.5), shares())
    assert shown is not None
    assert (shown.what, shown.limit) == ("mostly_skin", 0.5)
    assert underwear_only(scores(), shares(chest_hip=0.249), shares(), reduced=True) is None
    assert underwear_only(scores(), shares(chest_hip=0.25), shares(), reduced=True) is not None


@pytest.mark.parametrize("label", COVERED)
def test_a_covered_part_with_much_skin_is_underwear(label):
    found = scores(**{label: 0.25})
    assert underwear_only(scores(**{label: 0.249}), shares(chest_hip=0.4), shares()) is None
    assert underwear_only(found, shares(chest_hip=0.349), shares()) is None
    shown = underwear_only(found, shares(chest_hip=0.35), shares())
    assert shown is not None
    assert shown.what == "underwear"
    half = scores(**{label: 0.125})
    assert underwear_only(half, shares(chest_hip=0.175), shares()) is None
    assert underwear_only(half, shares(chest_hip=0.175), shares(), reduced=True) is not None


@pytest.mark.parametrize("label", BARE)
def test_a_bare_trunk_that_the_parse_took_for_a_garment(label):
    assert underwear_only(scores(), shares(), shares(chest_hip=0.9)) is None
    assert underwear_only(scores(**{label: 0.249}), shares(), shares(chest_hip=0.9)) is None
    assert underwear_only(scores(**{label: 0.25}), shares(), shares(chest_hip=0.499)) is None
    shown = underwear_only(scores(**{label: 0.25}), shares(), shares(chest_hip=0.5))
    assert shown is not None
    assert shown.what == "bare_trunk"
    assert underwear_only(scores(**{label: 0.125}), shares(), shares(chest_hip=0.25), reduced=True) is not None


def test_a_dressed_person_passes_with_covered_parts():
    assert underwear_only(scores(**dict.fromkeys(COVERED, 0.9)), shares(chest_hip=0.2), shares(chest_hip=0.9)) is None


class Scripted:
    """A body-part detector that found what it is told."""

    def __init__(self, *found):
        self.found = tuple(Detection(label, score, box) for label, score, box in found)

    def read(self, looks, side):
        assert side == 480
        assert len(looks) == 1
        best = scores()
        for one in self.found:
            best[one.label] = max(best[one.label], one.score)
        return BodyPartReading(best, (self.found,))


def picture(*painted, ground=(230, 232, 235)):
    """(400, 300, 3) with rectangles (x0, y0, x1, y1) of skin."""
    made = np.full((400, 300, 3), ground, np.uint8)
    for x0, y0, x1, y1 in painted:
        made[y0:y1, x0:x1] = SKIN
    return made


BOX = (100, 100, 200, 200)


def test_an_empty_picture_passes():
    assert garment_picture(picture(), Scripted()) is None


@pytest.mark.parametrize("label", EXPOSED)
def test_nudity_in_a_garment_picture(label):
    bare, cloth = picture(BOX), picture()
    assert garment_picture(bare, Scripted((label, 0.149, BOX))) is None
    shown = garment_picture(bare, Scripted((label, 0.15, BOX)))
    assert shown is not None
    assert shown.what == label
    assert garment_picture(cloth, Scripted((label, 0.249, BOX))) is None
    assert garment_picture(cloth, Scripted((label, 0.25, BOX))) is not None


@pytest.mark.parametrize("label", BARE)
def test_a_bare_belly_in_a_garment_picture(label):
    assert garment_picture(picture(), Scripted((label, 0.9, BOX))) is None
    assert garment_picture(picture((100, 100, 200, 145)), Scripted((label, 0.21, BOX))) is None
    assert garment_picture(picture((100, 100, 200, 158)), Scripted((label, 0.21, BOX))) is not None
    assert garment_picture(picture(BOX), Scripted((label, 0.19, BOX))) is None


@pytest.mark.parametrize("label", COVERED)
def test_underwear_in_a_garment_picture(label):
    around = picture((40, 40, 260, 260))
    around[100:200, 100:200] = (20, 20, 24)
    shown = garment_picture(around, Scripted((label, 0.2, BOX)))
    assert shown is not None
    assert shown.limit == 0.45
    assert garment_picture(around, Scripted((label, 0.19, BOX))) is None
    assert garment_picture(picture((40, 40, 260, 90)), Scripted((label, 0.9, BOX))) is None


def test_much_skin_needs_a_body():
    much = picture((0, 0, 300, 130))
    assert garment_picture(much, Scripted()) is None
    assert garment_picture(much, Scripted(("FEET_EXPOSED", 0.29, (0, 300, 50, 350)))) is None
    shown = garment_picture(much, Scripted(("FEET_EXPOSED", 0.3, (0, 300, 50, 350))))
    assert shown is not None
    assert shown.what == "bare_skin"
    assert garment_picture(picture((0, 0, 300, 110)), Scripted(("FEET_EXPOSED", 0.3, (0, 300, 50, 350)))) is None


def test_a_face_is_no_bare_skin():
    face = (0, 0, 300, 130)
    assert garment_picture(picture(face), Scripted(("FACE_MALE", 0.9, face))) is None
    assert garment_picture(picture(face), Scripted(("FACE_MALE", 0.29, face), ("FEET_COVERED", 0.5, BOX))) is not None


def test_the_skin_is_that_of_the_face():
    """A tan cloth is not the skin of a pale face beside it, though it might be somebody's."""
    made = picture(ground=(190, 150, 110))
    made[0:120, 100:200] = (238, 205, 190)
    body = ("FEET_COVERED", 0.9, (0, 380, 20, 400))
    assert garment_picture(made, Scripted(body)) is not None
    assert garment_picture(made, Scripted(body, ("FACE_FEMALE", 0.9, (100, 0, 200, 120)))) is None


def test_a_box_outside_or_without_area_is_no_skin():
    assert garment_picture(picture(), Scripted(("BELLY_EXPOSED", 0.9, (-90, -90, -20, -20)))) is None
    assert garment_picture(picture(), Scripted(("BELLY_EXPOSED", 0.9, (50, 50, 50, 50)))) is None
    assert exposure._share(np.ones((5, 5), bool), (7, 7, 9, 9)) == 0.0


@pytest.fixture(scope="module")
def real():
    return BodyPartDetector()


def swatch(colour, side=320):
    y, x = np.mgrid[:side, :side]
    folds = 0.14 * np.sin(x / 40 + np.sin(y / 60)) + 0.05 * np.sin(x * 0.9) + 0.05 * np.sin(y * 0.9)
    return np.clip(np.array(colour) * (1 + folds[..., None]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [(245, 220, 195), (224, 172, 140), (141, 85, 60), (230, 200, 190), (210, 180, 140)])
def test_a_swatch_of_any_skin_colour_passes(real, colour):
    assert garment_picture(swatch(colour), real) is None


def test_dressed_persons_pass_as_garment_pictures(real, astronaut):
    assert garment_picture(astronaut, real) is None


def test_photos_at_hand_pass_as_garment_pictures(real, photo_folder):
    from PIL import Image

    names = [name for name in ("fashn_garment.webp", "fashn_model.webp") if (photo_folder / name).is_file()]
    if not names:
        pytest.skip("the folder of photos holds no garment's picture")
    for name in names:
        pixels = np.asarray(Image.open(photo_folder / name).convert("RGB"))
        assert garment_picture(pixels, real) is None, name
