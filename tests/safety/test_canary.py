"""The canary: the real detector's face classes are forbidden in a test build, and no way lets a face in or out."""

import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from outfitswap_desktop import api, cli, wiring
from outfitswap_desktop.cli import run
from outfitswap_desktop.errors import GateRefused, InputRefused
from outfitswap_desktop.runner import Runner
from outfitswap_desktop.safety import api as safety_api
from outfitswap_desktop.safety.detectors import Detectors
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import ReleasedImage, Verdict
from tests.safety.pictures import middle, person, planned, raw

AGREED = ("--adult-consent", "self", "--adult-attested")
FACES = ("FACE_FEMALE", "FACE_MALE")
LIMIT = 0.25


@dataclass
class NoFaces:
    """Refuses what NudeNet sees a face in: at 480 the whole picture, of whatever stage it is asked on."""

    name: str = "canary"
    of: str = "source"

    def thresholds(self):
        return dict.fromkeys(FACES, LIMIT)

    def judge(self, given, detectors):
        pixels = {"source": lambda: given.photo.pixels, "plan": lambda: given.source.pixels}
        picture = pixels.get(self.of, lambda: given.pixels)()
        scores = detectors.body_parts.scores([picture], 480)
        worst = max(FACES, key=lambda label: scores[label])
        if scores[worst] >= LIMIT:
            return Verdict(self.name, False, {worst: scores[worst]}, "canary", "A face is forbidden here.", "None.")
        return Verdict(self.name, True)


STAGES = {"source": "extra_source_gates", "plan": "extra_plan_gates", "output": "extra_gates"}
WARM = Detectors()


def build(stages, ledger=None):
    """A test build: the real kernel and the real detectors, with the canary on `stages`."""
    kernel = SafetyKernel(ledger, **{STAGES[stage]: (NoFaces(of=stage),) for stage in stages})
    kernel._detectors = WARM
    return kernel


@pytest.fixture(scope="session")
def faces(astronaut, tmp_path_factory):
    """Photos with a face in them: the astronaut, as she is and inside a larger picture."""
    folder = tmp_path_factory.mktemp("faces")
    Image.fromarray(astronaut).save(folder / "astronaut.png")
    wide = np.full((600, 700, 3), 90, np.uint8)
    wide[40:552, 100:612] = astronaut
    Image.fromarray(wide).save(folder / "wide.jpg", quality=92)
    return [folder / "astronaut.png", folder / "wide.jpg"]


SLOW = pytest.mark.slow
EVERY = pytest.mark.parametrize("stage", ["source", "plan", "output"])
QUICK = pytest.mark.parametrize(
    "stage", ["source", pytest.param("plan", marks=SLOW), pytest.param("output", marks=SLOW)]
)
"""Where the slower stages show nothing that another test does not show too, but through another command."""
COMING_IN = pytest.mark.parametrize("stage", ["source"])
NOT_PLANNED = pytest.mark.parametrize("stage", ["source", "output"])


@pytest.fixture
def test_build(monkeypatch, stage):
    """Every kernel that the program makes is a test build."""
    made = []

    def kernel(ledger=None):
        made.append(build([stage], ledger))
        return made[-1]

    monkeypatch.setattr("outfitswap_desktop.safety.kernel.SafetyKernel", kernel)
    return made


def pictures(*folders):
    """Every file with pixels below the folders."""
    ends = {".png", ".jpg", ".jpeg", ".webp", ".part"}
    return [p for folder in folders for p in Path(folder).rglob("*") if p.suffix.lower() in ends]


def rows(home):
    with wiring.open_history() as history:
        return history.list(limit=50)


def ask(capsys, *arguments):
    code = run([*map(str, arguments), "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out)


# --- the command line ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_build_without_the_canary_makes_pictures(capsys, faces, tmp_path):
    """Else the tests below would show nothing."""
    code, answer = ask(capsys, "swap", faces[0], "-p", "navy linen", "-o", tmp_path / "o.png", *AGREED)
    assert code == 0, answer
    assert pictures(tmp_path / "outfitswap-home", tmp_path)


@EVERY
def test_swap(capsys, faces, tmp_path, test_build, stage, own_home):
    for photo in faces if stage == "source" else faces[:1]:
        out = tmp_path / "made"
        code, answer = ask(capsys, "swap", photo, "-p", "navy linen", "-o", out / "o.png", *AGREED)
        assert code == 3
        assert answer["error"]["reason"] == "canary"
        assert not pictures(out, own_home)
        assert not rows(own_home)
    assert test_build


@COMING_IN
def test_swap_with_a_face_as_the_garment(capsys, faces, tmp_path, test_build, stage, own_home):
    fabric = tmp_path / "fabric.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 200, (128, 128, 3), dtype=np.uint8)).save(fabric)
    code, answer = ask(capsys, "swap", fabric, "-g", faces[0], "-o", tmp_path / "made" / "o.png", *AGREED)
    assert (code, answer["error"]["reason"]) == (3, "canary")
    code, answer = ask(capsys, "swap", fabric, "-p", "navy", "--mask", faces[0], "-o", tmp_path / "o.png", *AGREED)
    assert (code, answer["error"]["reason"]) == (3, "canary")
    assert not pictures(tmp_path / "made", own_home)


@QUICK
def test_batch_and_resume(capsys, faces, tmp_path, test_build, stage, own_home):
    outfits = tmp_path / "outfits.txt"
    outfits.write_text("navy linen\nred tartan\n")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(faces[0].read_bytes())
    order = ("batch", folder, "--outfits", outfits, "-o", tmp_path / "made", *AGREED)
    code, answer = ask(capsys, *order)
    assert code == 5
    assert (answer["done"], answer["failed"]) == (0, 2)
    assert {row["error"]["reason"] for row in answer["jobs"]} == {"canary"}
    assert [p.name for p in pictures(tmp_path / "made", own_home)] == ["contact-sheet.png"]
    assert has_face(tmp_path / "made" / "contact-sheet.png") is (stage == "plan"), "the photo itself may be on it then"
    assert not rows(own_home)


@pytest.mark.slow
def test_results_of_an_earlier_build_are_not_shown_again(capsys, faces, tmp_path, own_home, monkeypatch):
    """Made without the canary, resumed with it: the sheet has an empty place for the photo and for the result."""
    outfits = tmp_path / "outfits.txt"
    outfits.write_text("navy linen\n")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(faces[0].read_bytes())
    order = ("batch", folder, "--outfits", outfits, "-o", tmp_path / "made", *AGREED)
    assert ask(capsys, *order)[0] == 0
    assert has_face(tmp_path / "made" / "contact-sheet.png")
    for stages in (["source"], ["output"]):
        monkeypatch.setattr(
            "outfitswap_desktop.safety.kernel.SafetyKernel", lambda ledger=None, s=stages: build(s, ledger)
        )
        code, answer = ask(capsys, *order, "--resume")
        assert (code, answer["skipped"]) == (0, 1)
        assert not has_face(tmp_path / "made" / "contact-sheet.png")


def has_face(path):
    scores = WARM.body_parts.scores([np.asarray(Image.open(path).convert("RGB"))], 480)
    crops = WARM.body_parts.scores([np.asarray(Image.open(path).convert("RGB"))[:, :344]], 320)
    return max(scores[label] for label in FACES) >= LIMIT or max(crops[label] for label in FACES) >= LIMIT


@NOT_PLANNED
def test_segment_and_its_overlay(capsys, faces, tmp_path, test_build, stage):
    out = tmp_path / "made"
    for photo in faces:
        code, answer = ask(capsys, "segment", photo, "-o", out / "m.png", "--overlay", out / "overlay.png")
        assert (code, answer["error"]["reason"]) == (3, "canary")
        assert not pictures(out)


@QUICK
def test_demo(capsys, tmp_path, test_build, stage, own_home):
    """The one photo that the program brings along is no exception: not even a copy of it is laid out."""
    code, answer = ask(capsys, "demo", "-o", tmp_path / "demo")
    assert (code, answer["error"]["reason"]) == (3, "canary")
    left = [p.name for p in pictures(tmp_path / "demo", own_home)]
    assert left == ([] if stage == "source" else ["before.png"])
    assert not rows(own_home)


@COMING_IN
def test_history_has_nothing_to_export(capsys, faces, tmp_path, test_build):
    ask(capsys, "swap", faces[0], "-p", "navy linen", "-o", tmp_path / "made" / "o.png", *AGREED)
    code, answer = ask(capsys, "history", "export", "-o", tmp_path / "all.zip")
    assert code == 0
    assert (answer["entries"], answer["files"]) == (0, 0)
    assert ask(capsys, "history", "list")[1]["entries"] == []


# --- the library --------------------------------------------------------------------------------------------------------


@QUICK
def test_the_library(faces, tmp_path, test_build, stage):
    picture = np.asarray(Image.open(faces[0]).convert("RGB"))
    out = tmp_path / "made" / "o.png"
    with api.Session() as session:
        given = (faces[0], str(faces[0]), faces[0].read_bytes(), picture, Image.fromarray(picture))
        for photo in given if stage == "source" else given[:1]:
            with pytest.raises(GateRefused) as caught:
                session.swap(photo, "navy linen", output=out, adult_consent="self", adult_attested=True)
            assert caught.value.reason == "canary"
        if stage == "source":
            with pytest.raises(GateRefused):
                session.segment(faces[0])
    if stage == "source":
        with pytest.raises(GateRefused):
            api.segment(picture)
    with pytest.raises(GateRefused):
        api.swap(picture, "navy linen", output=out, adult_consent="self", adult_attested=True)
    assert not pictures(tmp_path / "made")


@EVERY
def test_every_way_of_the_kernel(faces, stage):
    """`ways` names what every public function of the kernel does with a face; the next test sees that none is missing."""
    photo = faces[0]
    if stage == "source":
        kernel = build(["source"])
        for way in (
            kernel.open_photo,
            kernel.open_garment,
            kernel.open_control,
            kernel.view,
            lambda path: kernel.open_mask(path, shape=(512, 512)),
            lambda path: kernel.open_mask(path, shape=(512, 512), role="outline"),
        ):
            for given in (photo, photo.read_bytes()):
                with pytest.raises(GateRefused):
                    way(given)
        assert not list(kernel._made)
        return
    kernel = build([stage])
    source = kernel.open_photo(photo)
    if stage == "plan":
        with pytest.raises(GateRefused):
            planned(kernel, source)
        return
    output = raw(kernel, source)
    for way in (lambda: kernel.release(output), lambda: kernel.overlay(source, middle((512, 512)))):
        with pytest.raises(GateRefused):
            way()
    assert kernel.miniature(kernel.view(source)) is None
    sheet = kernel.contact_sheet([[Cell(kernel.view(source), "before")]])
    scores = WARM.body_parts.scores([sheet.pixels], 480)
    assert max(scores[label] for label in FACES) < LIMIT
    assert [image.kind for image in kernel._made if isinstance(image, ReleasedImage)] == ["contact_sheet"]


def test_what_was_released_before_is_judged_again_when_it_is_copied(faces, tmp_path):
    """Shown it may be, for it left once; another copy of it meets the gates of today."""
    with Ledger(None) as ledger:
        before = build([], ledger)
        released = before.release(raw(before, before.open_photo(faces[0])))
        file = tmp_path / "result.png"
        file.write_bytes(before.encode(released, "PNG"))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        strict = build(["output"], ledger)
        assert np.array_equal(strict.recall(file, sha256).pixels, released.pixels)
        with pytest.raises(GateRefused):
            strict.reopen(file, sha256)
        strange = tmp_path / "strange.png"
        strange.write_bytes(faces[0].read_bytes())
        for way in (strict.recall, strict.reopen):
            with pytest.raises(InputRefused):
                way(strange, hashlib.sha256(strange.read_bytes()).hexdigest())
        assert [image.kind for image in strict._made if isinstance(image, ReleasedImage)] == []


@pytest.mark.slow
def test_photos_at_hand(photo_folder, tmp_path):
    """Of the photos that NudeNet finds a face in, none comes in, and none goes out."""
    seen = 0
    for path in sorted(photo_folder.iterdir()):
        plain, strict = build([]), build(["source"])
        try:
            source = plain.open_photo(path)
        except InputRefused:
            continue
        scores = WARM.body_parts.scores([source.pixels], 480)
        if max(scores[label] for label in FACES) < LIMIT:
            continue
        seen += 1
        with pytest.raises(GateRefused):
            strict.open_photo(path)
        out = build(["output"])
        opened = out.open_photo(path)
        with pytest.raises(GateRefused):
            out.overlay(opened, np.zeros(opened.pixels.shape[:2], np.uint8))
        assert out.miniature(out.view(opened)) is None
    assert seen


# --- nothing new without a place here -----------------------------------------------------------------------------------

KERNEL = {
    "in": {"open_photo", "open_garment", "open_control", "open_mask", "view"},
    "between": {"check_request", "check_plan"},
    "out": {"release", "overlay", "contact_sheet", "miniature"},
    "of what is released": {"encode", "thumbnail", "recall", "reopen"},
    "words": {"is_agreed"},
    "two tones": {"encode_mask"},
}
RUNNER = {
    "opens": {"open_photo"},
    "makes": {"run", "write_sheet"},
    "of a checked photo": {"segment"},
    "bytes and places": {"place", "tidy", "write", "write_document"},
    "numbers": {"made_by"},
}
SESSION = {"swap", "segment", "close"}
LIBRARY = {"swap", "segment", "Session", "SegmentResult", "SwapResult", "Wishes"}
COMMANDS = {
    "makes pictures": {"swap", "segment", "demo", "batch"},
    "takes along what was made": {"history export"},
    "shows and erases words and numbers": {
        "history list", "history show", "history erase", "doctor", "prompt check", "verify", "audit verify", "report",
    },
    "credits, no pictures": {
        "licence activate", "licence status", "licence take", "licence return", "licence release", "licence history",
        "licence buy", "licence request", "licence receipts",
    },
    "weights and measurements, no pictures": {
        "bench", "models list", "models get", "models verify", "models import", "models remove", "models network", "models pin",
    },
}  # fmt: skip
SAFETY = {
    "types": {"Cell", "CheckResult", "CheckedSource", "GateInfo", "ReleasedImage"},
    "numbers and words": {
        "check_prompts",
        "complete_word",
        "gates",
        "self_test",
        "verify_file",
        "list_records",
        "erase_records",
        "records_test",
    },
    "files": {"archive_place", "publish_archive", "to_trash", "withdraw"},
}


def public(kind):
    return {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}


def commands(group, before=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_public_function_has_its_place():
    """Whoever adds a way in or out writes it down here, and what the canary does on it above."""
    assert public(SafetyKernel) == set().union(*KERNEL.values())
    assert public(Runner) == set().union(*RUNNER.values())
    assert public(api.Session) == SESSION
    assert set(api.__all__) == LIBRARY
    assert set(safety_api.__all__) == set().union(*SAFETY.values())
    assert set(commands(typer.main.get_command(cli.app))) == set().union(*COMMANDS.values())
    assert person((8, 8)).persons
