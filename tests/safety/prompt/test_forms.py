"""The readings of a text: what each disguise leaves, and the way back to what was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitswap_desktop.safety.prompt import glyphs
from outfitswap_desktop.safety.prompt.forms import PLAIN, fold, forms, plain_form


def texts(line: str) -> dict[str, str]:
    return {form.text.strip(): form.name for form in reversed(forms(line))}


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Navy WOOL, Coat!", "navy wooi coat"),
        ("çà́ñøđłıßæ", "canodiissae"),
        ("ｎａｖｙ", "navy"),
        ("𝓷𝓪𝓿𝔂 Ⓝⓐⓥⓨ", "navy navy"),
        ("🅽🅰🆅🆈 🇳🇦🇻🇾", "navy navy"),
        ("ɴᴀᴠʏ", "navy"),
        ("n\u200ba\u00adv\u2060y\ufe0f", "navy"),
        ("n\x00avy\tcoat\n", "navy coat"),
        ("пальто", fold("ПАЛЬТО")),
        ("пaльтo", fold("пальто")),
        ("мир", fold("mиp")),
        ("ΠΑΛΤΌ", fold("παλτό")),
        ("ذَهَبِيّ", fold("ذهبي")),
        ("أحمر ة ى ک", fold("احمر ه ي ك")),
        ("לָבָן", fold("לבן")),
        ("नीला ज़", "नीला ज"),
        ("เเดง", fold("แดง")),
        ("パ ﾊﾟ ぱ", "ぱ ぱ ぱ"),
        ("金金 red金", "金金 red 金"),
        ("레드", "레드"),
        ("\u1105\u1166\u1103\u1173", "레드"),
        ("٣٤ ३४", "34 34"),
        ("👙", "👙"),
        ("a\ue000b", "a b"),
        ("", ""),
        ("!?", ""),
    ],
)
def test_folding(typed: str, folded: str) -> None:
    assert fold(typed) == folded


@pytest.mark.parametrize(
    ("typed", "read", "name"),
    [
        ("n4vy", "navy", "leet"),
        ("$ilk", "siik", "leet"),
        ("6rown", "brown", "leet signs"),
        ("|\\|avy", "navy", "leet signs"),
        ("na1vy", "navy", "digits dropped"),
        ("n*vy", f"n{glyphs.STAR}vy", "starred"),
        ("ƃǝɹ", "reg", "upside down"),
        ("yvan taoc", "coat navy", "reversed"),
        ("yvan taoc", "navy coat", "reversed words"),
        ("ΝAVY", "navy", "capitals"),
        ("шool", "wooi", "mixed scripts"),
        ("vvool", "wooi", "letter pairs"),
        ("cornb", "comb", "letter pairs"),
        ("nxaxvxy", "navy", "interleaved"),
        ("n.a.v.y c_o_a_t", "navy coat", "separators dropped"),
        ("n a v y   c o a t", "navy coat", "separators dropped"),
        ("&#110;avy", "navy", "decoded"),
        ("%6eavy", "navy", "decoded"),
        ("\\u006eavy \\x63oat", "navy coat", "decoded"),
        ("ㄱㅏㅇ", "강", "jamo"),
        ("ㄱㅏㅇㅏ", "가아", "jamo"),
        ("g0лд".replace("g", "г"), fold("голд"), "leet"),
        ("नीला"[::-1], "नीला", "reversed"),
    ],
)
def test_disguises(typed: str, read: str, name: str) -> None:
    assert texts(typed)[read] == name


@pytest.mark.parametrize("typed", ["size 15", "wow!", "1940 1950", "a + b"])
def test_a_digit_or_sign_alone_stays_what_it_is(typed: str) -> None:
    assert not any(form.name == "leet" for form in forms(typed))


def test_a_short_word_has_no_filler() -> None:
    assert "interleaved" not in {form.name for form in forms("banana")}
    assert texts("axaxaxa")["aaaa"] == "interleaved"


def test_the_plain_form_comes_first_and_no_two_are_alike() -> None:
    found = forms("n4vy & W00L, кот 雨")
    assert found[0].name == PLAIN
    assert found[0] == plain_form("n4vy & W00L, кот 雨")
    assert len({form.text for form in found}) == len(found)


@given(st.text(max_size=60))
def test_every_character_knows_where_it_came_from(text: str) -> None:
    for form in forms(text):
        assert form.text.startswith(" ")
        assert form.text.endswith(" ")
        assert "  " not in form.text
        assert len(form.text) == len(form.starts) == len(form.ends)
        assert all(0 <= start <= end <= len(text) for start, end in zip(form.starts, form.ends, strict=True))


def test_the_way_back() -> None:
    typed = "a n\u0301avy-blue coat"
    form = plain_form(typed)
    at = form.text.index("navy")
    start, end = form.original(at, at + 4)
    assert typed[start:end] == "n\u0301avy"
    backwards = next(form for form in forms("yvan") if form.name == "reversed")
    assert backwards.original(1, 3) == (2, 4)


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_syllables() -> None:
    assert glyphs.syllable("ᄀ", "ᅡ") == "가"
    assert glyphs.syllable("가", "ᆼ") is None
    assert glyphs.syllable("가", "ᄋ") == "강"
    assert glyphs.syllable("가", "ᄄ") is None
    assert glyphs.syllable("강", "ᄋ") is None
    assert glyphs.syllable("a", "b") is None
    assert glyphs.moved_syllable("강", "ᅡ") == ("가", "아")
    assert glyphs.moved_syllable("가", "ᅡ") is None
    assert glyphs.moved_syllable("강", "ᄋ") is None
    assert glyphs.moved_syllable("a", "ᅡ") is None
