"""Every fixed gate made to refuse, raise, hang or answer nonsense, seen from outside: exit code, disk, history, audit log."""

import json
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop import api, wiring
from outfitswap_desktop.cli import run
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.errors import GateRefused
from outfitswap_desktop.safety import gates
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.stages import Verdict
from tests.fakes import FakeSegmenter, InvertingGenerator
from tests.safety.pictures import script

AGREED = ("--adult-consent", "self", "--adult-attested")
WISH = {"adult_consent": "self", "adult_attested": True}
GATES = [
    (stage, kind)
    for stage, kinds in (
        ("source", gates.SOURCE_GATES),
        ("request", gates.REQUEST_GATES),
        ("plan", gates.PLAN_GATES),
        ("output", gates.OUTPUT_GATES),
    )
    for kind in kinds
]


def no(gate, *_):
    return Verdict(gate.name, False, {}, "other", "No.", "Do not.")


def boom(_gate, *_):
    raise RuntimeError("a broken gate")


def hang(gate, *_):
    time.sleep(1.5)
    return Verdict(gate.name, True)


def nan(gate, *_):
    return Verdict(gate.name, True, {"nsfw": float("nan")})


def silent(_gate, *_):
    return None


FAULTS = {"refuses": no, "raises": boom, "hangs": hang, "nan": nan, "says nothing": silent}


@pytest.fixture
def scripted(monkeypatch):
    """The whole program with scripted steps and detectors, and half a second for each gate."""
    generator = InvertingGenerator()

    def kernel(ledger=None):
        return script(SafetyKernel(ledger, budget_seconds=0.5))

    monkeypatch.setattr("outfitswap_desktop.safety.kernel.SafetyKernel", kernel)
    monkeypatch.setattr(wiring, "make_steps", lambda engine: Steps(FakeSegmenter(), generator))
    return generator


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(5)
    photo, garment = tmp_path / "me.png", tmp_path / "cloth.png"
    Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(photo)
    Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(garment)
    return photo, garment


def files(*folders):
    """Every file that may hold a picture or a receipt; the records keep a key and an anchor of their own."""
    ends = {".png", ".jpg", ".webp", ".json", ".part"}
    found = (path for folder in folders for path in Path(folder).rglob("*") if path.suffix in ends)
    return sorted(path.name for path in found if path.parent.name != "safety")


def refusals(home):
    """The refusals in the audit log: (stage, gate)."""
    with sqlite3.connect(next((home / "safety").glob("*.db"))) as log:
        bodies = [json.loads(body) for (body,) in log.execute("SELECT body FROM log ORDER BY seq")]
    return [(b["stage"], b.get("gate")) for b in bodies if b.get("outcome") == "refused"]


def ask(capsys, *arguments):
    code = run([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_scripted_program_makes_results(scripted, pictures, capsys, tmp_path, own_home):
    code, answer = ask(capsys, "swap", pictures[0], "-p", "red shirt", "-o", tmp_path / "made" / "o.png", *AGREED)
    assert code == 0, answer
    assert files(tmp_path / "made") == ["o.mask.png", "o.png", "o.receipt.json"]
    assert not refusals(own_home)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("stage", "gate"), GATES, ids=lambda one: one if isinstance(one, str) else one.name)
def test_the_command_line_with_a_gate_that_fails(
    scripted, pictures, capsys, tmp_path, own_home, monkeypatch, stage, gate, fault
):
    monkeypatch.setattr(gate, "judge", FAULTS[fault])
    code, answer = ask(capsys, "swap", pictures[0], "-p", "red shirt", "-o", tmp_path / "made" / "o.png", *AGREED)
    assert code == 3
    assert answer["error"]["kind"] == "input_refused"
    reasons = ("other",) if fault == "refuses" else ("unjudged", "output_unjudged")
    assert answer["error"]["reason"] in reasons
    assert not (tmp_path / "made").exists()
    assert not files(own_home)
    assert ask(capsys, "history", "list")[1]["entries"] == []
    assert refusals(own_home) == [(stage, gate.name)]
    assert bool(scripted.requests) is (stage == "output"), "what was refused before it was painted is not painted"
    assert ask(capsys, "audit", "verify")[0] == 0


@pytest.mark.parametrize(("stage", "gate"), GATES, ids=lambda one: one if isinstance(one, str) else one.name)
def test_the_library_with_a_gate_that_fails(scripted, pictures, tmp_path, own_home, monkeypatch, stage, gate):
    photo = np.asarray(Image.open(pictures[0]))
    for fault in (no, boom, nan):
        monkeypatch.setattr(gate, "judge", fault)
        with api.Session() as session, pytest.raises(GateRefused):
            session.swap(photo, "red shirt", garment=pictures[1], **WISH)
        with pytest.raises(GateRefused):
            api.swap(pictures[0], "red shirt", output=tmp_path / "made" / "o.jpg", **WISH)
    assert not (tmp_path / "made").exists()
    assert not files(own_home)
    assert set(refusals(own_home)) == {(stage, gate.name)}


@pytest.mark.parametrize(("stage", "gate"), GATES, ids=lambda one: one if isinstance(one, str) else one.name)
def test_a_batch_with_a_gate_that_fails(scripted, pictures, capsys, tmp_path, own_home, monkeypatch, stage, gate):
    folder, outfits = tmp_path / "photos", tmp_path / "outfits.csv"
    folder.mkdir()
    pictures[0].rename(folder / "me.png")
    outfits.write_text("name,prompt\na,red shirt\nb,navy linen\n")
    monkeypatch.setattr(gate, "judge", boom)
    code, answer = ask(capsys, "batch", folder, "--outfits", outfits, "-o", tmp_path / "made", *AGREED)
    assert code == 5
    assert (answer["done"], answer["failed"]) == (0, 2)
    assert files(tmp_path / "made") == ["batch-summary.json", "contact-sheet.png"]
    if stage in ("source", "output"):
        sheet = np.asarray(Image.open(tmp_path / "made" / "contact-sheet.png").convert("RGB"))
        assert len(np.unique(sheet.reshape(-1, 3), axis=0)) < 300, "no photo on the sheet either"
    assert ask(capsys, "history", "list")[1]["entries"] == []
    assert set(refusals(own_home)) == {(stage, gate.name)}


@pytest.mark.parametrize("gate", gates.SOURCE_GATES, ids=lambda gate: gate.name)
def test_segment_with_a_source_gate_that_fails(scripted, pictures, capsys, tmp_path, monkeypatch, gate):
    monkeypatch.setattr(gate, "judge", boom)
    out = tmp_path / "made"
    code, _ = ask(capsys, "segment", pictures[0], "-o", out / "m.png", "--overlay", out / "overlay.png")
    assert code == 3
    assert not files(out)


@pytest.mark.parametrize("gate", gates.OUTPUT_GATES, ids=lambda gate: gate.name)
def test_an_overlay_with_an_output_gate_that_fails(scripted, pictures, capsys, tmp_path, monkeypatch, gate):
    monkeypatch.setattr(gate, "judge", boom)
    out = tmp_path / "made"
    code, _ = ask(capsys, "segment", pictures[0], "-o", out / "m.png", "--overlay", out / "overlay.png")
    assert code == 3
    assert not files(out), "the mask is not written without the overlay either"


@pytest.mark.parametrize("role", ["garment", "mask", "outline"])
@pytest.mark.parametrize("gate", gates.SOURCE_GATES, ids=lambda gate: gate.name)
def test_every_picture_of_a_request_passes_the_source_gates(
    scripted, pictures, capsys, tmp_path, own_home, monkeypatch, gate, role
):
    """A gate that refuses but the photo."""
    real = gate.judge

    def judge(self, image, detectors):
        return real(self, image, detectors) if image.role == "photo" else no(self)

    monkeypatch.setattr(gate, "judge", judge)
    options = ("--garment", pictures[1]) if role == "garment" else (f"--{role}", pictures[1], "-p", "red shirt")
    code, answer = ask(capsys, "swap", pictures[0], *options, "-o", tmp_path / "made" / "o.png", *AGREED)
    assert (code, answer["error"]["reason"]) == (3, "other")
    assert refusals(own_home) == [("source", gate.name)]
    assert not (tmp_path / "made").exists()
