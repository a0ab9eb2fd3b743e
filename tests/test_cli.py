"""The command line as a user meets it: one sentence, the right exit code, JSON when asked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.cli import run

AGREED = ("--adult-consent", "self", "--adult-attested")
PROGRAM = [sys.executable, "-m", "outfitswap_desktop"]


def ask(capsys, *arguments):
    """Run one command line in this process: (exit code, stdout, stderr)."""
    code = run([str(a) for a in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def ask_json(capsys, *arguments):
    code, out, _ = ask(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_swap_says_what_the_design_promises(capsys, astronaut_file, tmp_path):
    out = tmp_path / "after.png"
    code, answer = ask_json(capsys, "swap", astronaut_file, "--prompt", "navy pinstripe wool", "-o", out, *AGREED)
    assert code == 0, answer
    wanted = {"output", "mask", "receipt", "engine", "segmenter", "fallbacks", "limits", "mask_fraction", "seconds"}
    assert wanted | {"outside_mask_changed_pixels", "entry_id"} <= answer.keys()
    assert answer["outside_mask_changed_pixels"] == 0
    assert answer["engine"] == "fabric"
    assert all(Path(answer[name]).is_absolute() for name in ("output", "mask", "receipt"))
    before = np.asarray(Image.open(astronaut_file))
    after, mask = np.asarray(Image.open(answer["output"])), np.asarray(Image.open(answer["mask"]))
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert (before[mask > 0] != after[mask > 0]).any(axis=1).mean() > 0.9
    code, listing = ask_json(capsys, "history", "list", "--search", "pinstripe")
    assert [entry["id"] for entry in listing["entries"]] == [answer["entry_id"]]
    code, entry = ask_json(capsys, "history", "show", answer["entry_id"])
    assert entry["receipt"]["source"]["name"] == "astronaut.png"
    code, out, _ = ask(capsys, "history", "list")
    assert code == 0
    assert "navy pinstripe wool" in out
    code, out, _ = ask(capsys, "history", "show", answer["entry_id"])
    assert code == 0


@pytest.mark.slow
def test_same_command_same_pixels(capsys, astronaut_file, tmp_path):
    pictures = []
    for name in ("a.png", "b.png"):
        code, answer = ask_json(
            capsys, "swap", astronaut_file, "--prompt", "floral cotton", "--seed", "3", "-o", tmp_path / name, *AGREED
        )
        assert code == 0, answer
        pictures.append(np.asarray(Image.open(answer["output"])))
    assert np.array_equal(*pictures)


def test_segment_writes_a_binary_mask(capsys, astronaut_file, tmp_path):
    overlay = tmp_path / "overlay.png"
    code, answer = ask_json(capsys, "segment", astronaut_file, "-o", tmp_path / "m.png", "--overlay", overlay)
    assert code == 0, answer
    mask = np.asarray(Image.open(tmp_path / "m.png"))
    assert mask.shape == (512, 512)
    assert set(np.unique(mask)) == {0, 255}
    assert {"mask", "segmenter", "fallbacks", "regions", "persons", "protected"} <= answer.keys()
    assert {"zone", "confidence", "polygon", "box"} <= answer["regions"][0].keys()
    assert answer["protected"]["head"]["polygon"]
    assert Image.open(overlay).size == (512, 512)
    code, out, _ = ask(capsys, "segment", astronaut_file, "-o", tmp_path / "m.png")
    assert code == 0
    assert str(tmp_path / "m.png") in out


@pytest.mark.slow
def test_demo_writes_before_mask_and_after(capsys, tmp_path):
    code, answer = ask_json(capsys, "demo", "-o", tmp_path / "demo")
    assert code == 0, answer
    assert Path(answer["before"]).is_file()
    assert Path(answer["contact_sheet"]).is_file()
    assert len(answer["results"]) >= 3
    assert all(row["outside_mask_changed_pixels"] == 0 for row in answer["results"])


def test_batch_ends_with_5_when_a_photo_is_bad(capsys, astronaut_file, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(astronaut_file.read_bytes())
    (folder / "bad.png").write_bytes(b"no")
    outfits = tmp_path / "outfits.txt"
    outfits.write_text("red tartan\n")
    code, out, err = ask(capsys, "batch", folder, "--outfits", outfits, "-o", tmp_path / "out", *AGREED)
    assert code == 5
    assert "1 done" in out
    assert "bad.png" in err
    code, answer = ask_json(capsys, "batch", folder, "--outfits", outfits, "-o", tmp_path / "out", *AGREED, "--resume")
    assert code == 5
    assert (answer["skipped"], answer["failed"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["swap", "{photo}", "-o", "{out}.png"], 2, "usage"),
        (["swap", "{photo}", "--prompt", "red", "-o", "{out}.bmp"], 2, "usage"),
        (["swap", "{photo}", "--prompt", "red", "-o", "{photo}"], 2, "usage"),
        (["swap", "{photo}", "--prompt", "red", "-o", "{out}.png", "--engine", "nosuch"], 2, "usage"),
        (["swap", "{photo}", "--prompt", "red", "-o", "{out}.png", "--zone", "hat"], 2, "usage"),
        (["swap", "{photo}", "--prompt", "red"], 2, "usage"),
        (["nosuch"], 2, "usage"),
        (["history", "show", "99"], 2, "usage"),
        (["swap", "{photo}", "--prompt", "red", "-o", "{out}.png", "--engine", "sdxl"], 4, "not_available"),
        (["swap", "missing.png", "--prompt", "red", "-o", "{out}.png"], 3, "input_refused"),
        (["swap", "{text}", "--prompt", "red", "-o", "{out}.png"], 3, "input_refused"),
        (["swap", "{noise}", "--prompt", "red", "-o", "{out}.png"], 3, "input_refused"),
        (["swap", "{photo}", "--prompt", "red", "--person", "7", "-o", "{out}.png"], 3, "input_refused"),
        (["swap", "{photo}", "--prompt", "xyzzy qwrtp", "-o", "{out}.png"], 3, "input_refused"),
        (["segment", "{noise}", "-o", "{out}.png"], 3, "input_refused"),
    ],
)
def test_bad_input_gets_one_sentence_and_the_right_code(capsys, tmp_path, astronaut_file, arguments, code, kind):
    text, noise = tmp_path / "text.png", tmp_path / "noise.png"
    text.write_text("hello")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(noise)
    names = {"photo": astronaut_file, "out": tmp_path / "out", "text": text, "noise": noise}
    filled = [argument.format(**names) for argument in arguments]
    filled += AGREED if arguments[0] == "swap" else ()
    content = astronaut_file.read_bytes()
    got, _, err = ask(capsys, *filled)
    assert got == code
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("outfitswap: ")
    assert "Traceback" not in err
    got, answer = ask_json(capsys, *filled)
    assert got == code
    assert answer["error"]["kind"] == kind
    assert answer["error"].keys() == {"kind", "reason", "message", "hint"}
    assert answer["error"]["hint"]
    assert astronaut_file.read_bytes() == content
    assert not list(tmp_path.glob("out*.*"))


@pytest.mark.slow
def test_nobody_found_suggests_a_mask_and_a_mask_works(capsys, tmp_path):
    import skimage.data

    photo = tmp_path / "rocket.png"
    Image.fromarray(skimage.data.rocket()).save(photo)
    out = tmp_path / "out.png"
    code, answer = ask_json(capsys, "swap", photo, "--prompt", "navy linen", "-o", out, *AGREED)
    assert code == 3
    assert "--mask" in answer["error"]["hint"]
    drawn = np.zeros(skimage.data.rocket().shape[:2], np.uint8)
    drawn[50:250, 100:400] = 255
    mask = tmp_path / "mask.png"
    Image.fromarray(drawn).save(mask)
    drawing = ("swap", photo, "--prompt", "navy linen", "--mask", mask, "-o", out)
    code, answer = ask_json(capsys, *drawing, *AGREED)
    assert (code, answer["error"]["reason"]) == (3, "person_needed")
    assert "--outline" in answer["error"]["hint"]
    outline = tmp_path / "outline.png"
    drawn[20:380, 80:420] = 255
    Image.fromarray(drawn).save(outline)
    code, answer = ask_json(capsys, *drawing, "--outline", outline, "--adult-consent", "self")
    assert (code, answer["error"]["reason"]) == (3, "adult_attestation_needed")
    code, answer = ask_json(capsys, *drawing, "--outline", outline, *AGREED)
    assert code == 0, answer
    assert answer["outside_mask_changed_pixels"] == 0
    receipt = json.loads(Path(answer["receipt"]).read_text())
    assert receipt["safety"]["evidence"] == "reduced"


def test_a_bug_is_called_a_bug(capsys, monkeypatch, astronaut_file, tmp_path, own_home):
    def broken(*_args, **_options):
        raise RuntimeError("boom")

    monkeypatch.setattr("outfitswap_desktop.wiring.make_steps", broken)
    code, answer = ask_json(capsys, "swap", astronaut_file, "--prompt", "red", "-o", tmp_path / "o.png", *AGREED)
    assert code == 70
    assert answer["error"]["kind"] == "bug"
    assert "boom" in (own_home / "outfitswap.log").read_text()


def test_every_command_has_help(capsys):
    for command in ([], ["swap"], ["segment"], ["demo"], ["batch"], ["history"], ["history", "list"], ["doctor"]):
        code, out, _ = ask(capsys, *command, "--help")
        assert code == 0
        assert "Usage: outfitswap" in out


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_cancels_cleanly_with_130(tmp_path, astronaut_file):
    folder = tmp_path / "demo"
    process = subprocess.Popen([*PROGRAM, "demo", "-o", str(folder)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "before.png").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Cancelled" in err
    assert "Traceback" not in err
    assert not [p.name for p in folder.iterdir() if p.name.endswith(".part")]
