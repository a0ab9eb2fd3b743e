"""Bare skin between and below garments, and heads that are there although no face was seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.parse import bare, segmenter
from outfitswap_desktop.embedded.parse.parts import BACKGROUND, BOTTOM, SKIN, TOP, Figure

from .test_parse_parts import standing

SIZE = (400, 240)
FACE = np.array((68, 18, 22), np.float32)
DARK_FACE = np.array((30, 12, 14), np.float32)
NAVY, KHAKI, BLACK = (22, 4, -20), (66, 6, 20), (6, 0, 0)
FREE = np.ones(SIZE, bool)


def dressed(*stretches: tuple[int, tuple[float, float, float] | F32]) -> F32:
    """A picture in Lab of level stretches: (first row, colour), from the top; slight noise."""
    lab = np.zeros((*SIZE, 3), np.float32)
    for row, colour in stretches:
        lab[row:] = colour
    return np.asarray(lab + np.random.default_rng(1).normal(0, 1.0, lab.shape), np.float32)


@pytest.mark.parametrize("face", [FACE, DARK_FACE], ids=["light", "dark"])
@pytest.mark.parametrize("light", [0.75, 1.0, 1.15], ids=["shade", "same", "lit"])
def test_a_belly_between_two_garments_is_found_in_any_light(face: F32, light: float) -> None:
    lab = dressed((0, NAVY), (185, face * light), (225, KHAKI if face is DARK_FACE else BLACK))
    found = bare.find(standing(), lab, FREE, skin=face).belly
    assert found[190:220, 100:140].mean() > 0.95
    assert not found[:180].any()
    assert not found[232:].any()


@pytest.mark.parametrize(
    "stretches",
    [
        pytest.param(((0, NAVY), (225, FACE)), id="trousers in the skin's colour"),
        pytest.param(((0, FACE), (225, BLACK)), id="a top in the skin's colour"),
        pytest.param(((0, NAVY), (222, FACE), (229, BLACK)), id="a belt"),
        pytest.param(((0, NAVY), (185, KHAKI), (225, BLACK)), id="khaki between navy and black"),
        pytest.param(((0, NAVY),), id="one dress"),
    ],
)
def test_cloth_in_the_colour_of_skin_is_no_belly(stretches: tuple[tuple[int, F32], ...]) -> None:
    assert not bare.find(standing(), dressed(*stretches), FREE, skin=FACE).belly.any()


def test_black_cloth_is_not_dark_skin_in_the_shade() -> None:
    lab = dressed((0, KHAKI), (185, BLACK), (225, KHAKI))
    assert not bare.find(standing(), lab, FREE, skin=DARK_FACE).belly.any()


def test_without_a_face_nothing_is_told_by_its_colour() -> None:
    lab = dressed((0, NAVY), (185, FACE), (225, BLACK))
    assert not bare.find(standing(), lab, FREE, skin=None).belly.any()
    assert not bare.find(standing(), lab, FREE, skin=None).thighs.any()


def test_thighs_under_a_short_hem_are_skin() -> None:
    found = bare.find(standing(), dressed((0, NAVY), (275, FACE)), FREE, skin=FACE).thighs
    assert found[285:315, 146:152].all()
    assert not found[:270].any()


@pytest.mark.parametrize(
    "stretches",
    [
        pytest.param(((0, NAVY), (235, FACE)), id="trousers in the skin's colour"),
        pytest.param(((0, NAVY),), id="long trousers"),
        pytest.param(((0, NAVY), (270, FACE), (290, NAVY)), id="a torn knee"),
    ],
)
def test_long_trousers_are_no_bare_thighs(stretches: tuple[tuple[int, F32], ...]) -> None:
    assert not bare.find(standing(), dressed(*stretches), FREE, skin=FACE).thighs.any()


def test_told_skin_moves_the_prior_and_keeps_it_a_distribution() -> None:
    prior = np.full((6, *SIZE), 0.02, np.float32)
    prior[TOP], prior[BOTTOM], prior[BACKGROUND] = 0.6, 0.24, 0.1
    found = np.zeros(SIZE, bool)
    found[190:220, 90:150] = True
    found[204:206, 119:121] = False  # a navel
    before = prior.sum(axis=0)
    bare.apply(prior, found)
    assert np.allclose(prior.sum(axis=0), before, atol=1e-5)
    assert prior[:, 205, 120].argmax() == SKIN
    assert prior[:, 100, 120].argmax() == TOP


def seen_without_face(*, beside: int = 0, top: int = 20, wide: int = 60) -> tuple[Figure, F32]:
    """Someone whose face no network found: a silhouette with a head `wide` px broad that begins in row `top`."""
    figure = standing()
    person = np.zeros(SIZE, np.float32)
    person[top:100, 120 - wide // 2 : 120 + wide // 2] = 1
    person[100:, 65:175] = 1
    person[40:80, 185 : 185 + beside] = 1  # a raised hand with a telephone
    return figure, person


def test_a_raised_hand_beside_the_head_does_not_take_the_head_away() -> None:
    figure, person = seen_without_face(beside=40)
    assert not segmenter._headless(figure, person)


def test_broad_hair_below_the_upper_edge_is_a_head() -> None:
    figure, person = seen_without_face(wide=96)
    assert not segmenter._headless(figure, person)


def test_a_trunk_that_the_upper_edge_cuts_has_no_head() -> None:
    figure, person = seen_without_face(top=0, wide=96)
    assert segmenter._headless(figure, person)


def test_a_doll_without_a_head_has_none() -> None:
    figure, person = seen_without_face(wide=112)
    assert segmenter._headless(figure, person)


def test_a_nose_outside_the_picture_is_no_head() -> None:
    figure, person = seen_without_face()
    points = figure.points.copy()
    points[0, 1] = -5
    assert segmenter._headless(replace(figure, points=points), person)
