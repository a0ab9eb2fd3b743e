"""Maps of poses as controlnet-aux draws them, and DWPose's arithmetic around two tiny networks."""

import numpy as np
import pytest

from outfitswap_desktop.core.regions import JOINTS, BodyPose
from outfitswap_desktop.ml.control import dwpose
from outfitswap_desktop.ml.control.pose_map import draw_pose, joints_shown, usual_thickness, xinsir_thickness
from tests.ml.tiny_control import CELLS, POSE_HEIGHT, POSE_WIDTH, write_dwpose, yolox_answer

SIZE = (320, 480)
PLACES = {
    "nose": (160, 60), "neck": (160, 110), "right_shoulder": (120, 110), "right_elbow": (100, 180), "right_wrist": (90, 240),
    "left_shoulder": (200, 110), "left_elbow": (220, 180), "left_wrist": (230, 240), "right_hip": (140, 240),
    "right_knee": (135, 330), "right_ankle": (130, 420), "left_hip": (180, 240), "left_knee": (185, 330),
    "left_ankle": (190, 420), "right_eye": (150, 50), "left_eye": (170, 50), "right_ear": (140, 55), "left_ear": (180, 55),
}  # fmt: skip


def pose(scale: float = 1.0, **seen: float) -> BodyPose:
    return BodyPose(tuple((scale * PLACES[name][0], scale * PLACES[name][1], seen.get(name, 0.9)) for name in JOINTS))


def limb(picture: np.ndarray, first: str, second: str) -> np.ndarray:
    """The colour half-way between two joints."""
    (x0, y0), (x1, y1) = PLACES[first], PLACES[second]
    return picture[(y0 + y1) // 2, (x0 + x1) // 2]


def test_limbs_have_openposes_colours():
    drawn = draw_pose(pose(), SIZE, thickness=1.0)
    assert drawn.shape == (480, 320, 3)
    assert drawn.dtype == np.uint8
    for (first, second), colour in {
        ("neck", "right_shoulder"): (255, 0, 0),
        ("right_elbow", "right_wrist"): (255, 255, 0),
        ("left_elbow", "left_wrist"): (85, 255, 0),
        ("neck", "left_hip"): (0, 255, 255),
        ("right_knee", "right_ankle"): (0, 255, 170),
    }.items():
        want = np.array(colour) * 0.6
        assert np.abs(limb(drawn, first, second).astype(float) - want).max() <= 1, (first, second)
    assert (drawn.any(axis=2)).mean() < 0.1


def test_unseen_joints_take_their_limbs_along():
    drawn = draw_pose(pose(left_elbow=0.1), SIZE, thickness=1.0)
    assert not limb(drawn, "left_elbow", "left_wrist").any()
    assert not limb(drawn, "left_shoulder", "left_elbow").any()
    assert limb(drawn, "right_elbow", "right_wrist").any()
    x, y = PLACES["left_wrist"]
    assert drawn[y, x].any()
    assert joints_shown(pose(left_elbow=0.1), SIZE) == 17
    assert joints_shown(pose(), (320, 100)) == 5


def test_thicker_limbs_lie_at_the_same_places():
    thin = draw_pose(pose(), SIZE, thickness=1.0)
    thick = draw_pose(pose(), SIZE, thickness=3.0)
    assert thick.shape == thin.shape
    ratio = np.count_nonzero((thick > 60).any(axis=2)) / np.count_nonzero((thin > 60).any(axis=2))
    assert 2.0 < ratio < 3.6
    inside = (thin > 60).any(axis=2)
    assert (thick[inside] > 30).any(axis=1).mean() > 0.97
    assert xinsir_thickness((480, 400)) == 1.0
    assert xinsir_thickness((768, 1024)) == 3.0
    assert usual_thickness((512, 512)) == 1.0
    assert usual_thickness((1024, 768)) == 1.5


def test_joints_outside_the_crop_are_drawn_up_to_its_edge():
    joints = list(pose().joints)
    joints[JOINTS.index("right_wrist")] = (-60.0, 240.0, 0.9)
    drawn = draw_pose(BodyPose(tuple(joints)), SIZE, thickness=1.0)
    assert drawn[200:240, :60].any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_drawing_is_the_one_of_controlnet_auxs_openpose_detector():
    from controlnet_aux.open_pose.body import Keypoint
    from controlnet_aux.open_pose.util import draw_bodypose

    points = [Keypoint(x / SIZE[0], y / SIZE[1]) for x, y, _ in pose().joints]
    theirs = draw_bodypose(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), points)
    ours = draw_pose(pose(), SIZE, thickness=1.0)
    assert (np.abs(theirs.astype(int) - ours).max(axis=2) > 1).mean() < 0.002  # they round where limbs cross


def test_yolox_answers_are_boxes_without_doubles():
    answer = yolox_answer([(8, 8, 40, 56, 0.9), (16, 8, 48, 56, 0.6), (44, 20, 60, 60, 0.8), (2, 2, 10, 10, 0.2)])
    boxes = dwpose.persons(answer[0], (CELLS, CELLS))
    assert np.allclose(boxes, [(8, 8, 40, 56), (44, 20, 60, 60)], atol=1e-3)


def test_letterbox_keeps_the_aspect_and_turns_to_bgr():
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[..., 0] = 200
    tensor, ratio = dwpose.letterbox(picture, (64, 64))
    assert ratio == pytest.approx(0.8)
    assert tensor.shape == (1, 3, 64, 64)
    assert tensor[0, :, 10, 10].tolist() == [0, 0, 200]
    assert tensor[0, :, 50, 10].tolist() == [114, 114, 114]


@pytest.mark.parametrize("box", [(10, 20, 40, 100), (5, 5, 95, 30), (-20, 0, 30, 200)])
def test_the_cut_of_a_person_keeps_its_aspect_and_leads_back(box):
    way = dwpose.affine(np.array(box, np.float32), (288, 384))
    corners = np.array([(box[0], box[1]), (box[2], box[3])], np.float64)
    there = corners @ way.matrix[:, :2].T + way.matrix[:, 2]
    assert np.allclose(there @ way.back[:, :2].T + way.back[:, 2], corners, atol=1e-6)
    assert there.min() >= -1e-6
    assert (there <= np.array([288, 384]) + 1e-6).all()
    assert np.allclose(there.mean(axis=0), (144, 192))
    wide, tall = there[1] - there[0]
    assert wide / tall == pytest.approx((box[2] - box[0]) / (box[3] - box[1]))
    assert max(wide / 288, tall / 384) == pytest.approx(1 / 1.25)


def test_simcc_is_read_in_half_pixels():
    across, down = np.zeros((2, 576), np.float32), np.zeros((2, 768), np.float32)
    across[0, 101], down[0, 33] = 0.9, 0.7
    across[1, 575], down[1, 0] = 0.4, 0.8
    places, seen = dwpose.decoded(across, down)
    assert places.tolist() == [[50.5, 16.5], [287.5, 0.0]]
    assert seen.tolist() == pytest.approx([0.7, 0.4])


def test_the_person_with_most_of_the_mask_is_chosen():
    boxes = np.array([(0, 0, 50, 100), (50, 0, 100, 100), (0, 0, 100, 100)], np.float32)
    wanted = np.zeros((100, 100), np.uint8)
    wanted[40:60, 55:90] = 255
    chosen = dwpose.most_of(boxes, wanted)
    assert chosen is not None
    assert chosen.tolist() == [50, 0, 100, 100]
    assert dwpose.most_of(boxes[:1], wanted) is None


def test_coco_points_become_openposes_joints():
    places = np.stack([np.arange(133), 2 * np.arange(133)], axis=1).astype(np.float32)
    seen = np.full(133, 0.9, np.float32)
    seen[6] = 0.5
    body = dict(zip(JOINTS, dwpose.as_body(places, seen, (300, 200)).joints, strict=True))
    assert body["right_wrist"][:2] == (10, 20)
    assert body["left_ear"][:2] == (3, 6)
    assert body["neck"] == pytest.approx((5.5, 11.0, 0.5))
    assert dwpose.as_body(places, seen, (21, 200)).joints[JOINTS.index("left_ankle")][2] == 0


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    folder = write_dwpose(tmp_path_factory.mktemp("weights") / "dwpose", [(4, 8, 30, 60, 0.9), (34, 8, 60, 60, 0.8)])
    return dwpose.DwPose(folder, device="cpu")


def test_both_networks_find_a_bright_place_on_the_chosen_person(finder):
    picture = np.full((128, 128, 3), 20, np.uint8)
    picture[60:64, 90:94] = 255
    picture[90:94, 20:24] = 255
    for wanted, place in (((70, 120), (92, 62)), ((10, 60), (22, 92))):
        mask = np.zeros((128, 128), np.uint8)
        mask[30:100, wanted[0] : wanted[1]] = 255
        found = finder.find(picture, mask)
        assert found is not None
        pixel = 1.25 * max(52 / POSE_WIDTH, 104 / POSE_HEIGHT)  # of the picture, for one of the network
        for x, y, seen in found.joints:
            assert (x, y) == pytest.approx(place, abs=1.5 * pixel)
            assert seen > 0.3
    assert finder.find(picture, np.zeros((128, 128), np.uint8)) is None


def test_a_tall_picture_gives_boxes_in_its_own_pixels(finder):
    boxes = finder.boxes(np.zeros((640, 200, 3), np.uint8))
    assert np.allclose(boxes[0], np.array([4, 8, 30, 60]) * 10, atol=0.1)
