"""A result that lost its file, its pixels and its mark is known by its looks; other pictures are not."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.regions import BodyAxis, Person
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import GateRefused
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.marks import invisible
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.records.lineage import ALIKE
from outfitswap_desktop.safety.records.perceptual import looks, unlike
from outfitswap_desktop.safety.stages import RawOutput
from tests.safety.pictures import BodyPartsStub, person, png, script, wish

SIDE = 400
LABEL = "FEMALE_BREAST_EXPOSED"


def scene(number):
    """A picture with large shapes of its own."""
    rng = np.random.default_rng(number)
    blobs = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 40)
    fine = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 4)
    return np.clip((90, 110, 150) + 3000 * blobs + 150 * fine, 0, 255).astype(np.uint8)


def garment(side):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[130 : 130 + side, 80 : 80 + side] = 255
    return mask


SMALL, LARGE = garment(200), garment(262)


def plan_for(kernel, source, mask, seen=0.02):
    kernel._detectors._body_parts = BodyPartsStub({LABEL: seen})
    checked = kernel.check_request(wish(), source)
    found = person(source.pixels.shape, mask=mask)
    return kernel.check_plan(checked, mask, zone=Zone.TOP, found=found, keeps_cut=True)


def result(kernel, file, mask, seen=0.02):
    """A released and recorded result of the picture in `file`, bluer than before under `mask`."""
    kernel._detectors._body_parts = BodyPartsStub({LABEL: seen})
    source = kernel.open_photo(file)
    plan = plan_for(kernel, source, mask, seen)
    blue = np.minimum(source.pixels.astype(int) // 2 + (0, 10, 60), 255).astype(np.uint8)
    released = kernel.release(RawOutput(np.where(mask[..., None] > 0, blue, source.pixels), plan.mask, plan))
    kernel.encode(released, "PNG")
    return released


def saved(pixels, format="JPEG", quality=80, share=1.0):
    picture = Image.fromarray(pixels)
    picture = picture.resize((round(share * picture.width), round(share * picture.height)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format, quality=quality)
    return stream.getvalue()


@pytest.fixture
def kernel():
    with Ledger(None) as ledger:
        yield script(SafetyKernel(ledger))


@pytest.mark.parametrize("how", [
    {}, {"quality": 40}, {"format": "WEBP", "quality": 60}, {"share": 0.5}, {"share": 1.5, "quality": 70},
])  # fmt: skip
def test_a_result_without_a_mark_saved_again_keeps_its_root(kernel, how):
    root = png(scene(1))
    released = result(kernel, root, SMALL)
    assert released.origin.payload is None, "too small for a mark"
    again = kernel.open_photo(saved(released.pixels, **how))
    assert again.root_sha256 == kernel.open_photo(root).photo.sha256
    assert again.root.alike


def test_a_chain_of_small_masks_is_judged_against_its_root(kernel):
    """Each edit adds 0.02 to what the detector sees, which is little; after three it is more than 0.05 over the root."""
    file = png(scene(2))
    root = kernel.open_photo(file).photo.sha256
    seen, reasons = 0.19, []
    for _ in range(4):
        kernel._detectors._body_parts = BodyPartsStub({LABEL: seen})
        source = kernel.open_photo(file)
        assert source.root_sha256 == root
        plan = plan_for(kernel, source, SMALL, seen)
        seen += 0.02
        kernel._detectors._body_parts = BodyPartsStub({LABEL: seen})
        painted = np.where(SMALL[..., None] > 0, source.pixels // 8 * 7 + (0, 2, 16), source.pixels).astype(np.uint8)
        try:
            released = kernel.release(RawOutput(painted, plan.mask, plan))
        except GateRefused as no:
            reasons.append(no.reason)
            break
        assert released.origin.payload is None
        kernel.encode(released, "PNG")
        file = saved(released.pixels)
    assert reasons == ["output_reveals"]
    assert seen == pytest.approx(0.25)


def test_the_photo_itself_and_other_photos_are_no_results(kernel):
    root = png(scene(3))
    result(kernel, root, SMALL)
    again = kernel.open_photo(root)
    assert again.root_sha256 == again.photo.sha256
    assert not again.root.alike
    mirrored = np.ascontiguousarray(scene(3)[:, ::-1])
    for other in (scene(4), scene(5), mirrored, np.ascontiguousarray(scene(3)[40:, :])):
        source = kernel.open_photo(png(other))
        assert source.root_sha256 == source.photo.sha256


def test_a_picture_that_only_looks_like_a_result_is_not_refused(kernel):
    """Somebody else stands in it: its own evidence counts, and nobody is told that it was cut out of a result."""
    released = result(kernel, png(scene(6)), SMALL, seen=0.02)
    kernel._detectors._body_parts = BodyPartsStub({LABEL: 0.15})
    source = kernel.open_photo(saved(released.pixels, quality=85))
    assert source.root.alike
    elsewhere = np.zeros((SIDE, SIDE), np.uint8)
    elsewhere[250:390, 250:390] = 255
    checked = kernel.check_request(wish(), source)
    found = other_person(elsewhere)
    plan = kernel.check_plan(checked, elsewhere, zone=Zone.TOP, found=found, keeps_cut=True)
    assert plan.root.root_sha256 == source.photo.sha256
    assert plan.root.scores[LABEL] == 0.15
    assert not plan.root.alike


def other_person(mask):
    found = person((SIDE, SIDE), mask=mask)
    trunk = BodyAxis("trunk", (320.0, 260.0), (320.0, 380.0), 40.0)
    return replace(found, persons=(Person(1, (240, 230, 399, 399), 0.9, ("face", "pose")),), axes=(trunk,))


def test_a_picture_of_other_proportions_is_no_result(kernel):
    result(kernel, png(scene(7)), SMALL)
    wide = np.asarray(Image.fromarray(scene(7)).resize((SIDE, SIDE * 2 // 3)))
    assert unlike(looks(wide), looks(scene(7))) <= ALIKE
    source = kernel.open_photo(png(wide))
    assert source.root_sha256 == source.photo.sha256


def test_a_mark_put_over_another_does_not_change_the_root(kernel):
    """The mark of a result whose root showed more, over a result of another root: the lower numbers of both count."""
    first = result(kernel, png(scene(8)), LARGE, seen=0.03)
    other = result(kernel, png(scene(9)), LARGE, seen=0.2)
    assert first.origin.payload is not None
    assert first.origin.payload != other.origin.payload
    forged = invisible.embed(first.pixels, LARGE, other.origin.payload).pixels
    kernel._detectors._body_parts = BodyPartsStub({LABEL: 0.2})
    source = kernel.open_photo(png(forged))
    assert source.root_sha256 == other.origin.plan.root.root_sha256
    assert source.root.scores[LABEL] == 0.03
    assert len(source.root.subjects) == 1, "one person in both, of whom both know"
    plan = plan_for(kernel, source, LARGE, seen=0.2)
    assert plan.root.scores[LABEL] == 0.03
    kernel._detectors._body_parts = BodyPartsStub({LABEL: 0.22})
    with pytest.raises(GateRefused) as caught:
        kernel.release(RawOutput(source.pixels, plan.mask, plan))
    assert caught.value.reason == "output_reveals"


def test_a_picture_without_looks_has_none():
    flat = np.full((300, 300, 3), 120, np.uint8)
    assert looks(flat) is None
    assert looks(scene(1)) is not None
