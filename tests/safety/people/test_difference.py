"""What a result may show more than its root: every limit at its edge, nothing without numbers."""

import math

import pytest

from outfitswap_desktop.core.zones import TARGETS
from outfitswap_desktop.safety.detectors import LABELS
from outfitswap_desktop.safety.gates import EXPOSED
from outfitswap_desktop.safety.people import difference
from outfitswap_desktop.safety.people.areas import AREAS
from outfitswap_desktop.safety.people.difference import ARMPITS, BARE, NUDITY, bared, judge_difference, judge_skin
from outfitswap_desktop.safety.records.evidence import RootEvidence


def root(**scores):
    return RootEvidence("0" * 64, (100, 100), dict.fromkeys(LABELS, 0.19) | scores, 0.01)


def scores(**changed):
    return dict.fromkeys(LABELS, 0.19) | changed


def shares(**changed):
    return dict.fromkeys(AREAS, 0.10) | changed


def test_the_limits_are_the_ones_written_down():
    assert (difference.RISE, difference.CHEST_HIP_RISE, difference.ELSEWHERE_RISE) == (0.05, 0.02, 0.06)
    assert difference.REDUCED == 0.5
    assert (difference.SEEN, difference.WITNESS) == (0.2, 0.005)
    assert NUDITY == EXPOSED
    assert {*NUDITY, *BARE, ARMPITS, "FEET_EXPOSED"} == {label for label in LABELS if label.endswith("EXPOSED")}


def test_the_same_is_fine():
    assert judge_difference(root(), scores()) is None
    assert judge_skin(shares(), shares(), ()) is None


@pytest.mark.parametrize("label", [*NUDITY, *BARE, ARMPITS])
def test_every_exposed_class_has_its_limit(label):
    assert judge_difference(root(), scores(**{label: 0.239})) is None
    more = judge_difference(root(), scores(**{label: 0.241}))
    assert more is not None
    assert (more.what, more.root, more.result, more.limit) == (label, 0.19, 0.241, 0.05)
    assert more.message.startswith("The result shows more bare skin")
    assert judge_difference(root(**{label: 0.20}), scores(**{label: 0.24})) is None


@pytest.mark.parametrize("label", ["FACE_FEMALE", "FEET_EXPOSED", "FEMALE_BREAST_COVERED", "BELLY_COVERED"])
def test_other_classes_may_rise(label):
    assert judge_difference(root(), scores(**{label: 0.9})) is None


def test_what_the_detector_itself_would_not_report_is_noise():
    low = root(**dict.fromkeys(LABELS, 0.01))
    assert judge_difference(low, scores(**dict.fromkeys(LABELS, 0.199))) is None
    for label in (*NUDITY, *BARE, ARMPITS):
        assert judge_difference(low, scores(**{label: 0.2})) is not None


def test_skin_coloured_cloth_needs_a_second_witness():
    for label in (*BARE, ARMPITS):
        assert judge_difference(root(), scores(**{label: 0.9}), bared=0.005) is None
        assert judge_difference(root(), scores(**{label: 0.9}), bared=0.0051) is not None
        assert judge_difference(root(), scores(**{label: 0.9}), bared=math.nan) is not None
    for label in NUDITY:
        assert judge_difference(root(), scores(**{label: 0.9}), bared=0.0) is not None


def test_what_was_bared():
    assert bared(shares(), shares()) == 0
    for area in ("chest_hip", "shoulders", "upper_arms"):
        assert bared(shares(), shares(**{area: 0.3})) == pytest.approx(0.2)
        assert math.isnan(bared(shares(**{area: None}), shares()))
    assert bared(shares(), shares(thighs=0.9)) == 0
    assert bared(shares(chest_hip=0.5), shares(chest_hip=0.4, upper_arms=0.11)) == pytest.approx(0.01)


def test_less_is_fine():
    assert judge_difference(root(BELLY_EXPOSED=0.9), scores(BELLY_EXPOSED=0.0)) is None
    assert judge_skin(shares(chest_hip=0.9), shares(chest_hip=0.0), ()) is None


def test_armpits_where_the_garment_bares_the_upper_arms():
    high = scores(ARMPITS_EXPOSED=0.9)
    assert judge_difference(root(), high, shows=("forearms",)) is not None
    assert judge_difference(root(), high, shows=("forearms", "upper_arms")) is None
    belly = scores(BELLY_EXPOSED=0.9)
    assert judge_difference(root(), belly, shows=("upper_arms", "shoulders")) is not None


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 1.1, None, "0.1", True])
def test_what_cannot_be_compared_is_refused(wrong):
    for label in ("BELLY_EXPOSED", "ANUS_EXPOSED"):
        assert judge_difference(root(), scores(**{label: wrong})) is not None
        assert judge_difference(root(**{label: wrong}), scores()) is not None
    assert judge_skin(shares(), shares(chest_hip=wrong), ()) is not None
    assert judge_skin(shares(thighs=wrong), shares(), ()) is not None


def test_what_is_missing_is_refused():
    less = scores()
    del less["BUTTOCKS_EXPOSED"]
    more = judge_difference(root(), less)
    assert more is not None
    assert more.what == "BUTTOCKS_EXPOSED"
    few = shares()
    del few["knees"]
    more = judge_skin(few, shares(), ())
    assert more is not None
    assert more.what == "knees"


def test_the_worst_is_named():
    more = judge_difference(root(), scores(BELLY_EXPOSED=0.3, FEMALE_BREAST_EXPOSED=0.4))
    assert more is not None
    assert more.what == "FEMALE_BREAST_EXPOSED"
    more = judge_skin(shares(), shares(thighs=0.5, chest_hip=0.4, shins=math.nan), ())
    assert more is not None
    assert more.what == "shins"


def test_chest_to_hip_is_never_shown():
    for target in TARGETS:
        assert judge_skin(shares(), shares(chest_hip=0.119), target.shows) is None
        more = judge_skin(shares(), shares(chest_hip=0.121), target.shows)
        assert more is not None
        assert more.what == "chest_hip"
        assert "between chest and hips" in more.message
    assert judge_skin(shares(), shares(chest_hip=0.5), ("chest_hip",)) is not None


@pytest.mark.parametrize("area", AREAS[1:])
def test_other_areas_as_the_garment_allows(area):
    assert judge_skin(shares(), shares(**{area: 0.159}), ()) is None
    more = judge_skin(shares(), shares(**{area: 0.161}), ())
    assert more is not None
    assert (more.what, more.limit) == (area, 0.06)
    assert judge_skin(shares(), shares(**{area: 1.0}), (area,)) is None


def test_reduced_evidence_halves():
    assert judge_skin(shares(), shares(chest_hip=0.109), (), reduced=True) is None
    more = judge_skin(shares(), shares(chest_hip=0.111), (), reduced=True)
    assert more is not None
    assert more.limit == 0.01
    assert judge_skin(shares(), shares(shins=0.129), (), reduced=True) is None
    assert judge_skin(shares(), shares(shins=0.131), (), reduced=True) is not None


def test_every_area_of_the_table_is_known():
    assert {area for target in TARGETS for area in target.shows} <= set(AREAS)
