"""Taking the history along, and erasing it: list, typed word, everything gone from every file, a second run finds nothing."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop import paths, wiring
from outfitswap_desktop.cli import run
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.safety.kernel import SafetyKernel
from tests.fakes import FakeSegmenter, InvertingGenerator
from tests.safety.pictures import script

AGREED = ("--adult-consent", "self", "--adult-attested")
WORDS = ("tangerine shirt", "houndstooth shirt")


def ask(capsys, *arguments):
    code = run([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def made(monkeypatch, capsys, tmp_path):
    """Two results of the scripted program."""
    monkeypatch.setattr(
        "outfitswap_desktop.safety.kernel.SafetyKernel", lambda ledger=None: script(SafetyKernel(ledger))
    )
    monkeypatch.setattr(wiring, "make_steps", lambda engine: Steps(FakeSegmenter(), InvertingGenerator()))
    answers = []
    for number, words in enumerate(WORDS):
        photo = tmp_path / f"me{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photo)
        code, answer = ask(capsys, "swap", photo, "-p", words, "-o", tmp_path / "made" / f"o{number}.png", *AGREED)
        assert code == 0, answer
        answers.append(answer)
    return answers


def everything_kept(home):
    return b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


# --- export ---------------------------------------------------------------------------------------------------------------


def test_the_archive_holds_entries_results_and_a_readme(made, capsys, tmp_path):
    code, answer = ask(capsys, "history", "export", "-o", tmp_path / "all.zip")
    assert code == 0
    assert answer["entries"] == 2
    with zipfile.ZipFile(answer["archive"]) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        whole = b"".join(archive.read(name) for name in names)
        for result in made:
            assert any(archive.read(name) == Path(result["output"]).read_bytes() for name in names)
    assert any("README" in name for name in names)
    assert all(words.encode() in whole for words in WORDS)
    assert not [name for name in names if name.startswith("/") or ".." in name]


def test_a_result_that_was_changed_since_is_not_taken_along(made, capsys, tmp_path):
    planted = Path(made[0]["output"])
    planted.write_bytes(b"another picture altogether")
    code, answer = ask(capsys, "history", "export", "-o", tmp_path / "all.zip")
    assert code == 0
    assert answer["missing_files"] >= 1
    with zipfile.ZipFile(answer["archive"]) as archive:
        assert all(b"another picture" not in archive.read(name) for name in archive.namelist())


def test_an_archive_has_the_right_name(made, capsys, tmp_path):
    code, answer = ask(capsys, "history", "export", "-o", tmp_path / "all.png")
    assert (code, answer["error"]["reason"]) == (2, "output_suffix")
    assert not list(tmp_path.glob("all.*"))


def test_an_archive_that_fails_leaves_nothing(made, capsys, tmp_path, monkeypatch):
    def broken(history, output):
        output.write_bytes(b"half")
        raise OSError("gone")

    monkeypatch.setattr("outfitswap_desktop.keeping.write_archive", broken)
    assert run(["history", "export", "-o", str(tmp_path / "new" / "all.zip")]) != 0
    assert not (tmp_path / "new").exists()


# --- erasing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "yes", "ERASE", "erase-2", "ERASE-3", " ERASE-2"])
def test_another_word_erases_nothing(made, capsys, own_home, typed):
    before = len(everything_kept(own_home))
    code, answer = ask(capsys, "history", "erase", "--confirm", typed)
    assert (code, answer["error"]["reason"]) == (2, "not_confirmed")
    assert len(ask(capsys, "history", "list")[1]["entries"]) == 2
    assert len(everything_kept(own_home)) >= before


def test_it_lists_first(made, capsys):
    assert run(["history", "erase"]) == 2
    said = capsys.readouterr().err
    assert "2 entries" in said
    assert all(words in said for words in WORDS)
    assert "ERASE-2" in said


def test_everything_is_gone_from_every_file(made, capsys, own_home):
    """Words, paths and the bytes of thumbnails: not in the database, nor in its log, nor beside it."""
    with wiring.open_history() as history:
        thumbnails = [history.thumbnail(answer["entry_id"]) for answer in made]
    assert all(thumbnails)
    assert any(words.encode() in everything_kept(own_home) for words in WORDS)
    code, receipt = ask(capsys, "history", "erase", "--confirm", "ERASE-2")
    assert code == 0
    assert (receipt["entries"], receipt["files"]) == (2, 0)
    kept = everything_kept(own_home)
    assert not [words for words in WORDS if words.encode() in kept]
    assert not [answer for answer in made if answer["output"].encode() in kept]
    assert not [one for one in thumbnails if one[100:200] in kept]
    assert ask(capsys, "history", "list")[1]["entries"] == []
    assert all(Path(answer["output"]).is_file() for answer in made), "results stay without --files"
    assert receipt["consents"] == 2


def test_a_second_run_finds_nothing_to_do(made, capsys):
    assert ask(capsys, "history", "erase", "--confirm", "ERASE-2")[0] == 0
    code, receipt = ask(capsys, "history", "erase", "--confirm", "ERASE-0")
    assert code == 0
    assert (receipt["entries"], receipt["thumbnails"], receipt["files"], receipt["consents"]) == (0, 0, 0, 0)


def test_with_files_only_what_is_still_ours_goes(made, capsys):
    first, second = (Path(answer["output"]) for answer in made)
    first.write_bytes(b"mine now")
    code, receipt = ask(capsys, "history", "erase", "--files", "--confirm", "ERASE-2")
    assert code == 0
    assert first.read_bytes() == b"mine now"
    assert not second.exists()
    assert receipt["files"] == 5


def test_some_entries_alone(made, capsys, own_home):
    one = made[0]["entry_id"]
    code, receipt = ask(capsys, "history", "erase", "--entries", one, "--confirm", "ERASE-1")
    assert (code, receipt["entries"]) == (0, 1)
    assert "consents" not in receipt
    left = ask(capsys, "history", "list")[1]["entries"]
    assert [entry["id"] for entry in left] == [made[1]["entry_id"]]
    kept = everything_kept(own_home)
    assert WORDS[0].encode() not in kept
    assert WORDS[1].encode() in kept


@pytest.mark.parametrize(("options", "reason"), [
    (("--entries", "99"), "no_such_entry"),
    (("--entries", "x"), "bad_entries"),
    (("--entries", "1", "--everything"), "usage"),
])  # fmt: skip
def test_what_is_not_there_cannot_be_erased(made, capsys, options, reason):
    code, answer = ask(capsys, "history", "erase", *options, "--confirm", "ERASE-1")
    assert (code, answer["error"]["reason"]) == (2, reason)
    assert len(ask(capsys, "history", "list")[1]["entries"]) == 2


def test_everything_takes_the_records_and_then_a_result_has_no_root(made, capsys, own_home, tmp_path):
    code, receipt = ask(capsys, "history", "erase", "--everything", "--confirm", "ERASE-2")
    assert code == 0
    assert receipt["records"]
    kept = everything_kept(own_home)
    assert not [words for words in WORDS if words.encode() in kept]
    code, answer = ask(capsys, "swap", made[0]["output"], "-p", "navy shirt", "-o", tmp_path / "again.png", *AGREED)
    assert (code, answer["error"]["reason"]) == (3, "root_unknown")


def test_the_programs_own_folder_of_results_goes_along(made, capsys, tmp_path):
    folder = paths.results_dir()
    (folder / "left.txt").write_text("left over")
    assert ask(capsys, "history", "erase", "--files", "--confirm", "ERASE-2")[1]["results_folder"] == 1
    assert not folder.exists()


def test_what_was_made_from_photos_and_kept_goes_along(made, capsys, own_home):
    kept = own_home / "cache" / "embeddings" / "a.npz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"x")
    assert ask(capsys, "history", "erase", "--confirm", "ERASE-2")[1]["cache"] == 1
    assert not kept.exists()


def test_a_results_folder_that_is_a_link_is_left_alone(made, capsys, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    folder = paths.data_dir() / "results"
    folder.symlink_to(elsewhere, target_is_directory=True)
    assert ask(capsys, "history", "erase", "--files", "--confirm", "ERASE-2")[1]["results_folder"] == 0
    assert (elsewhere / "mine.txt").read_text() == "mine"
