"""The robust line through skin: what it is found to be, and where it stops."""

import numpy as np
import pytest

from outfitswap_desktop.safety.people import skin
from outfitswap_desktop.safety.people.colour import chromaticity
from outfitswap_desktop.safety.people.skin import SkinModel


def samples(*, middle=60.0, centre=(0.2, 0.25), slope=(0.001, -0.001), n=400, noise=0.01, seed=0):
    """Lightness, u and v (n, 3) on a line, with a little noise."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(middle - 20, middle + 20, n)
    tone = np.array(centre) + (light - middle)[:, None] * np.array(slope) + rng.normal(0, noise, (n, 2))
    return np.column_stack([light, tone]).astype(np.float32)


def test_the_line_is_found():
    fit = skin._fitted(samples(), least=0.5)
    assert fit.tone.middle == pytest.approx(60, abs=4)
    assert fit.tone.centre == pytest.approx((0.2, 0.25), abs=0.004)
    assert fit.tone.slope == pytest.approx((0.001, -0.001), abs=1e-4)
    assert fit.pixels > 0.9 * 400


def test_what_lies_off_the_line_is_left_out():
    off = samples(centre=(0.35, 0.12), n=120, seed=1)
    fit = skin._fitted(np.concatenate([samples(), off]), least=0.5)
    assert fit.tone.centre == pytest.approx((0.2, 0.25), abs=0.006)
    assert 360 < fit.pixels <= 400


def test_where_nothing_lies_near_the_middle_the_first_guess_stays():
    """Two tones far apart, half of the pixels each: between them, where the median lies, is nobody."""
    two = np.concatenate([samples(centre=c, slope=(0, 0), n=100, noise=0.001) for c in ((0.2, 0.08), (0.2, 0.34))])
    fit = skin._fitted(two, least=0.5)
    assert fit.pixels == 200
    assert fit.tone.centre == pytest.approx((0.2, 0.21), abs=0.01)
    assert fit.tone.slope == (0.0, 0.0)


@pytest.mark.parametrize(("n", "found"), [(skin.LEAST_PIXELS - 1, False), (skin.LEAST_PIXELS, True)])
def test_too_few_pixels_make_no_line(n, found):
    assert (skin._fitted(samples(n=n), least=0.0) is not None) == found


def test_a_share_must_look_like_skin():
    blue = samples(centre=(-0.2, -0.2), n=300)
    assert skin._fitted(np.concatenate([samples(n=100), blue]), least=0.26) is None
    assert skin._fitted(np.concatenate([samples(n=100), blue]), least=0.25) is not None


def test_grey_skin_is_a_narrow_tone_without_hue():
    (tone,) = SkinModel.learn(np.repeat(np.linspace(120, 200, 400, dtype=np.uint8)[:, None], 3, axis=1)).tones
    assert tone == skin.Tone((0.0, 0.0), (0.0, 0.0), (0.0004, 0.0, 0.0004), 60.0)


@pytest.mark.parametrize(("below", "share"), [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0), (5, 0.0)])
def test_skin_fades_out_over_four_levels_of_lightness(below, share):
    picture = np.full((2, 2, 3), (190, 135, 105), np.uint8)
    level = float(chromaticity(picture)[0][0, 0])
    tones = SkinModel.generic().tones
    whole = SkinModel(tones, (0.0, 100.0), False).likelihood(picture)
    assert float(whole.min()) > 0.5
    darker = SkinModel(tones, (level + below, 100.0), False).likelihood(picture)
    lighter = SkinModel(tones, (0.0, level - below), False).likelihood(picture)
    assert np.allclose(darker, share * whole, atol=1e-4)
    assert np.allclose(lighter, share * whole, atol=1e-4)


@pytest.mark.parametrize(("lightness", "sound"), [
    ([0, 100], True), ([-0.5, 50], False), ([0, 100.5], False), ([50, 50], False), ([60, 40], False), ([1], False),
])  # fmt: skip
def test_a_model_lies_between_black_and_white(lightness, sound):
    document = SkinModel.generic().as_json() | {"lightness": lightness}
    if sound:
        assert SkinModel.from_json(document).lightness == (0.0, 100.0)
    else:
        with pytest.raises(ValueError, match="no skin model"):
            SkinModel.from_json(document)


def test_a_model_has_one_tone_or_a_few():
    document = SkinModel.generic().as_json()
    (tone,) = document["tones"]
    most = skin.MOST_TONES
    for count, sound in ((0, False), (1, True), (most, True), (most + 1, False)):
        if sound:
            assert len(SkinModel.from_json(document | {"tones": [tone] * count}).tones) == count
        else:
            with pytest.raises(ValueError, match="no skin model"):
                SkinModel.from_json(document | {"tones": [tone] * count})
