"""A result taken up again from its file: for looking, and for another copy, which is marked as the same result."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.photo import read_photo
from outfitswap_desktop.errors import InputRefused, NotAvailable
from outfitswap_desktop.safety import again
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.marks import invisible, xmp
from outfitswap_desktop.safety.marks.certificate import issue
from outfitswap_desktop.safety.marks.verify import verify
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.pictures import script
from tests.safety.test_marks_road import SIDE, result


@pytest.fixture(scope="module")
def own():
    """A kernel with records of its own and scripted detectors, and the records."""
    ledger = Ledger(None)
    return script(SafetyKernel(ledger)), ledger


@pytest.fixture(scope="module")
def released(own, tmp_path_factory):
    """A released result's file, its hash, and the picture itself."""
    kernel, _ = own
    folder = tmp_path_factory.mktemp("again")
    image = result(kernel, 0, folder)
    file = folder / "result.png"
    file.write_bytes(kernel.encode(image, "PNG"))
    return file, hashlib.sha256(file.read_bytes()).hexdigest(), image


def test_it_is_shown_as_it_was_released(own, released):
    kernel, _ = own
    file, sha256, image = released
    seen = kernel.recall(file, sha256)
    assert np.array_equal(seen.pixels, image.pixels)
    assert not seen.pixels.flags.writeable


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("label", [False, True])
def test_every_copy_carries_all_marks_of_the_same_result(own, released, tmp_path, format, label):
    kernel, ledger = own
    file, sha256, image = released
    copy = tmp_path / f"copy.{format.lower()}"
    copy.write_bytes(kernel.encode(kernel.reopen(file, sha256, label=label), format, keep_metadata=False))
    said = verify(copy, certificate=issue(ledger.keys))
    assert all(said[name]["valid"] for name in ("xmp", "c2pa", "mark"))
    assert said["mark"]["payload"] == image.origin.payload.hex()
    first = xmp.read(read_photo(file).xmp)
    assert xmp.read(read_photo(copy).xmp).result == first.result
    assert kernel.open_photo(copy).root_sha256 == image.origin.plan.root.root_sha256
    assert kernel.recall(copy, hashlib.sha256(copy.read_bytes()).hexdigest()).pixels.shape == image.pixels.shape


def test_a_lossless_copy_without_label_has_the_same_pixels(own, released):
    kernel, _ = own
    file, sha256, image = released
    assert np.array_equal(kernel.reopen(file, sha256).pixels, image.pixels)


def test_the_label_is_seen_in_a_corner_and_nowhere_else(own, released):
    kernel, _ = own
    file, sha256, image = released
    changed = (kernel.reopen(file, sha256, label=True).pixels != image.pixels).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert rows.min() > 0.9 * SIDE
    assert columns.min() > 0.7 * SIDE


def test_a_label_that_would_cover_the_mark_is_refused(own, released, monkeypatch):
    kernel, _ = own
    file, sha256, _ = released
    monkeypatch.setattr(again.invisible, "read", lambda _pixels, near=None: None)
    with pytest.raises(NotAvailable) as refused:
        kernel.reopen(file, sha256, label=True)
    assert refused.value.reason == "marks_failed"


def test_it_is_judged_again(own, released, monkeypatch):
    kernel, _ = own
    file, sha256, _ = released
    judged = []
    real = kernel._judge
    monkeypatch.setattr(kernel, "_judge", lambda *given: judged.append(given) or real(*given))
    kernel.reopen(file, sha256)
    assert len(judged) == 1


@pytest.mark.parametrize("way", ["recall", "reopen"])
def test_only_a_file_that_was_released_here_and_is_unchanged(own, released, tmp_path, way):
    kernel, _ = own
    file, sha256, _ = released
    take = getattr(kernel, way)

    def reason(path, digest):
        with pytest.raises(InputRefused) as refused:
            take(path, digest)
        return refused.value.reason

    changed = tmp_path / "changed.png"
    changed.write_bytes(file.read_bytes() + b"x")
    assert reason(changed, sha256) == "result_changed"
    assert reason(changed, hashlib.sha256(changed.read_bytes()).hexdigest()) == "result_unknown"
    same_pixels = tmp_path / "same.png"
    Image.open(file).save(same_pixels)
    assert reason(same_pixels, hashlib.sha256(same_pixels.read_bytes()).hexdigest()) == "result_unknown"
    assert reason(tmp_path / "none.png", sha256) == "result_missing"
    photo = tmp_path / "photo.png"
    Image.fromarray(np.full((99, 99, 3), 90, np.uint8)).save(photo)
    assert reason(photo, hashlib.sha256(photo.read_bytes()).hexdigest()) == "result_unknown"


def test_another_installations_result_is_not_ours(released):
    file, sha256, _ = released
    with pytest.raises(InputRefused, match="no record"):
        SafetyKernel(Ledger(None)).reopen(file, sha256)


def test_the_invisible_mark_is_really_read(released):
    file, _, image = released
    assert invisible.read(np.asarray(Image.open(file))) == image.origin.payload
