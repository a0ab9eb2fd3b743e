"""The arithmetic of the embedded parse: mixtures, guided filter, frames, waistline, change points, clean-up."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from outfitswap_desktop.embedded.parse import colours, garments, labelling, limbs, parts, protect, refine
from outfitswap_desktop.embedded.parse.body import silhouette
from outfitswap_desktop.embedded.parse.frame import cut_frame
from outfitswap_desktop.embedded.parse.parts import BACKGROUND, BOTTOM, HAIR, SKIN, TOP, Figure
from outfitswap_desktop.embedded.parse.smooth import GuidedFilter
from outfitswap_desktop.embedded.parse.waist import find_waist


def standing(size: tuple[int, int] = (400, 240)) -> Figure:
    """A person facing the camera, shoulders 100 px apart."""
    points = np.full((33, 2), (120, 60), np.float32)
    for left, right, dx, y in (
        (7, 8, 18, 58), (2, 5, 9, 55), (9, 10, 7, 72), (11, 12, 50, 110), (13, 14, 62, 175), (15, 16, 66, 235),
        (19, 20, 68, 250), (17, 18, 70, 248), (21, 22, 62, 245), (23, 24, 32, 240), (25, 26, 30, 320), (27, 28, 30, 390),
        (29, 30, 30, 396), (31, 32, 34, 398),
    ):  # fmt: skip
        points[left], points[right] = (120 + dx, y), (120 - dx, y)
    return Figure(points, np.ones(33, np.float32), 100.0, size)


def test_mixture_prefers_its_own_colours() -> None:
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.normal((70, 5, 5), 2, (300, 3)), rng.normal((20, 0, -30), 2, (300, 3))]).astype(
        np.float32
    )
    mixture = colours.fit(two, 3)
    own = mixture.log_likelihood(np.array([(70, 5, 5), (20, 0, -30)], np.float32))
    other = mixture.log_likelihood(np.array([(50, 60, 0)], np.float32))
    assert own.min() > other[0] + 5
    assert other[0] == pytest.approx(np.log(colours.FLOOR / colours.LAB_VOLUME), abs=0.2)


def test_mixture_density_integrates_to_one() -> None:
    rng = np.random.default_rng(1)
    mixture = colours.fit(rng.normal((50, 0, 0), 4, (2000, 3)).astype(np.float32), 2)
    side = np.arange(-30, 31, 1.5, dtype=np.float32)
    cube = np.stack(np.meshgrid(50 + side, side, side, indexing="ij"), -1).reshape(-1, 3)
    mass = float(np.exp(mixture.log_likelihood(cube).astype(np.float64)).sum() * 1.5**3)
    assert mass == pytest.approx(1 - colours.FLOOR, abs=0.03)


def test_guided_filter_keeps_the_edge_of_the_guide() -> None:
    guide = np.zeros((80, 80, 3), np.uint8)
    guide[:, 40:] = 200
    rough = np.zeros((80, 80), np.float32)
    rough[:, 36:] = 1.0
    smooth = GuidedFilter(guide, 8, eps=1e-4)(rough)
    assert smooth[40, 45] > 0.9
    assert abs(float(smooth[40, 41] - smooth[40, 38])) > 0.4


def test_guided_filter_of_a_constant_is_that_constant() -> None:
    rng = np.random.default_rng(2)
    guide = rng.integers(0, 255, (50, 60, 3)).astype(np.uint8)
    smooth = GuidedFilter(guide, 4, eps=1e-3)(np.full((50, 60), 0.7, np.float32))
    assert np.allclose(smooth, 0.7, atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 12.0])
def test_frame_goes_there_and_back(angle: float) -> None:
    photo = np.zeros((500, 700, 3), np.uint8)
    cv2.circle(photo, (320, 260), 12, (255, 255, 255), -1)
    frame = cut_frame(photo, (100, 50, 600, 450), angle=angle)
    points = np.array([(120.0, 80.0), (320.0, 260.0), (590.0, 440.0)], np.float32)
    assert np.allclose(frame.to_photo(frame.from_photo(points)), points, atol=0.01)
    x, y = frame.from_photo(points[1:2])[0]
    assert frame.picture[round(float(y)), round(float(x))].min() > 200
    spread = frame.spread((frame.picture[..., 0] / 255.0).astype(np.float32), box=(0, 0, 700, 500), size=(700, 500))
    ys, xs = np.nonzero(spread > 0.5)
    assert abs(xs.mean() - 320) < 1
    assert abs(ys.mean() - 260) < 1


def test_waistline_is_found_where_the_colour_changes() -> None:
    figure = standing()
    lab = np.zeros((400, 240, 3), np.float32)
    lab[..., 0] = 60
    lab[225:, :, 0] = 25
    lab += np.random.default_rng(3).normal(0, 1.0, lab.shape).astype(np.float32)
    cloth = np.zeros((400, 240), np.float32)
    cloth[110:380, 75:165] = 1
    line = find_waist(figure, cloth, lab=lab)
    assert line.apart > 0.9
    assert line.contrast > 0.9
    assert not line.below[215, 80:160].any()
    assert line.below[235, 80:160].all()


def dark_clothes(*, hem: float) -> tuple[np.ndarray, np.ndarray]:
    """Lab and cloth of a dark shirt down to row 205, a waistband in its shade to row 225 and dark trousers below.

    `hem` is the depth of the shadow under the shirt's hem in Lab units.
    """
    lab = np.zeros((400, 240, 3), np.float32)
    lab[..., 0] = 6.0
    lab[205:225, :, 0] = 7.0
    lab[225:, :, 0] = 10.0
    lab[201:205, :, 0] -= hem
    lab += np.random.default_rng(5).normal(0, 0.8, lab.shape).astype(np.float32)
    cloth = np.zeros((400, 240), np.float32)
    cloth[110:380, 75:165] = 1
    return lab, cloth


def test_dark_waistband_goes_with_the_dark_trousers() -> None:
    lab, cloth = dark_clothes(hem=3.0)
    line = find_waist(standing(), cloth, lab=lab)
    assert not line.below[196, 80:160].any()
    assert line.below[210, 80:160].all()


def test_without_a_hem_above_it_the_step_between_dark_cloths_is_the_line() -> None:
    lab, cloth = dark_clothes(hem=0.0)
    lab[205:225, :, 0] -= 1.0
    line = find_waist(standing(), cloth, lab=lab)
    assert not line.below[216, 80:160].any()
    assert line.below[234, 80:160].all()


def test_stripe_above_the_hem_of_a_light_top_is_the_tops() -> None:
    lab = np.zeros((400, 240, 3), np.float32)
    lab[..., 0] = 75
    lab[201:205, :, 0] = 35
    lab[225:, :, 0] = 25
    lab += np.random.default_rng(6).normal(0, 0.8, lab.shape).astype(np.float32)
    cloth = np.zeros((400, 240), np.float32)
    cloth[110:380, 75:165] = 1
    line = find_waist(standing(), cloth, lab=lab)
    assert not line.below[218, 80:160].any()
    assert line.below[232, 80:160].all()


def test_one_material_has_no_waistline() -> None:
    figure = standing()
    lab = np.full((400, 240, 3), 50, np.float32) + np.random.default_rng(4).normal(0, 1, (400, 240, 3)).astype(
        np.float32
    )
    cloth = np.zeros((400, 240), np.float32)
    cloth[110:380, 75:165] = 1
    line = find_waist(figure, cloth, lab=lab)
    assert line.contrast < 0.1
    assert line.apart < 0.3


def test_sleeve_ends_where_skin_begins() -> None:
    figure = standing()
    likelihood = np.zeros((6, 400, 240), np.float32)
    likelihood[TOP, :175], likelihood[SKIN, :175] = -5, -9
    likelihood[TOP, 175:], likelihood[SKIN, 175:] = -9, -5
    found = [c for c in limbs.changes(figure, likelihood, np.ones((400, 240), np.float32)) if c.label == TOP]
    assert len(found) == 2
    assert all(abs(c.share - 0.52) < 0.08 for c in found)


def test_prior_is_a_distribution_and_follows_the_body() -> None:
    figure = standing()
    person = np.full((400, 240), 0.95, np.float32)
    prior = parts.label_prior(figure, parts.part_map(figure), person)
    assert np.allclose(prior.sum(axis=0), 1, atol=1e-3)
    assert prior[:, 160, 120].argmax() == TOP
    assert prior[:, 320, 150].argmax() == parts.BOTTOM
    assert prior[TOP, 60, 120] < 0.08


def test_clean_up_drops_crumbs_and_fills_small_holes() -> None:
    soft = np.zeros((200, 200), np.float32)
    soft[40:160, 40:160] = 0.9
    soft[90:96, 90:96] = 0.1
    soft[5:11, 5:11] = 0.9
    mask = garments.cleaned(soft, 100.0) > 0.5
    assert mask[93, 93]
    assert not mask[7, 7]
    assert mask[100, 50]


def test_alpha_is_full_at_the_photo_border() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[50:, 20:80] = 255
    alpha = refine.alpha_of(mask)
    assert alpha[99, 50] == 255
    assert 0 < alpha[50, 50] < 255
    assert alpha[49, 50] == 0


def test_a_dark_photo_is_lifted_and_a_usual_one_left_alone():
    from outfitswap_desktop.embedded.parse.exposure import lifted

    usual = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    assert lifted(usual) is usual
    dark = (usual * 0.45).astype(np.uint8)
    assert np.abs(lifted(dark).astype(int) - usual * (240 / 255)).mean() < 3
    assert not lifted(np.zeros((80, 80, 3), np.uint8)).any()


def test_a_silhouette_network_that_paints_the_wall_is_not_heard() -> None:
    picture = np.full((120, 160, 3), 128, np.uint8)
    pose = np.zeros((120, 160), np.float32)
    pose[:, 40:60] = pose[:, 100:120] = 1.0
    pose[:20, 40:120] = 1.0
    doubtful = pose.copy()
    doubtful[20:50, 60:100] = 0.4
    near = np.maximum(pose, doubtful > 0).astype(np.float32)
    wall = near.copy()
    wall[20:, :] = 1.0
    between = (slice(30, 40), slice(70, 90))

    def seen(selfie: np.ndarray, *, faceless: bool) -> float:
        person = silhouette(picture, doubtful, selfie, others=None, unit=12.0, faceless=faceless)
        return float(person[between].mean())

    heard, unheard = seen(near, faceless=True), seen(wall, faceless=True)
    assert seen(wall, faceless=False) == pytest.approx(heard, abs=0.02)
    assert heard > 0.47
    assert unheard < 0.43


def coloured(figure: Figure, prior: np.ndarray, probability: np.ndarray) -> labelling.Labelling:
    """A labelling of a grey picture at its end."""
    grey = np.full((*figure.size, 3), 128, np.uint8)
    return labelling.Labelling(
        lab=labelling.lab_of(grey), prior=prior, smooth=GuidedFilter(grey, 2, eps=1e-4), near=np.ones(figure.size, bool),
        palette=np.zeros((1, 3), np.float32), index=np.zeros(int(np.prod(figure.size)), np.intp),
        likelihood=np.zeros_like(prior), probability=probability, mixtures=[],
    )  # fmt: skip


def test_a_doubtful_silhouette_teaches_no_cloth() -> None:
    figure = standing()
    prior = np.full((6, *figure.size), 0.1, np.float32)
    probability = np.zeros_like(prior)
    probability[BOTTOM] = 1.0
    prior[BACKGROUND, :, :120] = 0.5
    samples = coloured(figure, prior, probability).confident()[BOTTOM]
    assert not samples[:, :118].any()
    assert samples[10:-10, 125:].all()


def test_hair_that_falls_on_a_collar_keeps_its_rim_and_a_line_along_the_neck_gets_none() -> None:
    figure = standing()
    probability = np.zeros((6, *figure.size), np.float32)
    probability[TOP] = 1.0
    probability[:, 30:110, 90:110] = 0.0
    probability[HAIR, 30:110, 90:110] = 1.0  # from the temple to the shoulder
    probability[:, 104:106, 110:160] = 0.0
    probability[HAIR, 104:106, 110:160] = 1.0
    hair = protect._hair(figure, coloured(figure, np.full_like(probability, 0.1), probability)) > 0.5
    assert hair[111, 95:105].all()
    assert not hair[112].any()
    assert hair[104:106, 115:150].all()
    assert not hair[[103, 106], 115:].any()
