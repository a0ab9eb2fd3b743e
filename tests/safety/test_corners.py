"""Corners of the gates that a whole job does not come to by itself: every one of them refuses or raises."""

import hashlib
import json
import os
import pickle
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from outfitswap_desktop.core.receipt import mask_hash
from outfitswap_desktop.core.regions import Person
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, GateRefused, InputRefused, NotAvailable, UsageProblem
from outfitswap_desktop.safety import allowed, judging, output_gates, plan_gates, roots, writing
from outfitswap_desktop.safety.detectors import BOX_FLOOR, LABELS, Detection, Detectors
from outfitswap_desktop.safety.judging import GateSaidNo
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.marks import invisible
from outfitswap_desktop.safety.parts import Judged, Looked, PlanParts, closer_looks, in_changed, look, touches
from outfitswap_desktop.safety.people import age, difference
from outfitswap_desktop.safety.people.areas import AREAS
from outfitswap_desktop.safety.people.exposure import Shown
from outfitswap_desktop.safety.people.subject import Subject
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.stages import OUTPUT_GATE_NAMES, ReleasedImage, Verdict
from outfitswap_desktop.safety.statements import MOST_RELEASE_BYTES
from tests.safety.marks.test_invisible import PAYLOAD, picture
from tests.safety.people.figures import HEIGHT, SKIN, TOP, WIDTH, lay, person, segmentation, shaded
from tests.safety.pictures import BodyPartsStub, WholeImageStub, middle, photo, planned, png, raw, script, wish


@pytest.fixture
def kernel():
    return script(SafetyKernel())


def reason(call):
    with pytest.raises(GateRefused) as caught:
        call()
    assert caught.value.message
    assert caught.value.hint
    return caught.value.reason


# --- what a gate says ---------------------------------------------------------------------------------------------------


def test_a_refusal_crosses_a_process_whole():
    said = pickle.loads(pickle.dumps(GateSaidNo(Verdict("frame", False, {"x": 0.5}, "why", "No.", "Do this."))))
    assert (said.reason, said.message, said.hint) == ("why", "No.", "Do this.")
    assert said.verdict == Verdict("frame", False, {"x": 0.5}, "why", "No.", "Do this.")


def test_a_gate_that_is_cancelled_inside_cancels_the_job(kernel):
    class Cancels:
        name = "cancels"

        def thresholds(self):
            return {}

        def judge(self, *_):
            raise Cancelled

    strict = script(SafetyKernel(extra_gates=(Cancels(),)))
    result = raw(strict, strict.open_photo(photo()))
    with pytest.raises(Cancelled):
        strict.release(result)
    assert not [image for image in strict._made if isinstance(image, ReleasedImage)]


def test_a_refusal_says_why_nothing_could_be_judged():
    def fails():
        raise RuntimeError("secret")

    def unknown():
        raise NotAvailable("The weights are gone.", reason="weights", hint="Install anew.")

    def said(ask):
        return judging._within(5.0, "frame", ask, None)

    sound = Verdict("frame", True, {"x": 1.0})
    assert said(lambda: sound) is sound
    for ask, why in (
        (fails, "failed with RuntimeError"),
        (unknown, "the weights are gone)"),
        (lambda: replace(sound, gate="skin"), "makes no sense"),
        (lambda: replace(sound, scores={"x": float("inf")}), "makes no sense"),
        (lambda: replace(sound, scores={"x": -1.1e9}), "makes no sense"),
        (lambda: replace(sound, passed=1), "makes no sense"),
        (lambda: replace(sound, passed=False), "makes no sense"),
    ):
        answer = said(ask)
        assert (answer.gate, answer.passed, answer.reason) == ("frame", False, "output_unjudged")
        assert why in answer.message
        assert answer.hint == judging.DOCTOR
    assert judging._within(5.0, "prompt", fails, None).reason == "unjudged"
    assert said(lambda: replace(sound, scores={"x": -1e9})).passed


def test_a_sheet_keeps_the_highest_score_of_each_gate():
    one, two = ((Verdict("frame", True, {"x": x, "y": 0.2}), Verdict("skin", True, {"z": x})) for x in (0.3, 0.1))
    merged = judging.worst([one, two])
    assert [verdict.gate for verdict in merged] == list(OUTPUT_GATE_NAMES)
    assert all(verdict.passed for verdict in merged)
    scores = {verdict.gate: dict(verdict.scores) for verdict in merged}
    assert scores["frame"] == {"x": 0.3, "y": 0.2}
    assert scores["skin"] == {"z": 0.3}
    assert scores["body_parts"] == {}


# --- looks --------------------------------------------------------------------------------------------------------------


def test_a_look_at_nothing_is_an_error(kernel):
    pixels = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="nothing to look at"):
        look(pixels, kernel._detectors, frame=False, crops=())
    with pytest.raises(ValueError, match="not every part"):
        look(pixels, script(kernel, body_parts=BodyPartsStub(instead=dict))._detectors, frame=True, crops=())


def looked(score, *found):
    return Looked(dict.fromkeys(LABELS, 0.0) | {"BUTTOCKS_EXPOSED": score}, found)


def test_a_score_that_no_box_accounts_for_counts_wherever_it_came_from():
    mask = np.zeros((100, 100), np.uint8)
    mask[80:, 80:] = 255
    far = Detection("BUTTOCKS_EXPOSED", 0.4, (0, 0, 20, 20))
    near = Detection("BUTTOCKS_EXPOSED", 0.3, (70, 70, 90, 90))
    other = Detection("ANUS_EXPOSED", 0.9, (70, 70, 90, 90))
    assert in_changed(looked(0.4, far), "BUTTOCKS_EXPOSED", mask) == BOX_FLOOR
    assert in_changed(looked(0.4, far, near), "BUTTOCKS_EXPOSED", mask) == 0.3
    assert in_changed(looked(0.41, far, near), "BUTTOCKS_EXPOSED", mask) == 0.41
    assert in_changed(looked(0.4, other), "BUTTOCKS_EXPOSED", mask) == 0.4
    assert in_changed(looked(BOX_FLOOR), "BUTTOCKS_EXPOSED", mask) == BOX_FLOOR
    assert in_changed(looked(0.04), "BUTTOCKS_EXPOSED", mask) == 0.04


def patch(x0, y0, x1, y1, size=(400, 600)):
    mask = np.zeros(size, np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def test_the_closer_looks_are_wide_and_clipped():
    """A quarter of the changed area's longer side around it and half of a person's around them, within 600 x 400."""
    mask = patch(200, 150, 280, 250)
    assert closer_looks(mask, ()) == [(90, 50, 390, 350)]  # half of the longer side, where nobody is
    assert closer_looks(mask, [(180, 100, 300, 300)]) == [(175, 125, 305, 275), (80, 0, 400, 400)]
    small = patch(300, 200, 310, 204)
    assert closer_looks(small, [(290, 190, 320, 220)]) == [(292, 192, 318, 212), (275, 175, 335, 235)]
    assert closer_looks(patch(0, 0, 0, 0), [(10, 10, 50, 90)]) == [(0, 0, 90, 130)]
    assert closer_looks(patch(0, 0, 0, 0), []) == []


def test_six_closer_looks_at_most_and_none_twice():
    mask = patch(0, 0, 600, 400)
    persons = [(number, 0, number + 40, 80) for number in range(0, 400, 40)]
    looks = closer_looks(mask, persons)
    assert len(looks) == len(set(looks)) == 6
    assert looks[0] == (0, 0, 600, 400)
    assert looks[1] == (0, 0, 80, 120)
    assert closer_looks(mask, [(0, 0, 600, 400)]) == [(0, 0, 600, 400)]


@pytest.mark.parametrize(("box", "does"), [
    ((100, 100, 120, 120), True), ((120, 100, 140, 120), True), ((132, 100, 152, 120), False),
    ((131, 100, 151, 120), True), ((68, 100, 88, 120), False), ((69, 100, 89, 120), True),
    ((100, 132, 120, 152), False), ((100, 131, 120, 151), True), ((100, 68, 120, 88), False), ((100, 69, 120, 89), True),
    ((-300, -300, -200, -200), False), ((700, 500, 720, 520), False),
])  # fmt: skip
def test_a_box_is_widened_before_it_lies_beside_what_was_changed(box, does):
    """By 0.6 of its sides: 12 pixels here."""
    assert touches(patch(100, 100, 120, 120), box) == does


@pytest.mark.parametrize("by", [1, 6, 11])
@pytest.mark.parametrize(("x0", "y0"), [(40, 30), (0, 0), (3, 68), (88, 2)])
def test_a_mask_is_widened_to_all_sides_alike(x0, y0, by):
    mask = patch(x0, y0, x0 + 12, y0 + 12, size=(80, 100))
    grown = allowed._widened(mask, by)
    rows, columns = np.flatnonzero(grown.any(axis=1)), np.flatnonzero(grown.any(axis=0))
    assert (rows[0], rows[-1]) == (max(0, y0 - by), min(79, y0 + 11 + by))
    assert (columns[0], columns[-1]) == (max(0, x0 - by), min(99, x0 + 11 + by))
    assert set(np.unique(grown)) == {0, 255}
    assert grown[mask > 0].all()


# --- source -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "passes"), [(0.4999, True), (0.5, False), (1.0, False)])
def test_a_source_that_looks_unsafe_as_a_whole_is_refused(kernel, score, passes):
    script(kernel, whole_image=WholeImageStub(score))
    if passes:
        kernel.open_photo(photo())
    else:
        assert reason(lambda: kernel.open_photo(photo())) == "source_nudity"
        assert reason(lambda: kernel.open_garment(photo())) == "source_nudity"
        assert reason(lambda: kernel.open_control(photo())) == "source_nudity"


def test_a_garment_picture_with_underwear_is_refused_and_a_photo_of_the_same_is_not(kernel, monkeypatch):
    shown = Shown("FEMALE_BREAST_COVERED", 0.6, 0.45, "The garment's picture seems to show underwear or swimwear.")
    monkeypatch.setattr("outfitswap_desktop.safety.source_gates.exposure.garment_picture", lambda *_: shown)
    assert reason(lambda: kernel.open_garment(photo())) == "garment_exposure"
    kernel.open_photo(photo())


@pytest.mark.parametrize(("colours", "drawing"), [
    ([(0, 0, 0), (255, 255, 255)], True), ([(0, 0, 0), (0, 0, 255)], False), ([(255, 255, 0), (255, 255, 255)], False),
    ([(0, 0, 0), (0, 255, 0)], False), ([(255, 0, 0), (0, 0, 0)], False), ([(0, 0, 0), (254, 254, 254)], False),
])  # fmt: skip
def test_only_black_and_white_is_a_drawing_in_which_there_is_nothing_to_judge(kernel, colours, drawing):
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:48], pixels[48:] = colours
    script(kernel, whole_image=WholeImageStub(0.9))
    for role in ("mask", "outline"):
        if drawing:
            kernel.open_mask(png(pixels), shape=(96, 128), role=role)
        else:
            call = lambda role=role: kernel.open_mask(png(pixels), shape=(96, 128), role=role)  # noqa: E731
            assert reason(call) == "source_nudity"


# --- plan ---------------------------------------------------------------------------------------------------------------


def parts(kernel, **changes):
    """What the plan gates are asked about: the scripted person, nobody learnt yet."""
    source = kernel.open_photo(photo())
    checked = kernel.check_request(wish(), source)
    mask = middle(source.pixels.shape)
    values = {
        "request": wish(),
        "source": source,
        "consent": checked.consent,
        "seen": source.pixels,
        "small": source.pixels,
        "mask": mask,
        "asked": int(np.count_nonzero(mask)),
        "zone": Zone.TOP,
        "target": None,
        "found": None,
        "outline": np.full(mask.shape, 255, np.uint8),
        "keeps_cut": True,
    }
    return PlanParts(**(values | changes))


def test_a_person_who_was_not_learnt_cannot_be_looked_at(kernel):
    asked = parts(kernel)
    with pytest.raises(ValueError, match="nobody was learnt"):
        plan_gates.CloseUp().judge(asked, kernel._detectors)
    with pytest.raises(ValueError, match="nobody was learnt"):
        roots.with_subject(asked.source.root, asked)


def test_where_the_person_is_only_drawn_every_face_in_the_photo_counts(kernel, monkeypatch):
    outline = np.zeros((96, 128), np.uint8)
    outline[10:50, 20:60] = 255
    asked = []
    adult = age.AgeAnswer("adult", "", None)

    def assess(seen, *, person, head, body_parts, estimator):
        asked.append(person)
        return adult

    monkeypatch.setattr(plan_gates.age, "assess", assess)
    plan_gates.ApparentAge().judge(parts(kernel, outline=outline), kernel._detectors)
    assert asked == [(20, 10, 60, 50), (0, 0, 128, 96)]


@pytest.mark.parametrize(("share", "passes"), [(0.4999, True), (0.5, False)])
def test_who_shows_mostly_skin_is_refused(kernel, share, passes):
    bare = dict.fromkeys(AREAS, 0.0) | {"chest_hip": share}
    subject = SimpleNamespace(bare=bare, coloured=lambda _: dict.fromkeys(AREAS, 0.0))
    said = plan_gates.CloseUp().judge(parts(kernel, subject=subject, found=segmentation()), kernel._detectors)
    assert said.passed == passes
    assert said.reason == ("" if passes else "source_underwear")


# --- output -------------------------------------------------------------------------------------------------------------


def test_a_result_that_was_not_looked_at_is_not_compared(kernel):
    plan = planned(kernel, kernel.open_photo(photo()))
    output = Judged(plan.request.source.pixels, plan.mask, plan=plan)
    with pytest.raises(ValueError, match="not looked at"):
        output_gates.Difference().judge(output, Detectors())


def test_cloth_of_the_skins_colour_is_refused_even_with_the_garments_folds():
    """Its folds keep it from being taken for skin; its colour does not keep it from looking like skin. A coat may be so."""
    root = person()
    subject = Subject.learn(root, segmentation())
    result = lay(root, shaded(SKIN, 1), TOP)  # the shirt's own folds

    def said(loose, pixels):
        plan = SimpleNamespace(
            subject=subject,
            target=None,
            loose=loose,
            request=SimpleNamespace(source=SimpleNamespace(photo=SimpleNamespace(icc=None))),
        )
        return output_gates.Skin().judge(Judged(pixels, TOP, plan=plan), Detectors())

    assert said(False, result).reason == "output_like_skin"
    assert not said(False, result).passed
    assert said(True, result).passed
    assert said(False, root).passed
    assert said(False, lay(root, shaded((40, 110, 70), 1), TOP)).passed


# --- roots --------------------------------------------------------------------------------------------------------------


def test_the_mark_of_a_large_picture_is_found_at_half_its_size(monkeypatch):
    pixels, mask = picture("photo")
    marked = invisible.embed(pixels, mask, PAYLOAD)
    assert marked.carried
    sizes = []
    read = invisible.read
    monkeypatch.setattr(invisible, "read", lambda pixels: sizes.append(pixels.shape) or read(pixels))
    assert roots._mark_in(marked.pixels) == PAYLOAD
    height, width = pixels.shape[:2]
    monkeypatch.setattr(roots, "LARGE", height * width)
    assert roots._mark_in(marked.pixels) == PAYLOAD
    monkeypatch.setattr(roots, "LARGE", height * width - 1)
    assert roots._mark_in(marked.pixels) == PAYLOAD
    assert roots._mark_in(pixels) is None
    assert sizes == [pixels.shape, pixels.shape, *[(height // 2, width // 2, 3)] * 2]


def test_other_persons_of_the_root_are_kept(kernel):
    """The chosen person's document is tightened and taken out, everybody else's goes along untouched."""
    root = person()
    chosen = Subject.learn(root, segmentation())
    aside = Subject.from_outline(root[:, :60], np.full((HEIGHT, 60), 255, np.uint8))
    aside = replace(aside, size=(WIDTH, HEIGHT))
    assert not aside.same_person(chosen)
    barer = replace(chosen, bare=MappingProxyType(dict.fromkeys(AREAS, 0.3)))
    documents = (aside.as_json(), barer.as_json())
    known = RootEvidence("0" * 64, (WIDTH, HEIGHT), {"BUTTOCKS_EXPOSED": 0.02}, 0.1, documents)
    asked = parts(kernel, seen=root, small=root, subject=chosen, scores={"BUTTOCKS_EXPOSED": 0.1, "ANUS_EXPOSED": 0.03})
    subject, after = roots.with_subject(roots.frozen(known), asked)
    assert roots._plain(after.subjects) == [aside.as_json()]
    assert after.scores == {"BUTTOCKS_EXPOSED": 0.02, "ANUS_EXPOSED": 0.03}
    now = chosen.shares(root)
    assert dict(subject.bare) == {area: pytest.approx(min(0.3, now[area])) for area in AREAS}
    own = replace(known, root_sha256=asked.source.photo.sha256)
    assert roots.with_subject(roots.frozen(own), asked)[1].scores == asked.scores


def test_a_root_with_bodies_does_not_fit_a_picture_in_which_theirs_is_nowhere(kernel):
    """Whether one person or none was found in it; with several, some may be new."""
    root = person()
    chosen = Subject.learn(root, segmentation())
    aside = replace(Subject.from_outline(root[:, :60], np.full((HEIGHT, 60), 255, np.uint8)), size=(WIDTH, HEIGHT))
    known = RootEvidence("0" * 64, (WIDTH, HEIGHT), {}, 0.1, (aside.as_json(),))
    one, two = (
        segmentation(),
        segmentation(persons=(Person(1, (58, 26, 243, 471), 0.9), Person(2, (0, 0, 50, 90), 0.9))),
    )
    nobody = {"found": None, "outline": None}
    for found, fits in (({"found": one}, False), (nobody, False), ({"found": two}, True)):
        asked = parts(kernel, seen=root, small=root, subject=chosen, **found)
        assert roots._fits(known, asked) == fits
        assert roots._fits(replace(known, subjects=()), asked)
        assert roots._fits(replace(known, subjects=(chosen.as_json(),)), asked)
        assert not roots._fits(replace(known, size=(WIDTH, HEIGHT - 10), subjects=()), asked)
        if not fits:
            assert reason(lambda asked=asked: roots.with_subject(known, asked)) == "root_unfit"


def test_the_area_that_rose_most_over_its_limit_is_named():
    none = dict.fromkeys(AREAS, 0.1)
    more = difference.judge_skin(none, none | {"chest_hip": 0.13, "thighs": 0.6}, ())
    assert (more.what, more.root, more.result, more.limit) == ("thighs", 0.1, 0.6, 0.06)
    more = difference.judge_skin(none | {"thighs": 0.5}, none | {"chest_hip": 0.15, "thighs": 0.58}, ())
    assert more.what == "chest_hip"


def test_a_photo_that_is_gone_or_another_is_no_ingredient(tmp_path, kernel):
    path = tmp_path / "photo.png"
    path.write_bytes(photo())
    source = kernel.open_photo(path)
    assert roots.own_manifest(source) == photo()
    path.write_bytes(photo(1))
    assert roots.own_manifest(source) is None
    path.unlink()
    assert roots.own_manifest(source) is None
    assert roots.own_manifest(kernel.open_photo(photo())) is None


def test_the_hash_of_a_request_is_of_all_that_was_asked_for(kernel):
    """The payload of every mark ever made comes from it: it stays the same hash, letters beyond ASCII among it."""
    source = kernel.open_photo(photo())
    plan = planned(kernel, source, prompt="appliqu\u00e9 linen shirt", seed=7, steps=30)
    prompt, engine = r'"appliqu\u00e9 linen shirt"', json.dumps(plan.request.request.engine)
    said = f'["{source.photo.sha256}", null, "{mask_hash(plan.mask)}", {prompt}, "top", {engine}, 7, 30]'
    assert roots.request_hash(plan) == hashlib.sha256(said.encode()).hexdigest()
    assert roots.payload_of(plan) == hashlib.sha256(said.encode()).digest()[:6]
    others = [
        planned(kernel, source, prompt="linen shirt", seed=7, steps=30),
        planned(kernel, source, prompt="appliqu\u00e9 linen shirt", seed=8, steps=30),
        planned(kernel, source, prompt="appliqu\u00e9 linen shirt", seed=7, steps=31),
        planned(kernel, kernel.open_photo(photo(5)), prompt="appliqu\u00e9 linen shirt", seed=7, steps=30),
    ]
    assert len({roots.request_hash(one) for one in (plan, *others)}) == 5


# --- statements and files -----------------------------------------------------------------------------------------------


def test_a_release_of_more_than_60_mb_is_refused(kernel, tmp_path):
    source = kernel.open_photo(photo())
    release = tmp_path / "release.pdf"
    with release.open("wb") as file:
        file.truncate(MOST_RELEASE_BYTES + 1)
    with pytest.raises(InputRefused) as caught:
        kernel.check_request(wish(consent=f"release:{release}"), source)
    assert caught.value.reason == "release_unreadable"
    assert "60 MB" in caught.value.message
    assert MOST_RELEASE_BYTES == 60_000_000


def test_a_folder_whose_name_cannot_be_asked_for_is_not_taken_away(tmp_path):
    too_long = tmp_path / ("x" * 300)
    assert writing._is_there(too_long)
    assert writing._is_there(tmp_path)
    assert not writing._is_there(tmp_path / "missing")


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_link_that_leads_to_itself_is_no_source_and_cannot_be_written(tmp_path):
    loop, source = tmp_path / "loop.png", tmp_path / "photo.png"
    loop.symlink_to(loop)
    source.write_bytes(photo())
    assert not writing._same(loop, source)
    writing._refuse_sources(tmp_path / "out.png", (loop, source))
    with pytest.raises(UsageProblem):
        writing._refuse_sources(source, (loop, source))


def test_folders_are_synced_where_the_system_can(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(writing.os, "fsync", synced.append)
    writing._sync_folder(tmp_path)
    assert len(synced) == 1
    writing._sync_folder(tmp_path / "missing")
    monkeypatch.setattr(writing.os, "name", "nt")
    writing._sync_folder(tmp_path)
    assert len(synced) == 1
