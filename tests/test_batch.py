"""Photos x outfits: a bad photo fails alone, resume does only what is missing, the summary tells all."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.batch import run_batch
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import Cancelled, KnownError, NotAvailable


@pytest.fixture
def photos(tmp_path, astronaut):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.roll(astronaut, number, axis=2)[: 400 + number]).save(folder / f"p{number}.png")
    (folder / "broken.jpg").write_bytes(b"not a picture")
    (folder / "readme.txt").write_text("no photo")
    return folder


@pytest.fixture
def outfits(tmp_path):
    path = tmp_path / "outfits.txt"
    path.write_text("navy linen shirt\n# a comment\n\nred jeans\n")
    return path


def go(runner, photos, output, outfits, *, resume=False, report=None, cancel=None):
    return run_batch(
        runner,
        photos,
        output=output,
        outfits=outfits,
        resume=resume,
        engine="auto",
        consent="self",
        adult_attested=True,
        report=report or (lambda _p: None),
        cancel=cancel or CancelToken(),
    )


def test_a_bad_photo_fails_alone(fake_runner, photos, outfits, tmp_path):
    runner, _, _ = fake_runner
    summary = go(runner, photos, tmp_path / "out", outfits)
    assert (summary["done"], summary["failed"], summary["skipped"]) == (6, 2, 0)
    failed = [row for row in summary["jobs"] if row["state"] == "failed"]
    assert {row["error"]["kind"] for row in failed} == {"input_refused"}
    assert all("broken.jpg" in row["photo"] for row in failed)
    for row in summary["jobs"]:
        if row["state"] == "done":
            assert row["outside_mask_changed_pixels"] == 0
            assert all(Path(row[name]).is_absolute() for name in ("photo", "output", "mask", "receipt"))
            with Image.open(row["output"]) as picture:
                picture.load()
    saved = json.loads((tmp_path / "out" / "batch-summary.json").read_text())
    assert saved["done"] == 6
    with Image.open(summary["contact_sheets"][0]) as sheet:
        assert sheet.width > 900
    assert runner.history.count() == 6
    assert len(runner.history.list(batch=summary["batch"])) == 6


@pytest.mark.slow
def test_one_photo_is_parsed_once_per_outfit_zone(fake_runner, photos, outfits, tmp_path):
    runner, segmenter, _ = fake_runner
    go(runner, photos, tmp_path / "out", outfits)
    assert len(segmenter.calls) == 6


def pixels_of(name):
    """A result without its manifest, which is signed anew each time."""
    with Image.open(name) as picture:
        return picture.tobytes()


@pytest.mark.slow
def test_resume_does_only_what_is_missing(fake_runner, photos, outfits, tmp_path):
    runner, _, generator = fake_runner
    out = tmp_path / "out"
    first = go(runner, photos, out, outfits)
    made = sorted(row["output"] for row in first["jobs"] if row["state"] == "done")
    content = {name: pixels_of(name) for name in made}
    gone, spoilt = made[0], made[1]
    Path(gone).unlink()
    with Path(spoilt).open("ab") as file:
        file.write(b"x")
    generator.requests.clear()
    again = go(runner, photos, out, outfits, resume=True)
    assert (again["done"], again["skipped"], again["failed"]) == (2, 4, 2)
    assert len(generator.requests) == 2
    assert {name: pixels_of(name) for name in made} == content
    assert len(again["contact_sheets"]) == 1
    outfits.write_text("green linen shirt\nred jeans\n")
    changed = go(runner, photos, out, outfits, resume=True)
    assert (changed["done"], changed["skipped"]) == (3, 3)


@pytest.mark.slow
def test_cancel_saves_the_summary_of_what_was_done(fake_runner, photos, outfits, tmp_path):
    runner, _, generator = fake_runner
    token = CancelToken()

    def third():
        if len(generator.requests) == 3:
            token.set()

    generator.on_generate = third
    with pytest.raises(Cancelled):
        go(runner, photos, tmp_path / "out", outfits, cancel=token)
    saved = json.loads((tmp_path / "out" / "batch-summary.json").read_text())
    assert saved["cancelled"] is True
    assert saved["done"] == 2
    assert saved["not_started"] == 4
    generator.on_generate = None
    resumed = go(runner, photos, tmp_path / "out", outfits, resume=True)
    assert (resumed["done"], resumed["skipped"]) == (4, 2)


def test_a_cancel_says_how_much_is_done(fake_runner, photos, outfits, tmp_path):
    runner, _, generator = fake_runner
    token = CancelToken()
    generator.on_generate = lambda: token.set() if len(generator.requests) == 2 else None
    with pytest.raises(Cancelled, match=r"1 of 8 jobs are done and kept.*--resume"):
        go(runner, photos, tmp_path / "out", outfits, cancel=token)


@pytest.mark.slow
def test_a_contact_sheet_that_cannot_be_written_loses_nothing_else(fake_runner, photos, outfits, tmp_path, monkeypatch):
    runner, _, _ = fake_runner

    def full(*_args, **_options):
        raise NotAvailable("The disk is full.", reason="disk_full")

    monkeypatch.setattr(type(runner), "write_sheet", full)
    summary = go(runner, photos, tmp_path / "out", outfits)
    assert (summary["done"], summary["contact_sheets"]) == (6, [])
    assert "The contact sheet was not written: The disk is full." in summary["notes"]
    assert json.loads((tmp_path / "out" / "batch-summary.json").read_text())["notes"] == summary["notes"]


def test_where_one_cannot_be_paid_the_others_are_not_begun(fake_runner, photos, outfits, tmp_path):
    runner, _, generator = fake_runner

    def run_dry():
        if len(generator.requests) == 3:
            generator.problem = NotAvailable("Not enough credits.", reason="no_credits", hint="Buy credits.")

    generator.on_generate = run_dry
    summary = go(runner, photos, tmp_path / "out", outfits)
    assert (summary["done"], summary["failed"], summary["not_started"]) == (2, 3, 3)
    assert summary["notes"][-1] == "3 of 8 jobs were not begun; the same command with --resume does them."
    assert not summary["cancelled"]
    assert summary["contact_sheets"]
    generator.problem = generator.on_generate = None
    resumed = go(runner, photos, tmp_path / "out", outfits, resume=True)
    assert (resumed["done"], resumed["skipped"], resumed["not_started"]) == (4, 2, 0)


@pytest.mark.slow
def test_a_bug_in_one_job_does_not_stop_the_others(fake_runner, photos, outfits, tmp_path):
    runner, _, generator = fake_runner

    def stumble():
        generator.problem = ValueError("oops") if len(generator.requests) == 2 else None

    generator.on_generate = stumble
    summary = go(runner, photos, tmp_path / "out", outfits)
    assert (summary["done"], summary["failed"]) == (5, 3)
    assert [row["error"]["kind"] for row in summary["jobs"] if row["state"] == "failed"].count("bug") == 1


@pytest.mark.slow
def test_progress_is_one_rising_line(fake_runner, photos, outfits, tmp_path):
    runner, _, _ = fake_runner
    seen = []
    go(runner, photos, tmp_path / "out", outfits, report=seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert seen[-1].detail.startswith("8/8")


def test_a_csv_names_its_own_rows(fake_runner, photos, tmp_path):
    runner, _, _ = fake_runner
    manifest = photos / "list.csv"
    manifest.write_text("photo,prompt,zone,seed\np0.png,red linen,top,5\np1.png,blue denim,bottom,\nnone.png,red,,\n")
    summary = go(runner, manifest, tmp_path / "out", None)
    assert (summary["done"], summary["failed"]) == (2, 1)
    zones = [row["zone"] for row in summary["jobs"] if row["state"] == "done"]
    assert zones == ["top", "bottom"]


def test_nothing_to_do_is_said(fake_runner, tmp_path, outfits):
    runner, _, _ = fake_runner
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(KnownError):
        go(runner, empty, tmp_path / "out", outfits)
