"""Bodies without a head: what is doubted in the search for them, without any network."""

import numpy as np

from outfitswap_desktop.embedded.parse import headless, seeds
from outfitswap_desktop.embedded.parse.parts import Figure
from outfitswap_desktop.embedded.parse.skeleton import LEFT_HIP, LEFT_KNEE, RIGHT_HIP
from outfitswap_desktop.embedded.parse.solutions import Pose


def standing(size: tuple[int, int] = (400, 200)) -> Pose:
    """Someone whose trunk and legs fill the middle of the picture, the head above its upper edge."""
    points = np.full((33, 2), (100.0, -60.0), np.float32)
    for left, x, y in (
        (11, 40, 10),
        (13, 50, 60),
        (15, 50, 110),
        (23, 25, 110),
        (25, 25, 210),
        (27, 25, 310),
        (29, 25, 330),
    ):
        points[left], points[left + 1] = (100 + x, y), (100 - x, y)
    points[[17, 19, 21]], points[[18, 20, 22]] = points[15], points[16]
    points[31], points[32] = (130, 335), (70, 335)
    mask = np.zeros(size, np.float32)
    mask[:345, 60:140] = 1.0
    return Pose(points, np.full(33, 0.9, np.float32), mask)


def test_a_square_that_cuts_the_body_is_doubted() -> None:
    pose = standing()
    assert headless._cut_off(pose, (100.0, 110.0), 1000.0) == 0.0
    assert headless._cut_off(pose, (100.0, 60.0), 400.0) > 0.5


def test_a_body_on_its_head_is_less_likely() -> None:
    pose = standing()
    turned = Pose(pose.points * np.array([1, -1], np.float32) + np.array([0, 345], np.float32), pose.seen, pose.mask)
    assert headless.likely(pose) > headless.likely(turned) + 0.5


def test_mirroring_gives_left_and_right_their_names_back() -> None:
    pose = standing()
    pose.points[LEFT_KNEE] += 20
    mirror = Pose(
        pose.points * np.array([-1, 1], np.float32) + np.array([199, 0], np.float32), pose.seen, pose.mask[:, ::-1]
    )
    _, back = headless._mirrored((1.0, headless._mirrored((1.0, mirror))[1]))
    np.testing.assert_allclose(back.points, mirror.points)
    _, once = headless._mirrored((1.0, mirror))
    assert once.points[LEFT_HIP][0] == pose.points[RIGHT_HIP][0]


def test_the_silhouette_is_shared_by_those_that_saw_about_the_same() -> None:
    best = standing()
    skirt = best.mask.copy()
    skirt[250:300, 140:150] = 1.0
    wrong = np.zeros_like(best.mask)
    wrong[:, 0:100] = 1.0
    shared = headless._shared([best, Pose(best.points + 3, best.seen, skirt), Pose(best.points, best.seen, wrong)])
    assert np.array_equal(shared.points, best.points)
    assert shared.mask[270, 145] == 0.5
    assert shared.mask[100, 100] == 1.0
    assert shared.mask[100, 20] == 0.0


def test_a_leg_that_runs_out_of_the_picture_ends_in_no_shoe() -> None:
    pose = standing()
    figure = Figure(pose.points, pose.seen, 80.0, (350, 200), headless=True)
    person = np.zeros((350, 200), np.float32)
    person[:, 60:140] = 1.0
    lab = np.full((350, 200, 3), (40.0, 0.0, -20.0), np.float32)
    marks = (25, 27, 29, 31)
    assert seeds._leg_goes_on(figure, lab, person, marks=marks)
    shod = lab.copy()
    shod[322:] = (15.0, 0.0, 0.0)
    assert not seeds._leg_goes_on(figure, shod, person, marks=marks)
    person[344:] = 0.0
    assert not seeds._leg_goes_on(figure, lab, person, marks=marks)


def test_a_cut_off_head_is_believed_and_clothes_laid_out_are_not() -> None:
    pose = standing()
    assert headless.believable(pose, pose.mask)
    laid_out = standing((500, 200))
    down = np.array([0, 80], np.float32)
    points = laid_out.points + down
    points[:11] = (100.0, 85.0)  # a nose dreamt into the collar
    mask = np.zeros((500, 200), np.float32)
    mask[80:425, 60:140] = 1.0
    assert not headless.believable(Pose(points, laid_out.seen, mask), mask)


def test_a_head_seen_from_behind_is_believed_at_any_size() -> None:
    small = standing((1600, 1200))
    points = small.points + np.array([500, 600], np.float32)
    points[:11] = (600.0, 560.0)
    mask = np.zeros((1600, 1200), np.float32)
    mask[600:945, 560:640] = 1.0
    mask[530:600, 580:620] = 1.0
    assert headless.believable(Pose(points, small.seen, mask), mask)
    assert not headless.believable(Pose(points, np.full(33, 0.7, np.float32), mask), mask)
    assert not headless.believable(Pose(points, small.seen, mask), np.zeros_like(mask))


def test_unsure_joints_need_not_be_a_body() -> None:
    pose = standing()
    assert not headless.believable(Pose(pose.points, np.full(33, 0.2, np.float32), pose.mask), np.zeros_like(pose.mask))
    nothing = np.zeros_like(pose.mask)
    assert not headless.believable(Pose(pose.points, pose.seen, nothing), nothing)
