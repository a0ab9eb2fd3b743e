"""What the deny lists' files are read into: names in names, keys of short foreign words, entries of which nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.prompt import glyphs, lists
from outfitswap_desktop.safety.prompt.answer import DENIED

GOOD = "\n".join(f"[{category}]\nword{number}" for number, category in enumerate(DENIED))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own resources folder with a small list in it."""
    monkeypatch.setattr(lists, "resources_dir", lambda: tmp_path)
    made = tmp_path / lists.FOLDER
    made.mkdir(parents=True)
    (made / "en.txt").write_text(GOOD, encoding="utf-8")
    return made


def keys(phrase: str, language: str = "de") -> list[tuple[str, bool, bool]]:
    return list(lists._made_keys(phrase, language))


def test_a_name_may_be_used_in_the_next(folder: Path) -> None:
    (folder / "de.txt").write_text("[=x]\na b, c\n[=y]\n$x, d\n[nudity]\n$y e\n", encoding="utf-8")
    assert {"a b e", "c e", "d e"} <= {key.text for key in lists.read().keys.values()}


def test_a_file_of_comments_alone_says_nothing(folder: Path) -> None:
    (folder / "de.txt").write_text("# nothing yet\n\n", encoding="utf-8")
    assert len(lists.read().terms) == len(DENIED)


def test_short_foreign_words_that_look_latin_are_no_keys() -> None:
    """They would be found in every other English word."""
    assert keys("ма", "ru") == []
    assert keys("сор", "ru") == [("cop", True, True)]
    assert keys("ma") == [("ma", True, True)]


def test_an_entry_of_which_nothing_is_left_is_an_error(folder: Path) -> None:
    """Not an entry that is passed over in silence: whoever wrote it meant it to be refused."""
    for language in ("de", "en"):
        (folder / f"{language}.txt").write_text(GOOD + "\n[nudity]\n…\n", encoding="utf-8")
        with pytest.raises(NotAvailable, match="cannot be used"):
            lists.read()


def test_a_letter_of_another_script_that_looks_like_a_stroke_is_itself() -> None:
    assert glyphs.lookalike("\u16c1") == "\u16c1"
    assert glyphs.lookalike("\u2d4f") == "l"
    assert glyphs.lookalike("ab") == "ab"


def test_numbers_in_a_phrase_are_signs_and_words_where_nothing_parts_them() -> None:
    number, small = lists.NUMBER, lists.SMALL_NUMBER
    assert number != small
    assert lists._with_numbers("old", ["ten"]) == ["old"]
    assert lists._with_numbers("{t} old", ["ten"]) == [f"{number} old"]
    assert lists._with_numbers("{n} old", ["ten"]) == [f"{number} old", f"{small} old"]
    assert lists._with_numbers("{n}岁", ["十"]) == [f"{number}岁", f"{small}岁", "十岁"]
    assert keys(f"{number} old") == [(f"{number} oid", True, True)]
    assert keys(f"{number} old*") == [(f"{number} oid", True, False)]
    assert keys(f"{number}岁") == [(f"{number} 岁", True, False)]


@pytest.mark.parametrize(("word", "language", "said"), [
    ("dress", "en", [("dress", True, True), ("dresses", True, True)]),
    ("kilt", "en", [("kiit", True, True), ("kiits", True, True)]),
    ("kilt*", "en", [("kiit", True, False)]),
    ("*kilt", "en", [("kiit", False, True), ("kiits", False, True)]),
    ("kilt", "de", [("kiit", True, True)]),
    ("box", "en", [("box", True, True), ("boxes", True, True)]),
    ("r18", "en", [("r18", True, True)]),
    ("裸体", "zh", [("裸体", False, False)]),
    ("알몸", "ko", [("알몸", False, False)]),
])  # fmt: skip
def test_the_keys_of_a_word(word: str, language: str, said: list[tuple[str, bool, bool]]) -> None:
    assert keys(word, language) == said
