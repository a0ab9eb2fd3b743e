"""Marks through the whole road: on every file that leaves, read back, and found wrong when a byte is changed."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.headers import open_container
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import PhotoUnreadable
from outfitswap_desktop.safety.api import verify_file
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.marks import manifest
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import RawOutput
from tests.safety.pictures import person, png, script, wish

SIDE = 420
WORDS = ("tangerine houndstooth", "navy linen", "emerald velvet", "red tartan", "ivory silk")
SECRETS = (b"tangerine", b"houndstooth", b"Anna", b"private-folder", b"me-at-home")
COUNT = 60
QUICK = 2
FORMATS = ("PNG", "JPEG", "WEBP")
NUMBERS = [pytest.param(n, marks=() if n < QUICK else pytest.mark.slow) for n in range(COUNT)]


def garment():
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[130:410, 60:330] = 255
    return mask


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger(tmp_path_factory.mktemp("marks")) as opened:
        yield opened


@pytest.fixture(scope="module")
def kernel(ledger):
    return script(SafetyKernel(ledger))


def result(kernel, number, folder=None):
    """A result on a picture of its own, with a mask large enough for a mark."""
    rng = np.random.default_rng(number)
    small = Image.fromarray(rng.integers((30, 60, 120), (90, 130, 216), (14, 14, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    given = png(pixels)
    if folder is not None:
        path = folder / "private-folder" / "Anna" / "me-at-home.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(given)
        given = path
    source = kernel.open_photo(given)
    checked = kernel.check_request(wish(prompt=WORDS[number % len(WORDS)] + " shirt", seed=number), source)
    found = person((SIDE, SIDE), mask=garment())
    plan = kernel.check_plan(checked, garment(), zone=Zone.TOP, found=found, keeps_cut=True)
    painted = np.where(plan.mask[..., None] > 0, source.pixels // 2 + number % 60, source.pixels).astype(np.uint8)
    return kernel.release(RawOutput(painted, plan.mask, plan))


@pytest.mark.parametrize("number", NUMBERS)
def test_every_result_carries_all_three_marks(kernel, ledger, tmp_path, number):
    image = result(kernel, number, tmp_path)
    for format in FORMATS:
        file = kernel.encode(image, format, quality=(95, 90, 85)[number % 3])
        path = tmp_path / f"o.{format.lower()}"
        path.write_bytes(file)
        said = verify_file(path, ledger)
        assert {name: (one["present"], one["valid"]) for name, one in said.items()} == dict.fromkeys(
            ("xmp", "c2pa", "mark"), (True, True)
        ), format
        assert said["mark"]["payload"] == image.origin.payload.hex()
        assert said["xmp"]["digital_source_type"].endswith("compositeWithTrainedAlgorithmicMedia")
        assert said["c2pa"]["this_install"] is True
        assert said["c2pa"]["trusted"] is False
        assert not [word for word in SECRETS if word.lower() in file.lower()], "no prompt, name or path"
        json.dumps(said)


def store_of(file, format):
    """Where the manifest store lies in `file`: (start, end) of its container parts."""
    spans = []
    if format == "PNG":
        at = 8
        while at < len(file):
            length = struct.unpack(">I", file[at : at + 4])[0]
            if file[at + 4 : at + 8] == b"caBX":
                spans.append((at, at + 12 + length))
            at += 12 + length
    elif format == "WEBP":
        at = 12
        while at + 8 <= len(file):
            length = struct.unpack("<I", file[at + 4 : at + 8])[0]
            if file[at : at + 4] == b"C2PA":
                spans.append((at, at + 8 + length + length % 2))
            at += 8 + length + length % 2
    else:
        at = 2
        while file[at] == 0xFF and file[at + 1] != 0xDA:
            length = struct.unpack(">H", file[at + 2 : at + 4])[0]
            if file[at + 1] == 0xEB:
                spans.append((at, at + 2 + length))
            at += 2 + length
    assert spans
    return spans


@pytest.mark.parametrize("format", FORMATS)
def test_every_changed_byte_outside_the_store_is_found(kernel, ledger, tmp_path, format):
    """Bytes of pixels and of metadata, evenly spread and at every border of a part; each alone."""
    image = result(kernel, 1000)
    file = kernel.encode(image, format)
    spans = store_of(file, format)
    outside = [at for at in range(len(file)) if not any(start <= at < end for start, end in spans)]
    count = 60
    chosen = sorted({*outside[:40:3], *outside[-24::3], *outside[:: max(1, len(outside) // count)]})
    missed = []
    for at in chosen:
        changed = bytearray(file)
        changed[at] ^= 0x01
        try:
            reading = manifest.read(bytes(changed), format)
        except (ValueError, PhotoUnreadable):
            continue
        if reading.valid:
            missed.append(at)
    assert not missed
    assert manifest.read(file, format).valid
    assert ledger is not None


@pytest.mark.parametrize("format", FORMATS)
def test_one_changed_pixel_is_found(kernel, ledger, tmp_path, format):
    """Saved again with the same packets, one pixel another."""
    image = result(kernel, 1001)
    file = kernel.encode(image, format)
    container = open_container(file, lambda width, height: None)
    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).copy()
    pixels[5, 5] ^= 1
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **({"xmp": container.xmp} if format != "PNG" else {}))
    again = stream.getvalue()
    path = tmp_path / f"again.{format.lower()}"
    path.write_bytes(again)
    said = verify_file(path, ledger)
    assert not said["c2pa"]["valid"]


def test_a_manifest_of_another_result_does_not_fit(kernel, ledger, tmp_path):
    """The store of one file put into another."""
    one, two = (kernel.encode(result(kernel, n), "PNG") for n in (1002, 1003))
    ((start, end),) = store_of(one, "PNG")
    ((low, high),) = store_of(two, "PNG")
    path = tmp_path / "mixed.png"
    path.write_bytes(two[:low] + one[start:end] + two[high:])
    said = verify_file(path, ledger)
    assert not said["c2pa"]["valid"]
    assert not said["xmp"]["valid"], "XMP and manifest name different results"


def test_everything_else_that_leaves_says_what_it_is(kernel, ledger, tmp_path):
    image = result(kernel, 1004, tmp_path)
    source = image.origin.plan.request.source
    view = kernel.view(source)
    files = {
        "thumbnail.webp": kernel.thumbnail(image),
        "sheet.png": kernel.encode(kernel.contact_sheet([[Cell(view, "before"), Cell(image, "after")]]), "PNG"),
        "sheet.jpg": kernel.encode(kernel.contact_sheet([[Cell(image, "after")]]), "JPEG"),
        "overlay.png": kernel.encode(kernel.overlay(source, garment()), "PNG"),
        "overlay.webp": kernel.encode(kernel.overlay(source, garment()), "WEBP"),
        "small.png": kernel.encode(kernel.miniature(image), "PNG"),
    }
    for name, file in files.items():
        path = tmp_path / name
        path.write_bytes(file)
        said = verify_file(path, ledger)
        for kind in ("xmp", "c2pa"):
            assert (said[kind]["present"], said[kind]["valid"]) == (True, True), f"{kind} of {name}"
        assert not [word for word in SECRETS if word.lower() in file.lower()], name
    assert len(files["thumbnail.webp"]) <= 26_000


def test_stripped_metadata_strips_no_mark(kernel, ledger, tmp_path):
    image = result(kernel, 1005)
    path = tmp_path / "o.jpg"
    path.write_bytes(kernel.encode(image, "JPEG", keep_metadata=False))
    assert all(one["valid"] for one in verify_file(path, ledger).values())


def test_what_the_log_keeps_of_a_result_says_nothing_of_it(kernel, ledger, tmp_path):
    kernel.encode(result(kernel, 1006, tmp_path), "PNG")
    kept = b"".join(path.read_bytes() for path in (ledger.folder / "safety").iterdir() if path.is_file())
    assert not [word for word in SECRETS if word.lower() in kept.lower()]
