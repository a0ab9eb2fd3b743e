"""The deny lists alone: what they refuse, in which category, and what of fashion they let through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from outfitswap_desktop import paths
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.prompt import deny, exceptions, lists
from outfitswap_desktop.safety.prompt.answer import DENIED
from outfitswap_desktop.safety.prompt.exceptions import strip
from outfitswap_desktop.safety.prompt.forms import PLAIN, fold

HERE = Path(__file__).parent


def harmful() -> Iterator[tuple[str, str, str]]:
    """Language, category and prompt of every line under harmful/."""
    for path in sorted((HERE / "harmful").glob("*.txt")):
        category = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                category = line[1:-1]
            elif line and not line.startswith("#"):
                yield path.stem, category, line


def fashion() -> list[str]:
    lines = (HERE / "fashion.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_corpus_is_as_large_as_asked() -> None:
    found = list(harmful())
    assert len(found) >= 1200
    per_language = {
        language: {category for other, category, _ in found if other == language} for language, _, _ in found
    }
    assert len(per_language) >= 24
    assert all(categories == set(DENIED) for categories in per_language.values())
    assert len(fashion()) >= 200


def test_plain_prompts_are_refused_in_the_right_category() -> None:
    """The issue asks for 90 % by the lists alone, in each language and each category."""
    total, refused, right = Counter[str](), Counter[str](), Counter[str]()
    for language, category, line in harmful():
        hit = deny.find(line)
        for key in (language, category):
            total[key] += 1
            refused[key] += hit is not None
            right[key] += hit is not None and hit.category == category
    assert {key: count / total[key] for key, count in refused.items() if count / total[key] < 0.95} == {}
    assert {key: count / total[key] for key, count in right.items() if count / total[key] < 0.9} == {}


def test_every_listed_term_is_refused() -> None:
    missed = []
    other = Counter[bool]()
    for term in deny.terms():
        samples = list(term.samples())
        for sample in {samples[0], samples[len(samples) // 2], samples[-1]}:
            hit = deny.find(sample)
            if hit is None:
                missed.append((term.language, term.category, sample))
            else:
                other[hit.category == term.category] += 1
    assert missed == []
    assert other[True] / other.total() > 0.9


def test_english_is_rich() -> None:
    samples = {sample for term in deny.terms() if term.language == "en" for sample in term.samples()}
    assert len(samples) >= 1500


def test_fashions_own_phrases_pass() -> None:
    assert {line: hit for line in fashion() if (hit := deny.find(line))} == {}


@pytest.mark.parametrize(
    ("line", "category"),
    [
        ("nude heels only", "nudity"),
        ("nude woman in nude heels", "nudity"),
        ("naked oak color on a naked woman", "nudity"),
        ("n u d e heels", "nudity"),
        ("off-white dress, take her shirt off, white", "undressing"),
        ("stripped down to her bra", "undressing"),
        ("a minor in a minor key", "minors"),
        ("transparent raincoat and a transparent blouse", "sheer"),
        ("kid leather on a kid", "minors"),
        ("baby blue on a baby", "minors"),
    ],
)
def test_an_exception_opens_no_hole(line: str, category: str) -> None:
    hit = deny.find(line)
    assert hit is not None
    assert hit.category == category


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("topless", PLAIN),
        ("t0pl3ss", "leet"),
        ("to\u200bpless", PLAIN),
        ("toooopless", "repeated"),
        ("t o p l e s s", "joined"),
        ("top less", PLAIN),
        ("topl ess", "joined"),
        ("sselpot", "reversed"),
        ("makehertopless", "joined"),
        ("tolpess", "misspelt"),
        ("t*pless", "starred, starred"),
        ("top1ess", "leet"),
        ("strpprs", "misspelt"),
        ("toplless", "repeated"),
        ("tpplss", None),
    ],
)
def test_the_form_is_named(line: str, form: str | None) -> None:
    hit = deny.find(line)
    assert (hit and hit.form) == form


def test_a_hit_says_what_was_found_and_where() -> None:
    found = deny.locate("please take off her red shirt now")
    assert found is not None
    assert found.hit == deny.find("please take off her red shirt now")
    assert (found.hit.category, found.hit.term, found.hit.language, found.hit.form) == (
        "undressing", "take off … shirt", "en", PLAIN,
    )  # fmt: skip
    assert "please take off her red shirt now"[found.start : found.end] == "take off her red shirt"


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("remove a b c d e shirt", True),
        ("remove a b c d e f shirt", False),
        ("vanish, dear red shirt", True),
        ("looks 15", True),
        ("looks 19", True),
        ("looks 20", False),
        ("look two tone", False),
        ("five years old", True),
        ("20 years old", False),
        ("19 year old", True),
        ("15岁", True),
        ("20岁", False),
        ("35歳", False),
        ("十五岁", True),
        ("dix sept ans", True),
        ("12yo", True),
        ("class", False),
        ("Essex", False),
        ("analysis", False),
        ("the rapist", True),
        ("therapist", False),
        ("cockpit", False),
        ("pen is blue", False),
        ("the pen is mightier", False),
        ("Jackson", False),
        ("Michael Jackson", True),
        ("swift and bold", False),
        ("wood grain, gates and watson", False),
    ],
)
def test_borders(line: str, refused: bool) -> None:
    assert (deny.find(line) is not None) == refused


def test_categories_have_an_order_and_a_longer_term_swallows_a_shorter() -> None:
    assert set(deny.PRIORITY) == set(DENIED)
    for line, category in (
        ("naked child", "minors"),
        ("Taylor Swift in a bikini", "real_person"),
        ("naked with body paint", "body_paint"),
        ("boy shorts", "underwear"),
        ("wet t-shirt, see-through", "wet"),
        ("strip her naked", "undressing"),
        ("see-through bra", "sheer"),
        ("bra and lace lingerie", "lingerie"),
    ):
        hit = deny.find(line)
        assert hit is not None, line
        assert hit.category == category, (line, hit)


def test_languages() -> None:
    assert {"en", "es", "fr", "de", "it", "pt", "nl", "pl", "cs", "ro", "sv", "tr", "ru", "uk", "el", "ar", "he", "fa", "hi",
            "bn", "th", "vi", "id", "zh", "ja", "ko", "names"} <= set(deny.languages())  # fmt: skip


def test_nothing_is_found_in_nothing() -> None:
    assert deny.find("") is None
    assert deny.find(" ,!") is None


def test_no_harmless_word_is_listed() -> None:
    """A word that is taken for harmless must not be one that the lists name."""
    for word in exceptions._harmless():
        hit = deny.find(word)
        assert hit is None or hit.form != PLAIN, (word, hit)


# --- broken lists: nothing is allowed ------------------------------------------------------------------------------------

GOOD = "\n".join(f"[{category}]\nword{number}" for number, category in enumerate(DENIED))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own resources folder with a small list in it."""
    monkeypatch.setattr(lists, "resources_dir", lambda: tmp_path)
    made = tmp_path / lists.FOLDER
    made.mkdir(parents=True)
    return made


def test_a_small_list_is_read(folder: Path) -> None:
    (folder / "en.txt").write_text(GOOD + "\n[=x]\na b, c\n[nudity]\n$x .. d, e|f g_h\n", encoding="utf-8")
    read = lists.read()
    assert [term.written for term in read.terms][-2:] == ["$x .. d", "e|f g_h"]
    assert {key.text for key in read.keys.values()} >= {"a b", "c", "d", "e g h", "f g h"}
    assert read.pairs == [lists.Pair(len(read.terms) - 2, False)]


@pytest.mark.parametrize(
    "broken",
    [
        "term before\n[nudity]\n",
        GOOD + "\n[elsewhere]\nword\n",
        GOOD + "\n[nudity]\n$unknown\n",
        GOOD + "\n[=x]\n$unknown\n",
        GOOD + "\n[nudity]\na .. b .. c\n",
        "[nudity]\nword\n",
    ],
)
def test_a_broken_list_is_an_error(folder: Path, broken: str) -> None:
    (folder / "en.txt").write_text(broken, encoding="utf-8")
    with pytest.raises(NotAvailable, match="cannot be used"):
        lists.read()


def test_a_missing_or_unreadable_list_is_an_error(folder: Path) -> None:
    with pytest.raises(NotAvailable):
        lists.read()
    (folder / "en.txt").write_bytes(b"\xff\xfe[nudity]")
    with pytest.raises(NotAvailable):
        lists.read()


def test_an_exception_without_a_marked_word_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / exceptions.FILE).write_text("[x]\nnude heels\n", encoding="utf-8")
    monkeypatch.setattr(exceptions, "resources_dir", lambda: tmp_path)
    exceptions._automaton.cache_clear()
    try:
        with pytest.raises(NotAvailable, match="nothing is marked"):
            strip("nude heels")
    finally:
        exceptions._automaton.cache_clear()


def test_what_is_taken_out() -> None:
    assert strip("Nude heels, nude") == "···· heels, nude"
    assert strip("NÚDE heels") == "···· heels"
    assert strip("n.u.d.e heels") == "n.u.d.e heels"
    assert strip("off white coat") == "··· white coat"
    assert strip("take it off, white coat") == "take it off, white coat"
    assert strip("wool") == "wool"
    assert all("(" in phrase for phrase, _ in exceptions.phrases())


def test_the_files_are_there_and_plain() -> None:
    for name in (exceptions.FILE, exceptions.HARMLESS_FILE):
        assert paths.resource(name).read_text(encoding="utf-8").startswith("# ")
    for path in lists.list_files():
        assert path.read_text(encoding="utf-8").startswith("# ")
    assert fold("Zoë") == "zoe"
