"""Crafted pictures, masks and marks: what is judged is what is used and shown, and a borrowed mark buys nothing."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from outfitswap_desktop.core.colour import renditions
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import GateRefused, PhotoUnreadable
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.marks import invisible
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.stages import RawOutput
from tests.safety.pictures import (
    AgeStub,
    BodyPartsStub,
    WholeImageStub,
    middle,
    person,
    photo,
    planned,
    png,
    raw,
    script,
    wish,
)


def reason(call):
    with pytest.raises(GateRefused) as caught:
        call()
    return caught.value.reason


def profile(*, inverted):
    """An sRGB profile, or one whose curves run backwards: what is stored is the negative of what is shown."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not inverted:
        return plain
    tags = {}
    for number in range(struct.unpack(">I", plain[128:132])[0]):
        at = 132 + 12 * number
        start, size = struct.unpack(">II", plain[at + 4 : at + 12])
        tags[plain[at : at + 4]] = plain[start : start + size]
    x = np.arange(256) / 255
    light = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)[::-1]
    levels = b"".join(struct.pack(">H", int(value)) for value in np.round(light * 65535))
    curve = b"curv\0\0\0\0" + struct.pack(">I", 256) + levels
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at, len(data))
        padded = data + b"\0" * (-len(data) % 4)
        body, at = body + padded, at + len(padded)
    whole = plain[:128] + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def with_profile(pixels, icc):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", icc_profile=icc)
    return stream.getvalue()


# --- colours that are others when they are shown --------------------------------------------------------------------------


def test_a_profile_that_turns_a_picture_round_is_seen_through(astronaut):
    """The negative of the portrait is refused by the real detector; here it hides behind numbers that pass."""
    kernel = SafetyKernel()
    kernel.open_photo(with_profile(astronaut, profile(inverted=False)))
    assert reason(lambda: kernel.open_photo(png(255 - astronaut))) == "source_nudity"
    assert reason(lambda: kernel.open_photo(with_profile(astronaut, profile(inverted=True)))) == "source_nudity"
    assert reason(lambda: kernel.open_garment(with_profile(astronaut, profile(inverted=True)))) in (
        "source_nudity", "garment_exposure",
    )  # fmt: skip
    assert reason(lambda: kernel.open_photo(with_profile(255 - astronaut, profile(inverted=True)))) == "source_nudity"


def test_renditions(astronaut):
    small = np.ascontiguousarray(astronaut[::8, ::8])
    assert [one is small for one in renditions(small, None)] == [True]
    assert len(renditions(small, profile(inverted=False))) == 1
    assert len(renditions(small, b"no profile")) == 1
    stored, shown = renditions(small, profile(inverted=True))
    assert stored is small
    assert np.abs(shown.astype(int) - (255 - small)).max() <= 2


def test_every_gate_of_nudity_looks_at_both():
    seen = BodyPartsStub(looks=[])
    scored = []

    class Whole(WholeImageStub):
        def score(self, image):
            scored.append(image.copy())
            return 0.01

    kernel = script(SafetyKernel(), body_parts=seen, whole_image=Whole())
    pixels = np.random.default_rng(0).integers(60, 200, (96, 128, 3), dtype=np.uint8)
    source = kernel.open_photo(with_profile(pixels, profile(inverted=True)))
    released = kernel.release(raw(kernel, source))
    kernel.overlay(source, middle((96, 128)))
    kernel.miniature(kernel.view(source))
    frames = [look for side, looks in seen.looks if side == 480 for look in looks if look.shape[:2] == (96, 128)]
    for shown in (source.pixels, 255 - source.pixels, released.pixels, 255 - released.pixels):
        near = [np.abs(frame.astype(int) - shown).max() <= 3 for frame in frames]
        assert any(near)
        assert any(np.abs(image.astype(int) - shown).max() <= 3 for image in scored)


# --- files with more in them than one picture -----------------------------------------------------------------------------


def crafted(kind):
    """(bytes of a file, what a viewer shows of it) with something else behind it."""
    rng = np.random.default_rng(4)
    shown = rng.integers((20, 40, 90), (90, 130, 250), (96, 128, 3), dtype=np.uint8)
    hidden = np.full((96, 128, 3), (200, 150, 130), np.uint8)
    stream = io.BytesIO()
    picture = Image.fromarray(shown)
    if kind == "alpha":
        alpha = np.full((96, 128), 255, np.uint8)
        alpha[20:60] = 0
        picture = Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, shown, hidden), alpha]).astype(np.uint8))
        picture.save(stream, "PNG")
        shown = np.where(alpha[..., None] > 0, shown, 255).astype(np.uint8)
    elif kind == "rotation":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(stream, "PNG", exif=exif)
        shown = np.rot90(shown, -1)
    elif kind == "16 bit":
        picture.convert("L").convert("I;16").point(lambda level: level * 257).save(stream, "PNG")
        shown = np.asarray(picture.convert("L").convert("RGB"))
    elif kind == "palette":
        small = picture.quantize(64)
        small.save(stream, "PNG", transparency=3)
        shown = np.asarray(Image.alpha_composite(
            Image.new("RGBA", small.size, "white"), Image.open(io.BytesIO(stream.getvalue())).convert("RGBA")
        ).convert("RGB"))  # fmt: skip
    elif kind in ("apng", "animated webp"):
        more = [Image.fromarray(hidden)]
        picture.save(stream, "PNG" if kind == "apng" else "WEBP", save_all=True, append_images=more, lossless=True)
    else:
        picture.save(stream, "PNG")
        stream.write(png(hidden))
    return stream.getvalue(), shown


@pytest.mark.parametrize(
    "kind", ["alpha", "rotation", "16 bit", "palette", "apng", "animated webp", "a file behind it"]
)
def test_what_is_judged_is_what_is_shown_and_used(kind):
    seen = BodyPartsStub(looks=[])
    kernel = script(SafetyKernel(), body_parts=seen)
    file, shown = crafted(kind)
    source = kernel.open_photo(file)
    assert np.array_equal(seen.looks[0][1][0], source.pixels)
    assert np.abs(source.pixels.astype(int) - shown).max() <= 1
    released = kernel.release(raw(kernel, source))
    back = np.asarray(Image.open(io.BytesIO(kernel.encode(released, "PNG"))).convert("RGB"))
    outside = released.origin.mask == 0
    assert np.array_equal(back[outside], source.pixels[outside])


def test_skin_colours_hidden_below_an_alpha_are_no_garment():
    """The swatch that is judged is the swatch that is woven."""
    file, shown = crafted("alpha")
    garment = script(SafetyKernel()).open_garment(file)
    assert np.array_equal(garment.pixels, shown)


def test_a_picture_as_a_mask_is_judged_and_a_drawing_has_two_tones():
    kernel = script(SafetyKernel(), body_parts=BodyPartsStub({"FEMALE_BREAST_EXPOSED": 0.9}))
    assert reason(lambda: kernel.open_mask(photo(), shape=(96, 128))) == "source_nudity"
    grey = np.full((96, 128), 255, np.uint8)
    grey[0, 0] = 254
    assert reason(lambda: kernel.open_mask(png(grey), shape=(96, 128))) == "source_nudity"
    mask = kernel.open_mask(png(middle((96, 128))), shape=(96, 128))
    assert set(np.unique(mask)) == {0, 255}
    assert reason(lambda: kernel.open_photo(png(np.dstack([middle((96, 128))] * 3)))) == "source_nudity"


# --- masks, words and outlines --------------------------------------------------------------------------------------------


def test_a_mask_is_read_once_so_that_what_is_judged_is_what_is_used(tmp_path, monkeypatch):
    """A file that becomes another one between judging and using it."""
    from outfitswap_desktop.core import photo as core_photo

    path = tmp_path / "mask.png"
    path.write_bytes(png(middle((96, 128))))
    reads, read = [], core_photo._bytes_of

    def swapped(source):
        found = read(source)
        if isinstance(source, Path):
            reads.append(source)
            path.write_bytes(png(255 - middle((96, 128))))
        return found

    monkeypatch.setattr(core_photo, "_bytes_of", swapped)
    mask = script(SafetyKernel()).open_mask(path, shape=(96, 128))
    assert reads == [path]
    assert np.array_equal(mask, middle((96, 128)))


def test_a_mask_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(PhotoUnreadable) as caught:
        SafetyKernel().open_mask(tmp_path / "none.png", shape=(96, 128))
    assert caught.value.reason == "not_found"
    assert "mask" in caught.value.message


@pytest.mark.parametrize("drawn", ["everything", "the head", "hands and shoes"])
@pytest.mark.parametrize("prompt", ["navy linen shirt", "navy trench coat"])
def test_a_drawn_mask_reaches_no_head_and_no_hand(drawn, prompt):
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    found = person((96, 128))
    head = found.protected[0].mask > 0
    mask = {"everything": np.full((96, 128), 255, np.uint8), "the head": np.where(head, 255, 0).astype(np.uint8)}
    alpha = mask.get(drawn, np.pad(np.full((10, 128), 255, np.uint8), ((86, 0), (0, 0))))
    call = lambda: planned(kernel, source, mask=alpha, found=found, prompt=prompt)  # noqa: E731
    if drawn == "everything":
        plan = call()
        assert not plan.mask[head].any()
        assert np.count_nonzero(plan.mask) < 0.6 * plan.mask.size
        assert plan.cut
    else:
        assert reason(call) == "mask_outside"


@pytest.mark.parametrize(("prompt", "zone", "worn", "keeps_cut", "loose"), [
    ("navy trench coat", Zone.OUTER, Zone.OUTER, True, True),
    ("navy trench coat", Zone.OUTER, Zone.TOP, True, False),
    ("navy trench coat", Zone.TOP, Zone.TOP, True, False),
    ("navy sweater", Zone.TOP, Zone.TOP, True, False),
    ("navy sweater", Zone.OUTER, Zone.OUTER, True, True),
    ("navy linen", Zone.OUTER, Zone.OUTER, True, False),
    ("navy shirt", Zone.OUTER, Zone.OUTER, True, False),
    ("navy trench coat", Zone.OUTER, Zone.TOP, False, False),
    ("navy trench coat", Zone.TOP, Zone.TOP, False, False),
])  # fmt: skip
def test_a_word_alone_makes_no_coat_of_a_shirt(prompt, zone, worn, keeps_cut, loose):
    """Cloth of the colour of skin is refused unless it is worn over other clothes, and that is seen, not said."""
    kernel = script(SafetyKernel())
    source = kernel.open_photo(photo())
    found = person((96, 128), zone=worn)
    plan = planned(kernel, source, prompt=prompt, zone=zone, found=found, keeps_cut=keeps_cut)
    assert plan.loose is loose
    assert (plan.recolour is None) is loose


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["", "sweater", "trench coat"])
def test_a_swatch_of_skin_on_a_shirt_is_refused_whatever_it_is_called(photo_folder, tmp_path, prompt):
    from outfitswap_desktop.api import Session

    shirt = photo_folder / "fashn_model.webp"
    if not shirt.is_file():
        pytest.skip("OUTFITSWAP_TEST_PHOTOS has no fashn_model.webp")
    swatch = np.random.default_rng(0).integers(-2, 3, (300, 300, 3)) + np.array((179, 119, 85))
    with Session() as session, pytest.raises(GateRefused) as caught:
        session.swap(
            shirt, prompt, garment=swatch.astype(np.uint8), zone="top",
            output=tmp_path / "o.png", adult_consent="self", adult_attested=True,
        )  # fmt: skip
    assert caught.value.reason in ("output_like_skin", "output_skin")


@pytest.mark.parametrize("where", ["in the outline", "beside it"])
def test_a_face_counts_though_the_person_is_only_drawn(where):
    """Nobody was found by pose or face of the parse; a face that the detector sees is asked its age all the same."""
    kernel = script(SafetyKernel(), body_parts=BodyPartsStub({"FACE_FEMALE": 0.9}), age=AgeStub(median=12.0, minor=0.9))
    source = kernel.open_photo(photo(size=(400, 400)))
    outline = np.zeros((400, 400), np.uint8)
    if where == "in the outline":
        outline[:, 60:240] = 255
    else:
        outline[200:, 60:240] = 255
    assert reason(lambda: planned(kernel, source, found=False, outline=outline, mask=outline // 2)) == "apparent_minor"


# --- marks of others ------------------------------------------------------------------------------------------------------

SIDE = 420


def garment():
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[120:400, 60:340] = 255
    return mask


def release(kernel, number, level=0.02):
    kernel._detectors._body_parts = BodyPartsStub({"BUTTOCKS_EXPOSED": level})
    pixels = np.random.default_rng(number).integers((30, 60, 120), (90, 130, 216), (SIDE, SIDE, 3), dtype=np.uint8)
    source = kernel.open_photo(png(pixels))
    checked = kernel.check_request(wish(), source)
    found = person((SIDE, SIDE), mask=garment())
    plan = kernel.check_plan(checked, garment(), zone=Zone.TOP, found=found, keeps_cut=True)
    painted = np.where(plan.mask[..., None] > 0, source.pixels // 2, source.pixels).astype(np.uint8)
    return kernel.release(RawOutput(painted, plan.mask, plan))


def test_a_borrowed_mark_buys_nothing():
    """The mark of a result whose root showed more, woven into another picture: its own evidence still counts."""
    with Ledger(None) as ledger:
        kernel = script(SafetyKernel(ledger))
        revealing = release(kernel, 1, level=0.24)
        kernel.encode(revealing, "PNG")
        modest = np.random.default_rng(2).integers((30, 60, 120), (90, 130, 216), (SIDE, SIDE, 3), dtype=np.uint8)
        forged = invisible.embed(modest, garment(), revealing.origin.payload).pixels
        kernel._detectors._body_parts = BodyPartsStub({"BUTTOCKS_EXPOSED": 0.15})
        source = kernel.open_photo(png(forged))
        assert source.root_sha256 == revealing.origin.plan.root.root_sha256
        found = person((SIDE, SIDE), mask=garment())
        checked = kernel.check_request(wish(), source)
        plan = kernel.check_plan(checked, garment(), zone=Zone.TOP, found=found, keeps_cut=True)
        assert plan.root.scores["BUTTOCKS_EXPOSED"] == 0.15
        kernel._detectors._body_parts = BodyPartsStub({"BUTTOCKS_EXPOSED": 0.22})
        assert reason(lambda: kernel.release(RawOutput(source.pixels, plan.mask, plan))) == "output_reveals"


def test_a_mark_that_nobody_made_here_is_refused():
    kernel = script(SafetyKernel())
    pixels = np.random.default_rng(3).integers((30, 60, 120), (90, 130, 216), (SIDE, SIDE, 3), dtype=np.uint8)
    forged = invisible.embed(pixels, garment(), b"\1\2\3\4\5\6").pixels
    assert reason(lambda: kernel.open_photo(png(forged))) == "root_unknown"


def test_the_packets_of_another_result_do_not_change_the_root():
    """XMP and manifest of a revealing result around the pixels of a modest one: the pixels are known."""
    with Ledger(None) as ledger:
        kernel = script(SafetyKernel(ledger))
        revealing = kernel.encode(release(kernel, 1, level=0.24), "PNG")
        modest = release(kernel, 5)
        kernel.encode(modest, "PNG")
        at, end = revealing.index(b"IDAT") - 4, revealing.index(b"IEND") - 4
        own = png(modest.pixels)
        start = own.index(b"IDAT") - 4
        mixed = revealing[:at] + own[start : own.index(b"IEND") - 4] + revealing[end:]
        assert kernel.open_photo(mixed).root_sha256 == modest.origin.plan.root.root_sha256


def test_a_result_released_on_another_machine_is_refused():
    theirs = script(SafetyKernel())
    file = theirs.encode(release(theirs, 6), "JPEG")
    assert reason(lambda: script(SafetyKernel()).open_photo(file)) == "root_unknown"


def test_a_picture_cut_out_of_a_result_is_refused():
    """The mark is found in it, and the body's places in the root are no longer theirs."""
    with Ledger(None) as ledger:
        kernel = script(SafetyKernel(ledger))
        result = release(kernel, 7)
        kernel.encode(result, "PNG")
        source = kernel.open_photo(png(result.pixels[40:, :]))
        assert source.root_sha256 == result.origin.plan.root.root_sha256
        checked = kernel.check_request(wish(), source)
        shape = source.pixels.shape[:2]
        found = person(shape, mask=garment()[40:])
        assert (
            reason(lambda: kernel.check_plan(checked, garment()[40:], zone=Zone.TOP, found=found, keeps_cut=True))
            == "root_unfit"
        )
        assert [event for event in [ledger.verify()] if event.ok]
