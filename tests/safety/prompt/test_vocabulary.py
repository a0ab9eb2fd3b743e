"""The closed vocabulary: what is in it and what never, forms by rule, phrases, numbers, odd characters, broken files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from outfitswap_desktop.core.zones import TARGETS
from outfitswap_desktop.embedded.fabric import lexicon
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import tokens, vocabulary, wordbook
from outfitswap_desktop.safety.prompt.answer import DENIED
from outfitswap_desktop.safety.prompt.phrases import END, MOST_BETWEEN, Phrase, Phrasebook, Slot

NEVER = (
    "nude", "naked", "undress", "strip", "stripped", "striptease", "remove", "erase", "delete", "reveal",
    "revealing", "show", "shows", "bare", "barely", "only", "just", "nothing", "without", "skin", "body", "through",
    "underneath", "beneath", "bra", "bras", "panties", "thong", "lingerie", "bikini", "swimsuit", "swimwear",
    "underwear", "knickers", "boxers", "briefs", "sheer", "transparent", "translucent", "see-through", "wet",
    "soaked", "drenched", "young", "younger", "child", "kid", "kids", "girl", "girls", "boy", "boys", "teen",
    "teenager", "baby", "toddler", "schoolgirl", "schoolboy", "age", "aged", "year", "years", "sexy", "seductive",
    "erotic", "porn", "breast", "breasts", "nipple", "butt", "bum", "ass", "thigh", "thighs", "belly", "navel",
    "cleavage", "topless", "bottomless", "crotch", "groin", "skimpy", "scanty", "blood", "gun", "knife", "slave",
    "leash", "gag", "whip", "harness", "off", "open", "out", "let", "see", "take", "lift", "pull", "drop", "bed",
    "bath", "shower", "towel", "sauna", "nightie", "negligee", "less", "least", "fewer", "scant", "minimum",
    "little", "hot", "hide", "hidden", "uncovered", "expose", "exposed", "unbutton", "unzip", "peel", "shed",
)  # fmt: skip
"""Words that are in the vocabulary in company only, or not at all."""

NOT_FOR_A_PROMPT = {
    *("bikini", "boy", "boys", "bra", "briefs", "girl", "girls", "kids", "lingerie", "sexy", "swimsuit", "underwear"),
    *("see through", "sheer", "translucent", "show", "let", "just", "only", "er", "s", "man s"),
}
"""Words of the fabric engine that are denied, that show or let see, or that are no words."""

IN_COMPANY = {
    "covered in": "covered in sequins", "covered with": "covered with embroidery", "destroyed": "destroyed denim",
    "everywhere": "flowers everywhere", "except": "black except for the collar", "fading": "fading from pink to orange",
    "give": "give her a red dress", "holes": "jeans with holes at the knees", "with holes": "jeans with holes in the knees",
    "hot": "hot pink", "little": "little black dress", "micro": "micro check", "minus": "minus the belt",
    "minuscule": "minuscule dots", "mostly": "mostly blue", "no": "no pattern", "not": "not too shiny", "nude": "nude heels",
    "paint": "paint the dress red", "ripped": "ripped jeans", "sweat": "sweat pants", "thin looking": "thin stripes",
    "torn": "torn jeans", "transparent": "transparent raincoat", "unbuttoned": "unbuttoned over a shirt",
    "wet look": "wet-look vinyl", "without": "without sleeves", "n": "black n white",
}  # fmt: skip
"""Words of the fabric engine that are known in the company of other words."""


def test_it_is_large_enough_and_says_how_large() -> None:
    assert vocabulary.size() == len(wordbook.words().listed)
    assert len([word for word in wordbook.words().listed if word in wordbook.words().themes]) >= 7_000


@pytest.mark.parametrize("word", NEVER)
def test_what_is_never_in_it_by_itself(word: str) -> None:
    reading = vocabulary.read(word)
    assert reading.unknown or reading.refused, word


def test_no_denied_word_is_listed_alone() -> None:
    listed = {word for word in wordbook.words().listed if word in wordbook.words().themes}
    refused = {phrase.written for phrases in wordbook.words().refused.by_word.values() for phrase in phrases}
    assert listed & set(NEVER) == set()
    assert listed & refused == set()


def engine_phrases() -> set[str]:
    words = lexicon.table("words")
    phrases = {meaning.phrase for meaning in lexicon.vocabulary().values()}
    for section in ("weak", "generic", "embellished", "filler", "elsewhere", "parts"):
        phrases |= set(words[section]["words"])
    return phrases | {noun for target in TARGETS for noun in target.words}


def test_every_word_of_the_fabric_engine_is_known() -> None:
    missing = {
        phrase
        for phrase in engine_phrases() - NOT_FOR_A_PROMPT - IN_COMPANY.keys()
        if (reading := vocabulary.read(phrase)).unknown or reading.refused
    }
    assert missing == set()


@pytest.mark.parametrize("example", IN_COMPANY.values())
def test_the_rest_of_them_is_known_in_company(example: str) -> None:
    assert vocabulary.unknown(example) == ()
    assert vocabulary.read(example).refused == ()


@pytest.mark.parametrize(
    "text",
    [
        "blouses", "dresses", "berries", "scarves", "waistcoats", "pea coats",
        "tailor's", "workers’ shirts", "bride’s",
        "embroidered", "embroidering", "trimmed", "trimming", "dyed", "dyeing", "quilts", "bordered", "fitted", "wove",
        "bluish", "orange-ish", "orangeish", "reddish", "greenish", "blueish", "olive-ish", "purpleish", "mauveish", "tannish",
        "silklike", "velvet-like", "Gatsby-esque", "leatherlike", "statuesque",
        "Crêpe", "APPLIQUÉ", "café au lait", "Bouclé", "broderie anglaise", "piña", "cafe\u0301 au lait",
        "navy–white", "navy — white", "“vintage” coat", "rock 'n' roll", "R&B", "red/white", "black + white", "a coat (long)",
        "#1f6f54", "#ABC", "1970s", "'70s", "1920's", "80s", "1985", "18th century", "100% wool", "35mm", "2 1/2 inch", "14oz",
        "1.5 cm", "six buttons", "six big gold buttons", "12 buttons", "size 12", "sizes 8", "two tone", "three-piece suit",
        "54", "501", "y2k", "8k", "navy\u00a0linen", "navy,linen;wool:silk.",
    ],
)  # fmt: skip
def test_known_forms(text: str) -> None:
    assert vocabulary.unknown(text) == ()


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a zorbing coat", ("zorbing",)),
        ("Xylophonic", ("Xylophonic",)),
        ("n u d e", ("n", "u", "d", "e")),
        ("nud3 coat", ("nud3",)),
        ("she is 16", ("16",)),
        ("16", ("16",)),
        ("19 in a dress", ("19",)),
        ("20", ()),
        ("she is nine in a red dress", ("nine",)),
        ("nine, red dress", ("nine",)),
        ("ten of the red buttons", ("ten",)),
        ("12th", ("12th",)),
        ("21st", ()),
        ("16yo", ("16yo",)),
        ("3000", ()),
        ("three very very very red coats", ("three",)),
        ("coat 👙", ("👙",)),
        ("coat_dress", ("_",)),
        ("coat @ home", ("@",)),
        ("платье", ("платье",)),
        ("красное dress", ("красное",)),
        ("赤いドレス", ("赤いドレス",)),
        ("na\u200bvy", ("na", "\u200b", "vy")),
        ("n\u0336avy", ("n", "\u0336", "avy")),
        ("two", ("two",)),
        ("#12 coat", ("#",)),
        ("#12345 coat", ("#",)),
        ("off", ("off",)),
        ("off-white", ()),
        ("off, white", ("off",)),
        ("xxxlike", ("xxxlike",)),
        ("withlike", ("withlike",)),
        ("velvetish", ("velvetish",)),
        ("zzz's", ("zzz's",)),
        ("without qwerty sleeves", ("without", "qwerty")),
        ("without big white buttons", ()),
        ("without big, white buttons", ("without",)),
        ("covered in tiny silver stars", ()),
    ],
)
def test_unknown_words_as_typed(text: str, unknown: tuple[str, ...]) -> None:
    assert vocabulary.unknown(text) == unknown


def test_a_year_is_an_era_and_a_number_is_none() -> None:
    assert vocabulary.read("1000").themes == (frozenset({"eras"}),)
    assert vocabulary.read("2099").themes == (frozenset({"eras"}),)
    assert vocabulary.read("2100").themes == (frozenset({"numbers"}),)
    assert vocabulary.read("999").themes == (frozenset({"numbers"}),)
    assert vocabulary.read("40%").themes == (frozenset({"units"}),)
    assert vocabulary.read("#ABC").themes == (frozenset({"colours"}),)


def test_a_phrase_of_the_vocabulary_outranks_a_shorter_refusal_only() -> None:
    assert vocabulary.read("orange peel").refused == ()
    assert vocabulary.read("minimal design").refused == ()
    assert vocabulary.read("minimal clothing").refused != ()
    assert [each.category for each in vocabulary.read("peel").refused] == ["undressing"]
    assert [each.category for each in vocabulary.read("in the rain").refused] == ["wet"]
    assert [each.category for each in vocabulary.read("a birthday suit").refused] == ["nudity"]
    (refusal,) = vocabulary.read("a Birthday-Suit").refused
    assert [token.typed for token in refusal.tokens] == ["Birthday", "Suit"]


def test_the_end_of_a_clause_counts() -> None:
    assert vocabulary.read("a coat made of light").refused
    assert vocabulary.read("a coat made of light, long").refused
    assert not vocabulary.read("a coat made of light blue wool").refused


def test_near_words() -> None:
    assert vocabulary.nearest("velvit")[0] == "velvet"
    assert vocabulary.nearest("Houndstuth")[0] == "houndstooth"
    assert len(vocabulary.nearest("pinstrype")) == vocabulary.MOST_SUGGESTED == 3
    assert vocabulary.nearest("qzxqzx") == ()
    assert vocabulary.nearest("") == ()
    assert set(vocabulary.nearest("nakd")).isdisjoint(NEVER)


def test_the_company_of_a_word() -> None:
    assert vocabulary.company("hot")[0] == "hot day"
    assert vocabulary.company("Off") == ("one off", "one-off", "set off")
    assert vocabulary.company("coat") == ()
    assert vocabulary.company("zzz") == ()
    assert all(len(vocabulary.company(word)) <= 3 for word in ("off", "out", "up", "down"))


def test_it_is_loaded_once() -> None:
    assert wordbook.words() is wordbook.words()


# --- the files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the vocabulary's files that is read instead."""
    folder = tmp_path / wordbook.FOLDER
    shutil.copytree(resources_dir() / wordbook.FOLDER, folder)
    monkeypatch.setattr(wordbook, "resources_dir", lambda: tmp_path)
    wordbook.words.cache_clear()
    yield folder
    wordbook.words.cache_clear()


def broken(resources: Path) -> str:
    with pytest.raises(NotAvailable) as refusal:
        wordbook.words()
    assert refusal.value.reason == "policy_broken"
    return str(refusal.value)


def test_a_copy_reads_the_same(resources: Path) -> None:
    assert len(wordbook.words().listed) > 9_000
    assert {path.stem for path in resources.iterdir()} >= {"garments", "refused", "making"}


@pytest.mark.parametrize("name", ["garments", "refused", "making", "light"])
def test_a_missing_file_is_no_vocabulary(resources: Path, name: str) -> None:
    (resources / f"{name}.txt").unlink()
    assert name in broken(resources)


def test_no_folder_is_no_vocabulary(resources: Path) -> None:
    shutil.rmtree(resources)
    assert "missing" in broken(resources)


def test_an_empty_file_is_no_vocabulary(resources: Path) -> None:
    (resources / "looks.txt").write_text("# nothing\n , ,\n", encoding="utf-8")
    assert "looks is empty" in broken(resources)


def test_bytes_that_are_no_text_are_no_vocabulary(resources: Path) -> None:
    (resources / "looks.txt").write_bytes(b"\xff\xfe\xff")
    assert "cannot be read" in broken(resources)


@pytest.mark.parametrize("line", ["peel, shed", "gardening: peel", ": peel"])
def test_a_refusal_without_a_category_is_no_vocabulary(resources: Path, line: str) -> None:
    (resources / "refused.txt").write_text(line + "\n", encoding="utf-8")
    assert "category" in broken(resources)


def test_comments_and_blank_lines_of_the_refusals(resources: Path) -> None:
    (resources / "refused.txt").write_text("# why\n\nwet: a zorb, zorbs\n", encoding="utf-8")
    assert [each.category for each in vocabulary.read("zorbs").refused] == ["wet"]
    assert not vocabulary.read("peel").refused


@pytest.mark.parametrize("entry", ["* coat", "!!!"])
def test_an_entry_needs_a_first_word(resources: Path, entry: str) -> None:
    (resources / "looks.txt").write_text(entry, encoding="utf-8")
    assert "no first word" in broken(resources)


def test_a_phrase_may_begin_with_a_slot_and_end_with_one(resources: Path) -> None:
    (resources / "patterns.txt").write_text("print, {colour} zorb, zorbed {colour|qux}", encoding="utf-8")
    assert vocabulary.unknown("red zorb") == ()
    assert vocabulary.unknown("red zorbs") == ()
    assert vocabulary.unknown("big zorb") == ("zorb",)
    assert vocabulary.unknown("zorbed red") == ()
    assert vocabulary.unknown("zorbed qux") == ()
    assert vocabulary.unknown("zorbed quxs") == ("zorbed", "quxs")
    assert vocabulary.unknown("zorbed") == ("zorbed",)


def test_the_refusals_name_denied_categories_and_none_is_a_garment_people_wear() -> None:
    refusals = list(wordbook.refusals((resources_dir() / wordbook.FOLDER / "refused.txt").read_text(encoding="utf-8")))
    assert len(refusals) > 300
    assert {category for category, _ in refusals} <= DENIED.keys()


# --- tokens and phrases --------------------------------------------------------------------------------------------------


def test_tokens_keep_their_place_and_know_where_a_clause_ends() -> None:
    row = tokens.split("Navy, “Crêpe” 12-button #ABC ☃")
    assert [(t.typed, t.plain, t.kind, t.fresh) for t in row] == [
        ("Navy", "navy", "word", False),
        ("Crêpe", "crepe", "word", True),
        ("12", "12", "number", False),
        ("button", "button", "word", False),
        ("#ABC", "#abc", "hex", False),
        ("☃", "☃", "odd", False),
    ]
    assert [(t.start, t.end) for t in row[:2]] == [(0, 4), (7, 12)]
    assert [t.fresh for t in tokens.split("a & b / c + d ; e")] == [False, False, False, False, True]
    assert tokens.split("") == ()


@pytest.mark.parametrize(
    ("word", "plain"),
    [("Crêpe", "crepe"), ("Æra", "aera"), ("smørrebrød", "smorrebrod"), ("naïve", "naive"), ("ñ", "n"), ("д", "д"),
     ("workers’", "workers'"), ("straße", "strasse"), ("cœur", "coeur"), ("NAVY", "navy")],
)  # fmt: skip
def test_fold(word: str, plain: str) -> None:
    assert tokens.fold(word) == plain


def matches(slots: tuple[Slot, ...], words: str) -> list[tuple[int, int, tuple[int, ...]]]:
    book = Phrasebook()
    book.add(Phrase("written", slots, "meaning"))
    row = words.split()
    found = book.matches(row, lambda at, theme: theme == "colour" and row[at] in ("red", "blue"))
    return [(match.start, match.end, match.literal) for match in found]


def word(*choices: str) -> Slot:
    return Slot(frozenset(choices))


def test_phrases_match_words_themes_and_gaps() -> None:
    colour, gap = Slot(themes=frozenset({"colour"})), Slot(open=True)
    assert matches((word("a"), word("b", "c")), "x a c a b a") == [(1, 3, (1, 2)), (3, 5, (3, 4))]
    assert matches((word("a"), colour), "a red a green") == [(0, 2, (0,))]
    assert matches((colour, word("a")), "blue a") == [(0, 2, (1,))]
    assert matches((Slot(frozenset({"z"}), frozenset({"colour"})), word("a")), "z a red a") == [
        (0, 2, (0, 1)),
        (2, 4, (3,)),
    ]
    assert matches((word("a"), gap, word("b")), "a b") == [(0, 2, (0, 1))]
    assert matches((word("a"), gap, word("b")), f"a {'x ' * MOST_BETWEEN}b") == [(0, 5, (0, 4))]
    assert matches((word("a"), gap, word("b")), f"a {'x ' * (MOST_BETWEEN + 1)}b") == []
    assert matches((word("a"), gap, word("b")), f"a x {END} b") == []
    assert matches((word("a"), gap, word(END)), f"a x {END}") == [(0, 3, (0, 2))]
    assert matches((word("a"), gap, word("b")), "a x") == []
    assert matches((word("a"), word("b")), "a") == []
