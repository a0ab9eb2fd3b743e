"""Commands that look and judge: the right answer, the right exit code, and nothing is changed."""

import io
import json
import sqlite3

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.cli import run
from tests.test_keeping import made  # noqa: F401

GOOD, BAD = "navy pinstripe linen shirt", "naked lady"


def ask(capsys, *arguments):
    code = run([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


# --- prompt check ---------------------------------------------------------------------------------------------------------


def test_a_good_prompt(capsys):
    assert ask(capsys, "prompt", "check", GOOD) == (
        0,
        [{"prompt": GOOD, "allowed": True, "category": "", "word": "", "suggestions": []}],
    )


def test_a_bad_prompt(capsys):
    code, (answer,) = ask(capsys, "prompt", "check", BAD)
    assert code == 3
    assert (answer["allowed"], answer["category"]) == (False, "nudity")
    assert answer["word"]


def test_a_word_that_is_not_known_gets_suggestions(capsys):
    code, (answer,) = ask(capsys, "prompt", "check", "navy linnen shirt")
    assert (code, answer["category"]) == (3, "unknown_word")
    assert "linen" in answer["suggestions"]


def test_a_file_of_lines(capsys, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{GOOD}\n\n  {BAD}  \nred tartan kilt\n", encoding="utf-8")
    code, answers = ask(capsys, "prompt", "check", "--file", lines)
    assert code == 3
    assert [answer["allowed"] for answer in answers] == [True, False, True]
    assert [answer["prompt"] for answer in answers] == [GOOD, BAD, "red tartan kilt"]
    lines.write_text(f"{GOOD}\n")
    assert ask(capsys, "prompt", "check", "--file", lines)[0] == 0


def test_lines_from_stdin(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{BAD}\n{GOOD}\n"))
    code, answers = ask(capsys, "prompt", "check", "--file", "-")
    assert code == 3
    assert [answer["allowed"] for answer in answers] == [False, True]


def test_words_for_people(capsys):
    assert run(["prompt", "check", BAD]) == 3
    said = capsys.readouterr().out
    assert said.startswith(f"refused  {BAD}")
    assert "Refused" in said
    assert run(["prompt", "check", GOOD]) == 0
    assert capsys.readouterr().out == f"allowed  {GOOD}\n"


@pytest.mark.parametrize(("arguments", "code"), [
    (("prompt", "check"), 2),
    (("prompt", "check", GOOD, "--file", "-"), 2),
    (("prompt", "check", "--file", "missing.txt"), 3),
])  # fmt: skip
def test_one_of_both_is_needed(capsys, arguments, code):
    assert ask(capsys, *arguments)[0] == code


def test_an_empty_file(capsys, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    code, answer = ask(capsys, "prompt", "check", "--file", tmp_path / "empty.txt")
    assert (code, answer["error"]["reason"]) == (3, "empty")


# --- verify ---------------------------------------------------------------------------------------------------------------


def test_verify_of_a_result_and_of_a_photo(capsys, tmp_path, made):  # noqa: F811
    code, said = ask(capsys, "verify", made[0]["output"])
    assert code == 0
    assert said["xmp"]["valid"]
    assert said["c2pa"]["valid"]
    assert said["c2pa"]["this_install"] is True
    assert said["mark"]["present"] is False, "the mask is too small for one"
    code, said = ask(capsys, "verify", tmp_path / "me0.png")
    assert code == 0
    assert not any(one["present"] for one in said.values())
    assert run(["verify", made[0]["output"]]) == 0
    shown = capsys.readouterr().out
    assert "xmp    valid" in shown
    assert "mark   not there" in shown


def test_verify_of_what_is_no_picture(capsys, tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    for name in ("x.png", "missing.png"):
        code, answer = ask(capsys, "verify", tmp_path / name)
        assert (code, answer["error"]["kind"]) == (3, "input_refused")


def test_verify_of_a_result_that_was_painted_over(capsys, tmp_path, made):  # noqa: F811
    path = tmp_path / "made" / "o0.png"
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") + 40
    content[at] ^= 1
    path.write_bytes(bytes(content))
    code, said = ask(capsys, "verify", path)
    assert code == 3 or not said["c2pa"]["valid"]


# --- audit verify ---------------------------------------------------------------------------------------------------------


def test_audit_verify(capsys, made, own_home):  # noqa: F811
    code, said = ask(capsys, "audit", "verify")
    assert code == 0, said
    assert run(["audit", "verify"]) == 0
    assert capsys.readouterr().out.strip()
    with sqlite3.connect(next((own_home / "safety").glob("*.db"))) as log:
        log.execute("DELETE FROM log WHERE seq = 2")
    code, said = ask(capsys, "audit", "verify")
    assert code == 3
    assert run(["audit", "verify"]) == 3


def test_audit_verify_of_a_new_machine(capsys):
    assert ask(capsys, "audit", "verify")[0] == 0


def test_nothing_is_changed_by_looking(capsys, made, own_home, tmp_path):  # noqa: F811
    before = {path: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    ask(capsys, "verify", made[0]["output"])
    ask(capsys, "prompt", "check", BAD)
    assert before == {path: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    assert np.asarray(Image.open(made[0]["output"])).shape == (96, 128, 3)
