"""The model of a person's skin, colour differences, and cloth of the skin's colour."""

import json
import math

import cv2
import numpy as np
import pytest

from outfitswap_desktop.safety.people import cloth, skin
from outfitswap_desktop.safety.people.cloth import ClothColour, away_from_skin, cloth_colour, painted_apart
from outfitswap_desktop.safety.people.colour import chromaticity, ciede2000, lab_of
from outfitswap_desktop.safety.people.skin import SkinModel, near

LIGHT, MIDDLE, DARK = (232, 190, 165), (190, 135, 105), (98, 66, 50)

SHARMA = (
    ((50.0000, 2.6772, -79.7751), (50.0000, 0.0000, -82.7485), 2.0425),
    ((50.0000, -1.3802, -84.2814), (50.0000, 0.0000, -82.7485), 1.0000),
    ((50.0000, 0.0000, 0.0000), (50.0000, -1.0000, 2.0000), 2.3669),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0011), 7.2195),
    ((50.0000, -0.0010, 2.4900), (50.0000, 0.0011, -2.4900), 4.7461),
    ((50.0000, 2.5000, 0.0000), (50.0000, 0.0000, -2.5000), 4.3065),
    ((50.0000, 2.5000, 0.0000), (73.0000, 25.0000, -18.0000), 27.1492),
    ((50.0000, 2.5000, 0.0000), (56.0000, -27.0000, -3.0000), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
)
"""Pairs of the formula's own test data (Sharma, Wu and Dalal 2005)."""


def lit(colour, n=4000, seed=0, low=0.55, high=1.1):
    """`colour` under lights of different strength, with a little noise: (n, 3)."""
    rng = np.random.default_rng(seed)
    linear = (np.array(colour) / 255) ** 2.2 * rng.uniform(low, high, (n, 1))
    return np.clip(255 * linear ** (1 / 2.2) + rng.normal(0, 2, (n, 3)), 0, 255).astype(np.uint8)


def patch(colour):
    return np.full((8, 8, 3), colour, np.uint8)


@pytest.mark.parametrize(("one", "two", "expected"), SHARMA)
def test_ciede2000_is_the_published_one(one, two, expected):
    assert float(ciede2000(np.array(one), np.array(two))) == pytest.approx(expected, abs=1e-3)
    assert float(ciede2000(np.array(two), np.array(one))) == pytest.approx(expected, abs=1e-3)


def test_chromaticity_forgets_the_strength_of_the_light():
    _, u, v = chromaticity(lit(MIDDLE, 500)[None])
    assert float(u.std()) < 0.03
    assert float(v.std()) < 0.03
    assert float(lab_of(lit(MIDDLE, 500)[None])[..., 1].std()) > 1.0


@pytest.mark.parametrize("colour", [LIGHT, MIDDLE, DARK])
def test_skin_is_learnt_in_light_and_shadow(colour):
    model = SkinModel.learn(lit(colour))
    assert model.confident
    assert len(model.tones) == 1
    assert float((model.likelihood(lit(colour, seed=1)[None]) > 0.5).mean()) > 0.95
    for other in ((40, 70, 150), (30, 120, 60), (200, 30, 40), (245, 245, 245), (10, 10, 10), (128, 128, 128)):
        assert float(model.likelihood(patch(other)).max()) < 0.05


def test_beards_glasses_and_lips_are_left_out():
    face = lit(MIDDLE, 3000)
    strange = np.concatenate([lit((40, 34, 30), 700), lit((170, 70, 80), 300), lit((20, 20, 24), 400)])
    clean, mixed = SkinModel.learn(face), SkinModel.learn(np.concatenate([face, strange]))
    assert mixed.confident
    assert mixed.tones[0].centre == pytest.approx(clean.tones[0].centre, abs=0.02)
    assert float(mixed.likelihood(patch(MIDDLE)).min()) > 0.9


def test_hands_under_another_light_are_a_second_tone():
    hands = (205, 140, 125)
    alone, both = SkinModel.learn(lit(LIGHT)), SkinModel.learn(lit(LIGHT), lit(hands))
    assert len(both.tones) == 2
    assert float(both.likelihood(patch(hands)).min()) > 0.9
    assert float(both.likelihood(patch(LIGHT)).min()) > 0.9
    assert both.lightness[0] <= alone.lightness[0]


@pytest.mark.parametrize("gloves", [(240, 150, 20), (30, 30, 30), (60, 90, 160)])
def test_gloves_are_no_hands(gloves):
    assert len(SkinModel.learn(lit(LIGHT), lit(gloves)).tones) == 1


def test_hands_alone_are_better_than_nothing_but_not_sure():
    model = SkinModel.learn(lit((60, 90, 160)), lit(MIDDLE))
    assert not model.confident
    assert model != SkinModel.generic()
    assert float(model.likelihood(patch(MIDDLE)).min()) > 0.9


@pytest.mark.parametrize("face", [lit((60, 90, 160)), lit(MIDDLE, 30), lit(MIDDLE, 0), np.zeros((0, 3), np.uint8)])
def test_nothing_to_learn_from_gives_the_generic_skin(face):
    model = SkinModel.learn(face)
    assert model == SkinModel.generic()
    assert not model.confident
    for colour in (LIGHT, MIDDLE, DARK):
        assert float(model.likelihood(patch(colour)).min()) > 0.5
    assert float(model.likelihood(patch((40, 70, 150))).max()) < 0.1


def test_few_pixels_are_not_sure():
    assert not SkinModel.learn(lit(MIDDLE, 200)).confident
    assert SkinModel.learn(lit(MIDDLE, 500)).confident
    assert (skin.LEAST_PIXELS, skin.SURE_PIXELS) == (60, 400)


def test_a_picture_without_colours_is_judged_by_its_lightness():
    face = lit((180, 180, 180))
    model = SkinModel.learn(face)
    assert not model.confident
    assert model != SkinModel.generic()
    assert float(model.likelihood(patch((170, 170, 170))).min()) > 0.9
    assert float(model.likelihood(patch((40, 40, 40))).max()) < 0.1
    assert float(model.likelihood(patch(MIDDLE)).max()) < 0.1


def test_the_model_survives_json():
    for model in (SkinModel.generic(), SkinModel.learn(lit(LIGHT), lit((205, 140, 125)))):
        again = SkinModel.from_json(json.loads(json.dumps(model.as_json())))
        assert again.as_json() == model.as_json()
        picture = lit(LIGHT, 900).reshape(30, 30, 3)
        assert np.allclose(again.likelihood(picture), model.likelihood(picture), atol=0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"tones": []},
        {"tones": None},
        {"tones": [SkinModel.generic().as_json()["tones"][0]] * 5},
        {"lightness": [10.0]},
        {"lightness": [50.0, 50.0]},
        {"lightness": [-1.0, 50.0]},
        {"lightness": [50.0, 101.0]},
        {"lightness": [math.nan, 50.0]},
        {"confident": 1},
        {"confident": None},
    ],
)
def test_another_document_is_no_model(change):
    with pytest.raises(ValueError, match="skin"):
        SkinModel.from_json(SkinModel.generic().as_json() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"centre": [0.1]},
        {"centre": [math.inf, 0.1]},
        {"slope": ["a", 0]},
        {"spread": [0.0, 0.0, 0.1]},
        {"spread": [0.1, 0.1, 0.1]},
        {"spread": [-0.1, 0.0, -0.1]},
        {"middle": math.nan},
    ],
)
def test_an_impossible_tone_is_no_model(change):
    document = SkinModel.generic().as_json()
    document["tones"] = [document["tones"][0] | change]
    with pytest.raises(ValueError, match="skin"):
        SkinModel.from_json(document)


def test_a_document_without_its_parts_is_no_model():
    for name in ("tones", "lightness", "confident"):
        document = SkinModel.generic().as_json()
        del document[name]
        with pytest.raises(ValueError, match="skin"):
            SkinModel.from_json(document)


def test_near_is_the_distance_to_the_nearest_skin():
    model = SkinModel.learn(lit(MIDDLE))
    assert near(MIDDLE, model) < 2
    assert near((30, 60, 160), model) > 30
    lab = lab_of(np.array([[MIDDLE, (30, 60, 160)]], np.uint8))
    assert model.nearest(lab).shape == (1, 2)
    assert float(model.nearest(lab)[0, 0]) == pytest.approx(near(MIDDLE, model))


def cloth_of(colour, pattern=0.0):
    stripes = pattern * np.sign(np.sin(np.arange(120) / 4))[None, :, None]
    other = np.array((40, 60, 140), np.float32)
    folds = 1 + 0.1 * np.sin(np.arange(160) / 9)[:, None, None]
    mixed = np.where(stripes > 0, other, np.array(colour, np.float32))
    return np.clip(mixed * folds, 0, 255).astype(np.uint8) * np.ones((160, 120, 1), np.uint8)


WHOLE = np.full((160, 120), 255, np.uint8)


def test_plain_cloth_of_the_skins_colour_looks_like_skin():
    model = SkinModel.learn(lit(MIDDLE))
    found = cloth_colour(cloth_of(MIDDLE), WHOLE, model)
    assert found.like_skin
    assert found.near > 0.95
    assert not cloth_colour(cloth_of((40, 60, 140)), WHOLE, model).like_skin
    assert not cloth_colour(cloth_of(MIDDLE, pattern=1.0), WHOLE, model).like_skin
    assert cloth_colour(cloth_of(MIDDLE), np.zeros_like(WHOLE), model) == ClothColour(0.0, 0.0)


def test_only_what_is_under_the_mask_counts():
    model = SkinModel.learn(lit(MIDDLE))
    picture, mask = cloth_of((40, 60, 140)), np.zeros((160, 120), np.uint8)
    picture[:, :60] = cloth_of(MIDDLE)[:, :60]
    mask[:, :60] = 1
    assert cloth_colour(picture, mask, model).like_skin
    assert not cloth_colour(picture, 255 - 255 * mask, model).like_skin


def test_the_skin_of_another_is_taken_beside_and_ones_own_is_not():
    light, dark = SkinModel.learn(lit(LIGHT)), SkinModel.learn(lit(DARK))
    both = light.beside(dark)
    for colour in (LIGHT, DARK):
        assert near(colour, both) < skin.NEAR
        assert float(both.likelihood(np.array([[colour]], np.uint8))[0, 0]) > 0.5
    assert float(light.likelihood(np.array([[DARK]], np.uint8))[0, 0]) < 0.5
    assert len(both.tones) == 2
    assert light.beside(SkinModel.learn(lit(LIGHT, seed=5))) is light
    assert len(both.beside(SkinModel.learn(lit((60, 90, 160)))).tones) <= skin.MOST_TONES == 4
    assert SkinModel.from_json(both.as_json()) == SkinModel.from_json(both.as_json())
    generic = SkinModel.learn(lit(DARK)).beside(SkinModel.generic())
    assert not generic.confident
    assert generic.lightness[0] <= dark.lightness[0]
    assert generic.lightness[1] >= dark.lightness[1]


def test_like_skin_needs_both_numbers():
    assert (skin.NEAR, cloth.NEAR_SHARE, cloth.PLAIN_SHARE) == (6.0, 0.6, 0.7)
    assert ClothColour(0.6, 0.7).like_skin
    assert not ClothColour(0.599, 0.7).like_skin
    assert not ClothColour(0.6, 0.699).like_skin


@pytest.mark.parametrize("colour", [LIGHT, MIDDLE, DARK, (255, 218, 185), (222, 184, 150)])
def test_a_colour_is_shifted_just_far_enough(colour):
    model = SkinModel.learn(lit(colour))
    away = away_from_skin(colour, model)
    assert away == away_from_skin(colour, model)
    assert near(away, model) >= skin.NEAR
    difference = float(ciede2000(lab_of(np.array([[away]]))[0, 0], lab_of(np.array([[colour]]))[0, 0]))
    assert 2 < difference < 22
    for light in cloth.LIGHTS:
        lit_cloth = np.clip(255 * (np.array(away) / 255) ** cloth.GAMMA * light, 0, None)
        shown = np.clip(255 * (lit_cloth / 255) ** (1 / cloth.GAMMA), 0, 255).round().astype(np.uint8)
        assert float(model.likelihood(shown[None, None])[0, 0]) < cloth.UNLIKE


def test_a_colour_far_from_skin_stays():
    model = SkinModel.learn(lit(MIDDLE))
    assert away_from_skin((20, 40, 120), model) == (20, 40, 120)


@pytest.mark.parametrize("colour", [(-1, 0, 0), (0, 256, 0)])
def test_no_colour_at_all(colour):
    with pytest.raises(ValueError, match="three numbers"):
        away_from_skin(colour, SkinModel.generic())


def test_a_skin_of_all_colours_leaves_none(monkeypatch):
    monkeypatch.setattr(SkinModel, "nearest", lambda self, lab: np.zeros(lab.shape[:-1], np.float32))
    with pytest.raises(ValueError, match="far enough"):
        away_from_skin(MIDDLE, SkinModel.generic())
    assert painted_apart(MIDDLE, SkinModel.generic()) == MIDDLE


def test_what_is_painted_is_moved_only_where_it_would_look_like_skin():
    model = SkinModel.learn(lit(MIDDLE))
    assert painted_apart(MIDDLE, model) == away_from_skin(MIDDLE, model) != MIDDLE
    assert painted_apart((20, 40, 120), model) == (20, 40, 120)


def test_a_colour_that_only_its_shadows_make_like_skin_is_moved_too():
    """Bright orange is far from this skin, and its folds are not."""
    assert (cloth.LIGHTS, cloth.UNLIKE, cloth.GAMMA) == ((0.7, 0.85, 1.0, 1.2), 0.4, 2.2)
    model = SkinModel.learn(lit(DARK))
    bright = tuple(int(level) for level in np.minimum(255, np.array(DARK) * 1.4))
    assert near(bright, model) >= skin.NEAR
    assert away_from_skin(bright, model) != bright


def test_the_astronauts_skin(astronaut):
    model = SkinModel.learn(astronaut[90:180, 190:260].reshape(-1, 3))
    assert model.confident
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    likely = model.likelihood(small) > 0.5
    assert likely[50:85, 98:125].mean() > 0.7
    assert likely[160:230, 60:110].mean() < 0.05


def test_the_palette_is_the_skin_that_was_seen():
    model = SkinModel.learn(lit(MIDDLE))
    palette = model.palette()
    assert palette.shape == (25, 3)
    assert palette[0, 0] == pytest.approx(min(model.lightness[0] + skin.DARKER, model.lightness[1] - 20))
    assert palette[-1, 0] == pytest.approx(model.lightness[1] - skin.LIGHTER)
    assert np.allclose(model.tones[0].colours(np.array([50.0], np.float32))[0, 0], 50)
    wide = SkinModel.generic().palette()
    assert (wide[0, 0], wide[-1, 0]) == (20.0, 94.0)
    assert float(SkinModel.generic().likelihood(np.full((1, 1, 3), DARK, np.uint8))[0, 0]) > 0.5
    assert (skin.DARKER, skin.LIGHTER, skin.REACH) == (24.0, 8.0, 2.4)
