"""The library: every kind of picture goes in, wrong ones get a UsageProblem, a session knows when it is closed."""

import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop import api
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.errors import Cancelled, PhotoUnreadable, UsageProblem
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.core.profiles import adobe_rgb
from tests.fakes import FakeSegmenter, InvertingGenerator, altered

AGREED = {"adult_consent": "self", "adult_attested": True}


@pytest.fixture
def steps(monkeypatch, kernel):
    """The real road from the library on, with scripted steps."""
    scripted = Steps(FakeSegmenter(), InvertingGenerator())
    monkeypatch.setattr("outfitswap_desktop.wiring.make_steps", lambda _engine: scripted)
    monkeypatch.setattr("outfitswap_desktop.safety.kernel.SafetyKernel", lambda _ledger: kernel)
    return scripted


@pytest.fixture
def session(steps):
    with api.Session() as opened:
        yield opened


def png(array, **extra):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", **extra)
    return stream.getvalue()


def _saved(array, folder):
    path = folder / "photo.png"
    path.write_bytes(png(array))
    return path


KINDS = {
    "path": _saved,
    "text": lambda array, folder: str(_saved(array, folder)),
    "bytes": lambda array, _: png(array),
    "bytearray": lambda array, _: bytearray(png(array)),
    "memoryview": lambda array, _: memoryview(png(array)),
    "array": lambda array, _: array,
    "mirrored view": lambda array, _: np.ascontiguousarray(array[:, ::-1])[:, ::-1],
    "PIL RGB": lambda array, _: Image.fromarray(array),
    "PIL RGBA": lambda array, _: Image.fromarray(array).convert("RGBA"),
    "PIL opened": lambda array, _: Image.open(io.BytesIO(png(array))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_gives_the_same_pixels(session, astronaut, tmp_path, kind):
    result = session.swap(KINDS[kind](astronaut, tmp_path), "red linen", output=tmp_path / "out.png", **AGREED)
    mask = np.asarray(Image.open(result.mask))
    expected = np.where(mask[..., None] > 0, altered(astronaut), astronaut)
    assert np.array_equal(result.image, expected)
    assert np.array_equal(np.asarray(Image.open(result.output)), expected)
    assert result.to_pil().size == (512, 512)
    assert result.about["outside_mask_changed_pixels"] == 0


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "YCbCr", "HSV", "PA", "RGBa", "RGBX"])
def test_unusual_modes_of_pil_go_in(session, astronaut, mode):
    picture = Image.fromarray(astronaut)
    picture = picture.convert("RGBA").convert(mode) if mode == "RGBa" else picture.convert(mode)
    found = session.segment(picture)
    assert found.mask.shape == (512, 512)


def test_grey_arrays_and_a_profile_and_an_orientation_are_kept(steps, monkeypatch, astronaut, tmp_path):
    # Records of its own: a grey copy of a photo looks like the results of that photo, and is judged like one of them
    own = SafetyKernel(Ledger(None))
    monkeypatch.setattr("outfitswap_desktop.safety.kernel.SafetyKernel", lambda _ledger: own)
    with api.Session() as session:
        _swap_grey_and_turned(session, astronaut, tmp_path)


def _swap_grey_and_turned(session, astronaut, tmp_path):
    grey = session.swap(astronaut[..., 1], "red", output=tmp_path / "grey.png", **AGREED)
    assert grey.image.shape == (512, 512, 3)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(astronaut[:, :400])))
    turned.info["icc_profile"] = adobe_rgb()
    turned.getexif()[0x0112] = 6
    result = session.swap(turned, "red", output=tmp_path / "turned.png", **AGREED)
    with Image.open(result.output) as saved:
        assert saved.size == (400, 512)
        assert saved.info["icc_profile"] == adobe_rgb()
        assert saved.getexif().get(0x0112, 1) == 1
        after, mask = np.asarray(saved), np.asarray(Image.open(result.mask))
    assert np.array_equal(after[mask == 0], astronaut[:, :400][mask == 0])


def test_a_mask_may_be_an_array_boolean_or_not(session, astronaut, tmp_path):
    drawn = np.zeros((512, 512), bool)
    drawn[180:300, 200:300] = True
    for mask in (drawn, drawn.astype(np.uint8) * 255, Image.fromarray(drawn)):
        result = session.swap(astronaut, "red linen", mask=mask, output=tmp_path / "m.png", **AGREED)
        assert np.array_equal(np.asarray(Image.open(result.mask)) > 0, drawn)


def test_a_garment_needs_no_words_and_is_in_the_receipt(session, steps, astronaut, tmp_path):
    cloth = np.full((80, 90, 3), (200, 30, 40), np.uint8)
    result = session.swap(astronaut, garment=cloth, output=tmp_path / "g.png", **AGREED)
    assert steps.generator.requests[-1].garment.shape == (80, 90, 3)
    assert len(json.loads(result.receipt.read_text())["garment"]["sha256"]) == 64


def test_what_is_too_large_as_png_goes_in_as_another_lossless_file(session, astronaut, monkeypatch):
    monkeypatch.setattr(api, "MAX_FILE_BYTES", 1000)
    result = session.swap(astronaut, "red linen", **AGREED)
    mask = np.asarray(Image.open(result.mask))
    assert np.array_equal(result.image[mask == 0], astronaut[mask == 0])


def test_without_an_output_a_new_file_is_made_each_time(session, astronaut, own_home, tmp_path):
    photo = tmp_path / ("n" * 240 + ".png")
    photo.write_bytes(png(astronaut))
    first, second = session.swap(photo, "red"), session.swap(photo, "red", **AGREED)
    assert first.output != second.output
    assert first.output.is_relative_to(own_home / "results")
    assert first.receipt.is_file()


WRONG_PHOTOS = {
    "None": None,
    "a number": 5,
    "a file object": io.BytesIO(b"x"),
    "a list": [[1, 2], [3, 4]],
    "floats": np.zeros((80, 80, 3)),
    "two channels": np.zeros((80, 80, 2), np.uint8),
    "four axes": np.zeros((1, 80, 80, 3), np.uint8),
    "no axes": np.uint8(3) * np.ones((), np.uint8),
    "booleans": np.zeros((80, 80), bool),
    "PIL F": Image.new("F", (80, 80)),
    "PIL I": Image.new("I", (80, 80)),
}


@pytest.mark.parametrize("wrong", WRONG_PHOTOS)
def test_a_wrong_kind_of_picture_is_a_usage_problem(session, wrong):
    for call in (session.segment, lambda photo: session.swap(photo, "red")):
        with pytest.raises(UsageProblem) as caught:
            call(WRONG_PHOTOS[wrong])
        assert caught.value.message.endswith(".")
        assert caught.value.hint


def test_pictures_that_cannot_be_used_say_so_in_a_sentence(session, astronaut):
    cut_off = Image.open(io.BytesIO(png(astronaut)[:20_000]))
    for bad in (cut_off, np.zeros((10, 10, 3), np.uint8), np.zeros((0, 90, 3), np.uint8), b"", b"no picture"):
        with pytest.raises(PhotoUnreadable):
            session.segment(bad)


WRONG_OPTIONS = [
    {"prompt": ""},
    {"prompt": None},
    {"prompt": 7},
    {"zone": "hat"},
    {"zone": 5},
    {"person": 0},
    {"person": "2"},
    {"person": True},
    {"seed": -1},
    {"seed": 1.5},
    {"seed": 2**63},
    {"quality": 0},
    {"quality": 101},
    {"output": 5},
    {"output": "out.bmp"},
    {"cancel": object()},
    {"garment": 5},
    {"mask": np.zeros((512, 512))},
]


@pytest.mark.parametrize("options", WRONG_OPTIONS, ids="-".join)
def test_a_wrong_option_is_a_usage_problem(session, steps, astronaut, options):
    with pytest.raises(UsageProblem) as caught:
        session.swap(astronaut, **({"prompt": "red"} | options), **AGREED)
    assert caught.value.hint
    assert not steps.generator.requests


def test_segment_refuses_wrong_options_too(session, astronaut):
    for options in ({"person": 0}, {"person": 1.0}, {"zone": 3}, {"cancel": 1}):
        with pytest.raises(UsageProblem):
            session.segment(astronaut, **options)


def test_a_cancel_that_is_already_asked_for_stops_the_work(session, steps, astronaut):
    event = threading.Event()
    event.set()
    with pytest.raises(Cancelled):
        session.segment(astronaut, cancel=event)
    with pytest.raises(Cancelled):
        session.swap(astronaut, "red", cancel=event, **AGREED)
    assert not steps.segmenter.calls


def test_a_session_is_of_use_on_its_own_thread_until_it_is_closed(steps, astronaut):
    session = api.Session()
    caught = []

    def elsewhere():
        try:
            session.swap(astronaut, "red", **AGREED)
        except UsageProblem as problem:
            caught.append(problem.reason)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert caught == ["other_thread"]
    session.close()
    session.close()
    with pytest.raises(UsageProblem, match="closed"):
        session.segment(astronaut)
    with pytest.raises(UsageProblem, match="closed"):
        session.swap(astronaut, "red", **AGREED)


def test_an_engine_that_is_not_there_is_named():
    with pytest.raises(UsageProblem):
        api.swap(b"x", "red", engine="nosuch")
