"""Corners of the word policy: halves of a pair and the way between them, and the forms of words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from outfitswap_desktop.safety.prompt import apart, deny, forms, glyphs, policy, vocabulary, wordbook
from outfitswap_desktop.safety.prompt.lists import Key

OPEN, WHOLE = Key("a", "a", False, False, True), Key("a", "a", True, True, True)


def near(between: str, *, swaps: bool = False, key: Key = WHOLE, turned: bool = False) -> bool:
    text = f"one{between}two"
    one, other = deny._Half(0, 3, key), deny._Half(len(text) - 3, len(text), WHOLE)
    return deny._near(text, other, one, swaps) if turned else deny._near(text, one, other, swaps)


def test_halves_count_in_their_order_or_in_both() -> None:
    assert near(" ")
    assert not near(" ", turned=True)
    assert near(" ", turned=True, swaps=True)


def test_halves_that_overlap_are_no_pair() -> None:
    one, other = deny._Half(0, 3, WHOLE), deny._Half(2, 5, WHOLE)
    assert not deny._near("abcde", one, other, True)
    assert not deny._near("abcde", other, one, True)
    assert deny._near("abcde", one, deny._Half(3, 5, WHOLE), False)


def test_so_many_words_may_stand_between() -> None:
    assert near(" " + "x " * deny.GAP_WORDS)
    assert not near(" " + "x " * (deny.GAP_WORDS + 1))


def test_in_writing_without_spaces_letters_are_counted() -> None:
    assert near("x" * deny.GAP_LETTERS, key=OPEN)
    assert not near("x" * (deny.GAP_LETTERS + 1), key=OPEN)
    assert near("x" * (deny.GAP_LETTERS + 1), key=WHOLE)


@pytest.mark.parametrize(("key", "whole", "believed"), [
    (Key("abc", "", True, True, True), True, True), (Key("ab", "", True, True, True), True, False),
    (Key("abcd", "", True, True, False), True, True), (Key("abc", "", True, True, False), True, False),
    (Key("abcdef", "", False, True, True), False, True), (Key("abcde", "", False, True, True), False, False),
    (Key("abcde", "", True, False, True), False, False), (Key("abcde", "", True, False, True), True, True),
    (Key("abc", "", True, True, True), False, True), (Key("a b c", "", True, True, True), True, True),
    (Key("голая", "", False, False, False), False, True), (Key("ню", "", False, False, False), False, True),
    (Key("ю", "", False, False, False), False, False),
])  # fmt: skip
def test_what_may_be_read_backwards(key: Key, whole: bool, believed: bool) -> None:
    assert deny._believable_backwards(key, whole=whole) == believed


@pytest.mark.parametrize(("verb", "forms"), [
    ("dry", {"dries", "dried", "drying"}), ("ply", {"plies", "plied", "plying"}),
    ("stay", {"stays", "stayed", "staying"}), ("dye", {"dyes", "dyed", "dyeing"}),
    ("free", {"frees", "freed", "freeing"}), ("style", {"styles", "styled", "styling"}),
    ("hem", {"hems", "hemmed", "hemed", "hemming", "heming"}), ("sew", {"sews", "sewed", "sewing"}),
    ("pleat", {"pleats", "pleated", "pleating"}), ("stitch", {"stitches", "stitched", "stitching"}),
    ("knit", {"knits", "knitted", "knited", "knitting", "kniting"}), ("yoke", {"yokes", "yoked", "yoking"}),
])  # fmt: skip
def test_the_forms_of_verbs(verb: str, forms: set[str]) -> None:
    assert set(wordbook._forms(verb, wordbook.VERBS)) == forms


@pytest.mark.parametrize(("one", "more"), [
    ("berry", "berries"), ("tray", "trays"), ("dress", "dresses"), ("box", "boxes"), ("waltz", "waltzes"),
    ("patch", "patches"), ("sash", "sashes"), ("coat", "coats"), ("y", "ies"),
])  # fmt: skip
def test_plurals(one: str, more: str) -> None:
    assert wordbook._plural(one) == more
    assert list(wordbook._forms(one, "elsewhere")) == []
    assert list(wordbook._forms(one, sorted(wordbook.NOUNS)[0])) == [more]


@pytest.mark.parametrize(("words", "themes", "about"), [
    (["x"], policy.GENERIC | policy.OCCASIONS, True), ([sorted(policy.WEARING)[0]], policy.OCCASIONS, True),
    ([sorted(policy.ASKING)[0]], policy.OCCASIONS, True), (["x"], policy.OCCASIONS, False),
    (["x"], policy.GENERIC, False), (["x"], policy.GENERIC | policy.DESCRIPTIVE, True), (["x"], policy.DESCRIPTIVE, False),
    ([sorted(policy.WEARING)[0]], policy.DESCRIPTIVE, False), (["x"], policy.GARMENTS, True), (["x"], policy.DEPENDENTS, False),
    (["x"], policy.ACCESSORIES, False), (["x"], policy.ACCESSORIES | policy.MANNERS, True),
    (["x"], policy.ACCESSORIES | policy.CLOTHS, True), ([sorted(policy.WEARING)[0]], policy.ACCESSORIES | policy.CLOTHS, False),
])  # fmt: skip
def test_what_counts_as_asking_for_clothes(words: list[str], themes: frozenset[str], about: bool) -> None:
    reading = SimpleNamespace(tokens=[SimpleNamespace(plain=word) for word in words], themes=[themes, None])
    assert policy.about_clothes(reading) == about


@pytest.mark.parametrize(("letters", "long"), [
    ("", False), ("a", False), ("ab", False), ("abc", True), ("裸", False), ("裸体", True), ("ню", False), ("ню!", True),
])  # fmt: skip
def test_a_term_is_long_enough_to_be_put_together(letters: str, long: bool) -> None:
    assert apart.long_enough(letters) == long


@pytest.mark.parametrize(("text", "at", "does"), [
    ("n4ked", 1, True), ("15", 0, False), ("wow!", 3, False), ("b!tch", 1, True), ("x+-", 1, False), ("x+!b", 1, True),
    ("a@", 1, True), ("a@ b", 1, True), ("a! b", 1, False), ("a 4", 2, False),
])  # fmt: skip
def test_what_may_stand_for_a_letter(text: str, at: int, does: bool) -> None:
    assert forms._stands_for_letter(text, at, leet=glyphs.LEET) == does


def test_words_that_begin_so_are_offered_and_garments_come_first() -> None:
    found = vocabulary.beginning(" Sh ", limit=6)
    assert len(found) == 6
    assert all(word.startswith("sh") and not vocabulary.unknown(word) for word in found)
    assert vocabulary.beginning("shirt", limit=3)[0] == "shirt"
    assert vocabulary.beginning("sh", limit=2) == found[:2]
    assert vocabulary.beginning("  ", limit=6) == ()
    assert vocabulary.beginning("zzzz", limit=6) == ()
