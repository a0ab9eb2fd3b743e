"""A drawn person with face, hands and folded clothes, and the segmentation that belongs to it: no photo, no network."""

import cv2
import numpy as np

from outfitswap_desktop.core.regions import BodyAxis, Person, ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.zones import Zone

HEIGHT, WIDTH = 480, 300
SKIN = (214, 160, 130)
SHIRT = (52, 84, 150)
TROUSERS = (60, 62, 66)


def shaded(colour, seed=0, folds=0.16, noise=2.0):
    """A cloth (HEIGHT, WIDTH, 3) of one colour with folds that belong to `seed`."""
    rng = np.random.default_rng(seed)
    relief = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 3.5)
    relief *= folds / relief.std()
    grain = rng.normal(0, noise, (HEIGHT, WIDTH, 1))
    return np.clip(np.array(colour, np.float32) * (1 + relief[..., None]) + grain, 0, 255)


def smooth(colour, seed=9):
    """Painted skin: one colour under a soft light from the side, without folds."""
    light = np.broadcast_to(np.linspace(1.06, 0.86, WIDTH)[None, :, None], (HEIGHT, WIDTH, 1))
    grain = np.random.default_rng(seed).normal(0, 1.2, (HEIGHT, WIDTH, 1))
    return np.clip(np.array(colour, np.float32) * light + grain, 0, 255)


def blank():
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def _ellipse(centre, size):
    return cv2.ellipse(blank(), centre, size, 0, 0, 360, 255, -1)


def _line(start, end, thick):
    return cv2.line(blank(), start, end, 255, thick)


HEAD = _ellipse((150, 66), (30, 40))
HANDS = np.maximum(_ellipse((70, 282), (12, 15)), _ellipse((230, 282), (12, 15)))
SLEEVES = np.maximum.reduce(
    [
        _line((104, 136), (80, 205), 30),
        _line((80, 205), (72, 262), 26),
        _line((196, 136), (220, 205), 30),
        _line((220, 205), (228, 262), 26),
    ]
)
TRUNK = cv2.rectangle(blank(), (100, 122), (200, 290), 255, -1)
TOP = np.maximum(SLEEVES, TRUNK)
BOTTOM = np.where(cv2.rectangle(blank(), (102, 291), (198, 470), 255, -1) > 0, 255, 0).astype(np.uint8)
NECK = cv2.rectangle(blank(), (138, 100), (162, 124), 255, -1)
for _mask in (TOP, BOTTOM):
    _mask[HANDS > 0] = 0
    _mask[HEAD > 0] = 0
FULL = np.maximum(TOP, BOTTOM)
BODY = np.maximum.reduce([FULL, HEAD, HANDS, NECK])

AXES = (
    BodyAxis("trunk", (150.0, 134.0), (150.0, 286.0), 46.0),
    BodyAxis("left_upper_arm", (196.0, 136.0), (220.0, 205.0), 15.0),
    BodyAxis("left_forearm", (220.0, 205.0), (228.0, 262.0), 12.0),
    BodyAxis("right_upper_arm", (104.0, 136.0), (80.0, 205.0), 15.0),
    BodyAxis("right_forearm", (80.0, 205.0), (72.0, 262.0), 12.0),
    BodyAxis("left_thigh", (174.0, 290.0), (176.0, 380.0), 22.0),
    BodyAxis("left_shin", (176.0, 380.0), (176.0, 465.0), 16.0),
    BodyAxis("right_thigh", (126.0, 290.0), (124.0, 380.0), 22.0),
    BodyAxis("right_shin", (124.0, 380.0), (124.0, 465.0), 16.0),
)


def lay(picture, cloth, mask):
    """`picture` with `cloth` where `mask` is."""
    return np.where(mask[..., None] > 0, np.round(cloth), picture).astype(np.uint8)


def person(skin=SKIN, shirt=SHIRT, trousers=TROUSERS):
    """The picture (HEIGHT, WIDTH, 3) of a dressed person."""
    picture = np.full((HEIGHT, WIDTH, 3), (188, 194, 200), np.uint8)
    face = shaded(skin, 5, folds=0.05)
    for mask in (HEAD, HANDS, NECK):
        picture = lay(picture, face, mask)
    picture = lay(picture, shaded(trousers, 2), BOTTOM)
    return lay(picture, shaded(shirt, 1), TOP)


def segmentation(**changes):
    regions = {
        zone: Region(zone, mask, mask, 0.9)
        for zone, mask in ((Zone.TOP, TOP), (Zone.BOTTOM, BOTTOM), (Zone.FULL, FULL))
    }
    values = {
        "segmenter": "drawn",
        "persons": (Person(1, (58, 26, 243, 471), 0.9),),
        "person": 1,
        "regions": regions,
        "protected": (ProtectedArea("head", HEAD, 0.9), ProtectedArea("hands", HANDS, 0.9)),
        "axes": AXES,
        "body": BODY,
    }
    return Segmentation(**(values | changes))
