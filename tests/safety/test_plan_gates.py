"""What is about to be painted: who is there, where, what stays covered, how old they look; and consent before all."""

import hashlib

import numpy as np
import pytest

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import GateRefused, InputRefused, UsageProblem
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.stages import PLAN_GATE_NAMES, CheckedPlan
from tests.safety.pictures import AgeStub, BodyPartsStub, middle, photo, planned, png, script, wish


@pytest.fixture
def kernel():
    return script(SafetyKernel())


@pytest.fixture
def source(kernel):
    return kernel.open_photo(photo())


def reason(call):
    with pytest.raises(GateRefused) as caught:
        call()
    assert caught.value.message
    assert caught.value.hint
    return caught.value.reason


def with_face(kernel, **age):
    """A detector that sees a face of the whole look, and an estimator that says `age` of it."""
    return script(kernel, body_parts=BodyPartsStub({"FACE_FEMALE": 0.9}), age=AgeStub(**age))


def test_a_plan_holds_what_all_gates_said(kernel, source):
    plan = planned(kernel, source)
    assert isinstance(plan, CheckedPlan)
    assert [verdict.gate for verdict in plan.verdicts] == list(PLAN_GATE_NAMES)
    assert np.array_equal(plan.mask, middle(source.pixels.shape))
    assert plan.root.root_sha256 == source.photo.sha256
    assert plan.zone is Zone.TOP
    assert plan.target.name == "shirt"
    assert not plan.reduced


# --- consent ------------------------------------------------------------------------------------------------------------


def test_without_a_statement_nothing_goes_on(kernel, source):
    assert reason(lambda: kernel.check_request(wish(consent=None), source)) == "consent_needed"


@pytest.mark.parametrize("kind", ["self", "Synthetic", "licensed", " licensed : stock 4711"])
def test_a_statement_is_recorded_and_reused_for_this_photo_alone(kernel, source, kind):
    first = kernel.check_request(wish(consent=kind), source)
    again = kernel.check_request(wish(consent=None), source)
    assert again.consent.kind == first.consent.kind == kind.partition(":")[0].strip().casefold()
    other = kernel.open_photo(photo(7))
    assert reason(lambda: kernel.check_request(wish(consent=None), other)) == "consent_needed"


@pytest.mark.parametrize("nonsense", ["", "yes", "selfish", "me", "release", "release:", "release: "])
def test_what_is_no_statement_is_said_to_be_none(kernel, source, nonsense):
    with pytest.raises(UsageProblem) as caught:
        kernel.check_request(wish(consent=nonsense), source)
    assert caught.value.reason == "bad_consent"


def test_a_signed_release_is_hashed(kernel, source, tmp_path):
    release = tmp_path / "release.pdf"
    release.write_bytes(b"signed")
    checked = kernel.check_request(wish(consent=f"release:{release}"), source)
    assert checked.consent.release_sha256 == hashlib.sha256(b"signed").hexdigest()
    for bad in (tmp_path / "gone.pdf", tmp_path):
        with pytest.raises(InputRefused) as caught:
            kernel.check_request(wish(consent=f"release:{bad}"), source)
        assert caught.value.reason == "release_unreadable"
    release.write_bytes(b"")
    with pytest.raises(InputRefused) as caught:
        kernel.check_request(wish(consent=f"release:{release}"), source)
    assert caught.value.reason == "release_unreadable"


def test_a_refused_request_leaves_no_consent(kernel, source):
    assert reason(lambda: kernel.check_request(wish(prompt="nude"), source)) == "prompt_nudity"
    assert reason(lambda: kernel.check_request(wish(consent=None), source)) == "consent_needed"


def test_an_attestation_is_added_to_a_recorded_consent(kernel, source):
    kernel.check_request(wish(adult_attested=False), source)
    assert not kernel.check_request(wish(consent=None, adult_attested=False), source).consent.adult_attested
    kernel.check_request(wish(consent=None, adult_attested=True), source)
    assert kernel.check_request(wish(consent=None, adult_attested=False), source).consent.adult_attested


# --- who is there -------------------------------------------------------------------------------------------------------


def test_nobody_found_needs_an_outline_and_an_attestation(kernel, source):
    assert reason(lambda: planned(kernel, source, found=False)) == "person_needed"
    empty = np.zeros((96, 128), np.uint8)
    assert reason(lambda: planned(kernel, source, found=False, outline=empty)) == "person_needed"
    outline = np.full((96, 128), 255, np.uint8)
    unattested = {"found": False, "outline": outline, "adult_attested": False}
    assert reason(lambda: planned(kernel, source, **unattested)) == "adult_attestation_needed"
    plan = planned(kernel, source, found=False, outline=outline)
    assert plan.reduced
    assert {v.gate: dict(v.scores) for v in plan.verdicts}["person"] == {"reduced_evidence": 1.0}


@pytest.mark.parametrize(("found", "score", "passes"), [
    (True, 0.2499, True), (True, 0.25, False), (False, 0.1249, True), (False, 0.125, False),
])  # fmt: skip
def test_the_close_look_halves_its_limit_where_nobody_was_found(source, kernel, found, score, passes):
    script(kernel, body_parts=BodyPartsStub({"BUTTOCKS_EXPOSED": score}))
    outline = None if found else np.full((96, 128), 255, np.uint8)
    if passes:
        planned(kernel, source, found=found, outline=outline)
    else:
        assert reason(lambda: planned(kernel, source, found=found, outline=outline)) == "source_nudity"


# --- the mask -----------------------------------------------------------------------------------------------------------


def test_a_mask_elsewhere_is_refused_and_a_large_one_too(kernel, source):
    far = np.zeros((96, 128), np.uint8)
    far[-5:, -5:] = 255
    assert reason(lambda: planned(kernel, source, mask=far)) == "mask_outside"
    outline = np.full((96, 128), 255, np.uint8)
    for rows, passes in ((57, True), (58, False)):
        mask = np.zeros((96, 128), np.uint8)
        mask[:rows] = 255
        if passes:
            assert planned(kernel, source, found=False, outline=outline, mask=mask).mask[:rows].all()
        else:
            call = lambda m=mask: planned(kernel, source, found=False, outline=outline, mask=m)  # noqa: E731
            assert reason(call) == "mask_too_large"


@pytest.mark.parametrize(("prompt", "zone", "keeps_cut", "passes"), [
    ("red skirt", Zone.DRESS, False, False),
    ("red shirt", Zone.DRESS, False, False),
    ("red shirt", Zone.BOTTOM, False, False),
    ("red skirt", Zone.TOP, False, False),
    ("red skirt", Zone.DRESS, True, True),
    ("red dress", Zone.DRESS, False, True),
    ("red coat", Zone.TOP, False, True),
    ("red linen", Zone.DRESS, False, True),
    ("red jeans", Zone.BOTTOM, False, True),
])  # fmt: skip
def test_what_is_asked_for_covers_what_was_covered(kernel, source, prompt, zone, keeps_cut, passes):
    call = lambda: planned(kernel, source, prompt=prompt, zone=zone, keeps_cut=keeps_cut)  # noqa: E731
    if passes:
        call()
    else:
        assert reason(call) == "target_uncovers"


# --- apparent age -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("median", "minor", "attested", "says"), [
    (25.0, 0.1, False, ""), (40.0, 0.499, False, ""), (40.0, 0.5, True, "apparent_minor"),
    (17.9, 0.1, True, "apparent_minor"), (18.0, 0.1, True, ""), (24.9, 0.1, True, ""),
    (18.0, 0.1, False, "adult_attestation_needed"), (24.9, 0.1, False, "adult_attestation_needed"),
])  # fmt: skip
def test_the_rule_of_apparent_age(kernel, median, minor, attested, says):
    source = with_face(kernel, median=median, minor=minor).open_photo(photo(size=(300, 300)))
    call = lambda: planned(kernel, source, adult_attested=attested)  # noqa: E731
    if says:
        assert reason(call) == says
    else:
        said = {v.gate: v for v in call().verdicts}["apparent_age"].scores
        assert said == {"attested": float(attested), "age_known": 1.0}  # the guess itself is kept nowhere


def test_without_a_face_the_age_is_unknown(kernel, source):
    assert reason(lambda: planned(kernel, source, adult_attested=False)) == "adult_attestation_needed"
    assert {v.gate: v for v in planned(kernel, source).verdicts}["apparent_age"].scores["age_known"] == 0.0


@pytest.mark.parametrize("fault", [ValueError("no table"), RuntimeError(), MemoryError()])
def test_an_estimator_that_fails_refuses(kernel, fault):
    def fail():
        raise fault

    source = with_face(kernel, instead=fail).open_photo(photo(size=(300, 300)))
    assert reason(lambda: planned(kernel, source)) == "unjudged"


def test_every_refusal_is_in_the_audit_log_without_words(tmp_path):
    from outfitswap_desktop.safety.records.ledger import Ledger

    with Ledger(tmp_path) as ledger:
        kernel = script(SafetyKernel(ledger))
        source = kernel.open_photo(png(np.random.default_rng(3).integers(0, 256, (96, 128, 3), dtype=np.uint8)))
        assert reason(lambda: kernel.check_request(wish(prompt="naked lady"), source)) == "prompt_nudity"
        report = ledger.verify()
        assert report.ok
        assert report.rows >= 1
    stored = b"".join(path.read_bytes() for path in (tmp_path / "safety").iterdir() if path.is_file())
    assert b"naked" not in stored
    assert source.photo.sha256.encode() in stored
