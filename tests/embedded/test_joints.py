"""MediaPipe's landmarks as OpenPose's joints: names, places, and what counts as unseen."""

from __future__ import annotations

import numpy as np
import pytest

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import JOINTS
from outfitswap_desktop.embedded.parse.frame import cut_frame
from outfitswap_desktop.embedded.parse.joints import BARELY, body_pose
from outfitswap_desktop.embedded.parse.parts import Figure
from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter

PHOTO = (600, 400)


def figure(**changes: object) -> tuple[Figure, object]:
    """Landmark n at (3n, 5n) of a frame cut from (40, 30) of the photo; all seen."""
    frame = cut_frame(np.zeros((*PHOTO, 3), np.uint8), (40, 30, 340, 530), side=250)
    places = np.array([(3.0 * n, 5.0 * n) for n in range(33)], np.float32)
    seen = np.full(33, 0.9, np.float32)
    made = {"points": places, "seen": seen, "unit": 60.0, "size": frame.picture.shape[:2], **changes}
    return Figure(**made), frame  # type: ignore[arg-type]


def test_every_joint_is_the_right_landmark_in_photo_pixels() -> None:
    person, frame = figure()
    joints = dict(zip(JOINTS, body_pose(person, frame, PHOTO).joints, strict=True))
    for name, mark in {"nose": 0, "left_shoulder": 11, "right_wrist": 16, "left_ear": 7, "right_ankle": 28}.items():
        x, y = frame.to_photo(person.points[[mark]])[0]
        assert joints[name] == pytest.approx((x, y, 0.9), abs=1e-3)
    middle = frame.to_photo(person.points[[11, 12]]).mean(axis=0)
    assert joints["neck"][:2] == pytest.approx(tuple(middle), abs=1e-3)


def test_unseen_joints_and_those_outside_the_photo_have_no_confidence() -> None:
    seen = np.full(33, 0.9, np.float32)
    seen[12], seen[25] = 0.5, BARELY - 0.01
    places = np.full((33, 2), 50.0, np.float32)
    places[28] = (50.0, 900.0)
    places[16] = (-90.0, 50.0)
    person, frame = figure(points=places, seen=seen)
    joints = dict(zip(JOINTS, body_pose(person, frame, PHOTO).joints, strict=True))
    assert joints["neck"][2] == pytest.approx(0.5)  # the worse of the two shoulders
    assert [name for name, joint in joints.items() if joint[2] == 0] == ["right_wrist", "right_ankle", "left_knee"]


def test_a_head_that_is_not_in_the_photo_has_no_joints() -> None:
    person, frame = figure(headless=True)
    joints = dict(zip(JOINTS, body_pose(person, frame, PHOTO).joints, strict=True))
    assert {name for name, joint in joints.items() if joint[2] == 0} == {
        "nose", "right_eye", "left_eye", "right_ear", "left_ear",
    }  # fmt: skip


def test_the_astronaut_has_a_pose() -> None:
    from skimage import data

    photo = np.ascontiguousarray(data.astronaut())
    segmenter = MediaPipeSegmenter()
    try:
        found = segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    finally:
        segmenter.close()
    assert found.pose is not None
    joints = dict(zip(JOINTS, found.pose.joints, strict=True))
    assert joints["nose"][:2] == pytest.approx((220, 124), abs=12)
    assert joints["right_shoulder"][0] < joints["neck"][0] < joints["left_shoulder"][0]
    for name in ("nose", "neck", "left_shoulder", "right_shoulder", "left_ear", "right_elbow"):
        assert joints[name][2] > 0.8, name
    for name in ("left_knee", "right_knee", "left_ankle", "right_ankle"):  # below the photo
        assert joints[name][2] == 0, name
