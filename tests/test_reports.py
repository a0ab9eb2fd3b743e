"""The text of a report or notice: filled in with numbers, none of it with words or names, and nothing is sent."""

import json
import re

import pytest

from outfitswap_desktop import __version__
from outfitswap_desktop.cli import run
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.reports import TEXTS, make_report
from tests.test_keeping import WORDS, made  # noqa: F401


@pytest.mark.parametrize("kind", TEXTS)
def test_a_report_without_an_entry(kind):
    document = make_report(kind, entry=None)
    assert document["kind"] == kind
    assert f"OutfitSwap Desktop {__version__}" in document["text"] or kind == "dmca"
    assert "[" in document["text"], "blanks for what only the user knows"
    assert not re.search(r"(?<!\{)\{\w+\}", document["text"]), "every field is filled in"


@pytest.mark.parametrize("kind", TEXTS)
def test_a_report_of_an_entry_has_its_hashes_and_no_words(kind, made, tmp_path, capsys):  # noqa: F811
    number = made[0]["entry_id"]
    text = make_report(kind, entry=number)["text"]
    assert not [words for words in (*WORDS, str(tmp_path), "me0", "o0.png") if words in text]
    shown = json.loads((tmp_path / "made" / "o0.receipt.json").read_text())
    assert shown["output"]["sha256"] in text or shown["safety"]["root_sha256"] in text


def test_what_is_not_there_is_said():
    with pytest.raises(UsageProblem) as caught:
        make_report("invoice", entry=None)
    assert caught.value.reason == "unknown_report"
    with pytest.raises(UsageProblem) as caught:
        make_report("problem", entry=77)
    assert caught.value.reason == "no_such_entry"


def test_the_command(capsys):
    assert run(["report"]) == 0
    said = capsys.readouterr()
    assert said.out.strip()
    assert "nothing was sent" in said.err
    assert run(["report", "--kind", "dmca", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "dmca"
    assert run(["report", "--kind", "no"]) == 2
    assert run(["report", "--entry", "5"]) == 2
