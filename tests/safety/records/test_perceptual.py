"""The fingerprint stays with a picture through saving and resizing, and leaves it at a crop, a flip, another picture."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.safety.records.consents import NEAR
from outfitswap_desktop.safety.records.lineage import ALIKE
from outfitswap_desktop.safety.records.perceptual import FLAT, LOOKS_BYTES, distance, looks, perceptual_hash, unlike

NAMES = ("astronaut", "coffee", "chelsea", "rocket", "retina", "colorwheel", "immunohistochemistry")


@pytest.fixture(scope="module")
def pictures():
    import skimage.data

    return {name: np.ascontiguousarray(getattr(skimage.data, name)()[..., :3]) for name in NAMES}


def saved(pixels, format, quality):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def sized(pixels, share):
    height, width = pixels.shape[:2]
    return np.asarray(
        Image.fromarray(pixels).resize((round(width * share), round(height * share)), Image.Resampling.LANCZOS)
    )


def cropped(pixels, share):
    height, width = pixels.shape[:2]
    y, x = round(height * share), round(width * share)
    return [
        pixels[:, x:],
        pixels[:, : width - x],
        pixels[y:],
        pixels[: height - y],
        pixels[y : height - y, x : width - x],
    ]


def judge(pictures):
    hashes = {name: perceptual_hash(pixels) for name, pixels in pictures.items()}
    for name, pixels in pictures.items():
        saves = [saved(pixels, "JPEG", quality) for quality in (95, 75, 50)] + [saved(pixels, "WEBP", 80)]
        saves += [sized(pixels, 0.5), sized(pixels, 2.0), saved(sized(pixels, 0.5), "JPEG", 75)]
        assert max(distance(hashes[name], perceptual_hash(one)) for one in saves) <= NEAR, name
        others = [*cropped(pixels, 0.1), pixels[:, ::-1], np.rot90(pixels)]
        assert min(distance(hashes[name], perceptual_hash(np.ascontiguousarray(one))) for one in others) > NEAR, name
    assert min(distance(a, b) for a, b in itertools.combinations(hashes.values(), 2)) > 4 * NEAR


def test_saves_are_alike_and_crops_are_not(pictures):
    judge(pictures)


def test_the_same_with_photos_of_people(photo_folder):
    found = {}
    for path in sorted(photo_folder.iterdir()):
        if path.suffix in (".jpg", ".png", ".webp"):
            found[path.name] = np.asarray(Image.open(path).convert("RGB"))
    assert found
    judge(found)


def test_the_fingerprint_does_not_drift(pictures):
    """A change of the arithmetic would make every recorded consent ask again."""
    assert distance(perceptual_hash(pictures["astronaut"]), 0xC230399BF157938D) <= NEAR


def test_a_plain_picture_has_none_and_is_like_nothing():
    plain = np.full((100, 100, 3), 127, np.uint8)
    assert perceptual_hash(plain) == 0
    assert distance(0, 0) == distance(0, 1) == distance(1, 0) == 64
    faint = plain.copy()
    faint[:, 50:] += 1
    assert perceptual_hash(faint) != 0, "half a picture one level lighter is a wave of strength 14"


@pytest.mark.parametrize("step", [0.0, 0.2, 0.6, 1.0])
def test_how_faint_a_picture_may_be(step):
    """A half that is lighter in a share of its pixels: the strongest wave is 20.4 grey levels per level of difference."""
    plain = np.full((320, 320, 3), 127, np.uint8)
    lighter = np.zeros((320, 320), bool)
    lighter[:, 160:] = (np.arange(320) % 10 < step * 10)[:, None]
    plain[lighter] = 128
    assert (perceptual_hash(plain) != 0) == (step * 20.4 >= 8)


def test_distance_counts_bits():
    assert distance(1, 1) == 0
    assert distance(0b1011, 0b0110) == 3
    assert distance(2**64 - 1, 1) == 63
    for bad in (-1, 2**64):
        with pytest.raises(ValueError, match="64 bits"):
            distance(bad, 1)
        with pytest.raises(ValueError, match="64 bits"):
            distance(1, bad)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(bad):
    with pytest.raises(ValueError, match="uint8"):
        perceptual_hash(bad)


def judge_looks(pictures):
    prints = {name: looks(pixels) for name, pixels in pictures.items()}
    assert all(len(one) == LOOKS_BYTES for one in prints.values())
    for name, pixels in pictures.items():
        saves = [saved(pixels, "JPEG", quality) for quality in (90, 75, 50, 30)] + [saved(pixels, "WEBP", 50)]
        saves += [sized(pixels, 0.5), sized(pixels, 2.0), saved(sized(pixels, 0.5), "JPEG", 75), *cropped(pixels, 0.01)]
        assert max(unlike(prints[name], looks(np.ascontiguousarray(one))) for one in saves) <= ALIKE, name
        others = [*cropped(pixels, 0.1), pixels[:, ::-1]]
        assert min(unlike(prints[name], looks(np.ascontiguousarray(one))) for one in others) > ALIKE, name
    assert min(unlike(a, b) for a, b in itertools.combinations(prints.values(), 2)) >= 2 * ALIKE


def test_looks_stay_through_saving_and_tell_pictures_apart(pictures):
    natural = {name: pictures[name] for name in ("astronaut", "coffee", "chelsea")}
    judge_looks(natural)


def test_looks_of_the_photos_at_hand(photo_folder):
    paths = [path for path in sorted(photo_folder.iterdir()) if path.suffix.lower() in (".jpg", ".png", ".webp")]
    judge_looks({path.name: np.asarray(Image.open(path).convert("RGB")) for path in paths})


def test_a_plain_picture_has_no_looks():
    steps = np.tile(np.linspace(100, 101, 64), (64, 1))
    assert looks(np.repeat(steps[..., None], 3, axis=2).astype(np.uint8)) is None
    assert FLAT == 8.0


@pytest.mark.parametrize("pair", [(b"", bytes(32)), (bytes(32), bytes(31))])
def test_looks_have_32_bytes(pair):
    with pytest.raises(ValueError, match="32 bytes"):
        unlike(*pair)


def test_bits_are_counted():
    assert unlike(bytes(32), bytes(31) + b"\x07") == 3
    assert unlike(bytes(32), b"\xff" * 32) == 256
