"""The age rule and how distributions are read: every limit from both sides, nothing that cannot be read ever passes.

There are no photos of minors here and there must be none: the rule is tested on numbers.
"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitswap_desktop.safety.people import age as module
from outfitswap_desktop.safety.people.age import (
    CLASSES,
    YEARS,
    AgeAnswer,
    ApparentAge,
    judge,
    read_distributions,
    strictest,
)


def seen(median, minor=0.0, spread=3.0, looks=18):
    return ApparentAge(median=median, minor=minor, spread=spread, looks=looks)


def table(*looks):
    """Each look as {class: probability}."""
    rows = np.zeros((len(looks), CLASSES), np.float32)
    for row, look in zip(rows, looks, strict=True):
        for number, share in look.items():
            row[number] = share
    return rows


def test_the_limits_are_the_published_ones():
    assert (module.MINOR_LIMIT, module.ADULT_AGE, module.SURELY_ADULT_AGE, module.MIN_FACE) == (0.5, 18, 25, 48)
    assert (module.STEP, module.CHIP, module.CHIP_PADDING, module.LARGE_FACE) == (0.05, 64, 0.2, 256)
    assert module.LIGHT_RANGE == (80.0, 160.0)
    assert YEARS[0] == 0.25
    assert YEARS[1:] == tuple(range(1, 81))


@pytest.mark.parametrize(
    ("median", "minor", "decision"),
    [
        (40, 0.0, "adult"),
        (25, 0.0, "adult"),
        (25, math.nextafter(0.5, 0), "adult"),
        (math.nextafter(25, 0), 0.0, "attestation"),
        (18, 0.0, "attestation"),
        (18, math.nextafter(0.5, 0), "attestation"),
        (math.nextafter(18, 0), 0.0, "refused"),
        (0, 0.0, "refused"),
        (18, 0.5, "refused"),
        (25, 0.5, "refused"),
        (80, 0.5, "refused"),
        (80, 1.0, "refused"),
        (0.25, 1.0, "refused"),
    ],
)
def test_every_limit_from_both_sides(median, minor, decision):
    age = seen(median, minor)
    answer = judge(age)
    assert answer.decision == decision
    assert answer.age is age


def test_no_face_asks_for_an_attestation_and_says_the_age_is_unknown():
    answer = judge(None)
    assert (answer.decision, answer.age) == ("attestation", None)
    assert answer.why.startswith("Age unknown")


def test_every_reason_given_for_an_age_calls_it_a_guess():
    reasons = {judge(age).why for age in (None, seen(9, 0.9), seen(20), seen(40))}
    assert len(reasons) == 4
    assert all("guess" in why for why in reasons)


@pytest.mark.parametrize("field", ["median", "minor", "spread"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.001, 80.5])
def test_an_apparent_age_is_made_of_numbers_in_range(field, value):
    numbers = {"median": 30.0, "minor": 0.1, "spread": 2.0, "looks": 18, field: value}
    with pytest.raises(ValueError, match=field):
        ApparentAge(**numbers)


def test_the_ends_of_the_ranges_are_in_them():
    assert seen(0, 0, 0, 1) == ApparentAge(0, 0, 0, 1)
    assert seen(80, 1, 80).minor == 1
    with pytest.raises(ValueError, match="minor"):
        seen(30, 1.001)
    with pytest.raises(ValueError, match="look"):
        seen(30, looks=0)


@pytest.mark.parametrize(
    ("one", "field"), [(seen(12, 0.9), "minor"), (judge(seen(12, 0.9)), "decision")], ids=("age", "answer")
)
def test_what_was_judged_cannot_be_changed(one, field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, field, 0)
    assert not hasattr(one, "__dict__")


class Unread:
    """Numbers that got round ApparentAge's own check."""

    def __init__(self, median, minor):
        self.median, self.minor = median, minor


@pytest.mark.parametrize(("median", "minor"), [(math.nan, 0.0), (40.0, math.nan), (math.nan, math.nan)])
def test_what_is_no_number_is_refused_by_the_rule_too(median, minor):
    assert judge(Unread(median, minor)).decision == "refused"


def test_what_is_no_age_raises():
    with pytest.raises(AttributeError):
        judge("40")


@given(
    st.floats(0, 80),
    st.floats(0, 1),
    st.floats(0, 80),
    st.floats(0, 1),
)
def test_looking_younger_never_loosens_the_answer(median, minor, younger, likelier):
    order = ("refused", "attestation", "adult")
    before = judge(seen(median, minor))
    after = judge(seen(min(median, younger), max(minor, likelier)))
    assert order.index(after.decision) <= order.index(before.decision)


def test_the_strictest_answer_counts():
    refused, asked, fine = judge(seen(9, 0.9)), judge(seen(20)), judge(seen(40))
    assert strictest([fine, asked, refused]) is refused
    assert strictest([fine, asked]) is asked
    assert strictest([fine, judge(None)]).decision == "attestation"
    assert strictest([fine]) is fine
    assert strictest([]) == judge(None)


def test_of_two_equally_strict_answers_the_first_counts():
    first, second = judge(seen(40)), judge(seen(50))
    assert strictest([first, second]) is first


# --- reading distributions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 16, 17, 18, 24, 25, 79, 80])
def test_one_sure_class_is_its_age(number):
    age = read_distributions(table({number: 1.0}))
    assert age.median == YEARS[number]
    assert age.minor == (1 if number < 18 else 0)
    assert (age.spread, age.looks) == (0, 1)


@pytest.mark.parametrize(
    ("look", "median", "minor"),
    [
        ({10: 0.49, 30: 0.51}, 0.49 * 10 + 0.51 * 30, 0.49),
        ({20: 0.51, 60: 0.49}, 20, 0),
        ({20: 0.5, 60: 0.5}, 20, 0),
        ({17: 0.5, 18: 0.5}, 17, 0.5),
        ({0: 0.25, 17: 0.25, 18: 0.25, 80: 0.25}, 17, 0.5),
        ({5: 0.2, 30: 0.8}, 25, 0.2),
    ],
)
def test_a_look_counts_with_the_lower_of_mean_and_median(look, median, minor):
    age = read_distributions(table(look))
    assert age.median == pytest.approx(median, abs=1e-4)
    assert age.minor == pytest.approx(minor, abs=1e-6)


def test_medians_are_taken_over_the_looks():
    age = read_distributions(table({10: 1.0}, {30: 1.0}, {32: 1.0}, {50: 0.9, 2: 0.1}))
    assert age.median == pytest.approx((30 + 32) / 2)
    assert age.minor == pytest.approx((0 + 0.1) / 2)
    assert age.spread == pytest.approx(45.2 - 10, abs=1e-4)
    assert age.looks == 4


def test_one_wild_look_of_eighteen_moves_nothing():
    looks = [{35: 1.0}] * 17
    assert judge(read_distributions(table(*looks, {9: 1.0}))).decision == "adult"


def test_half_of_the_looks_young_refuse():
    looks = [{35: 1.0}] * 9 + [{0: 1.0}] * 9
    answer = judge(read_distributions(table(*looks)))
    assert (answer.decision, answer.age.minor) == ("refused", 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (17, 80), (3, 40)])
def test_one_number_that_is_none_raises(value, place):
    rows = table(*[{30: 1.0}] * 18)
    rows[place] = value
    with pytest.raises(ValueError, match="finite"):
        read_distributions(rows)


@pytest.mark.parametrize(
    "rows",
    [
        table({30: 0.9}),
        table({30: 1.1}),
        table({30: 1.002}),
        table({30: 0.998}),
        table({30: 1.0}, {}),
        table({30: 1.0}, {30: 2.0}),
        table({30: 1.01, 31: -0.01}),
        table({30: 1.5, 5: -0.5}),
    ],
    ids=range(8),
)
def test_numbers_that_are_no_probabilities_raise(rows):
    with pytest.raises(ValueError, match="no probabilities"):
        read_distributions(rows)


def test_the_rounding_of_a_softmax_is_no_fault():
    rows = table({30: 1.0005}, {30: 0.9995}, {30: 1.0005, 31: -0.0005})
    assert read_distributions(rows).median == pytest.approx(30, abs=0.1)
    assert read_distributions(table({3: 1.0005})).minor == 1
    assert read_distributions(table({80: 1.0005})).median == 80


@pytest.mark.parametrize(
    "shape",
    [(0, 81), (18, 80), (18, 82), (81,), (1, 18, 81), (81, 18), ()],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_a_wrong_shape_raises(shape):
    with pytest.raises(ValueError, match="shape"):
        read_distributions(np.full(shape, 1 / 81, np.float32))


@given(st.lists(st.lists(st.floats(0, 1), min_size=CLASSES, max_size=CLASSES), min_size=1, max_size=4))
def test_any_table_of_probabilities_gives_an_age_in_range(rows):
    values = np.array(rows) + 1e-6
    age = read_distributions(values / values.sum(axis=1, keepdims=True))
    assert 0 <= age.median <= 80
    assert 0 <= age.minor <= 1
    assert age.looks == len(rows)


def test_answers_compare_by_what_they_say():
    assert judge(None) == AgeAnswer("attestation", judge(None).why)
