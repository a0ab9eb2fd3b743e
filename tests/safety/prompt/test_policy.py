"""The policy of a prompt: what outranks what, the sentences, the hints, what counts as being about clothes, and speed."""

from __future__ import annotations

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.prompt import deny, policy, vocabulary
from outfitswap_desktop.safety.prompt.answer import DENIED, OTHER, Hit, PromptAnswer
from outfitswap_desktop.safety.prompt.negative import NEGATIVE


@pytest.fixture
def vocabulary_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deny lists stand aside, so that what the vocabulary itself refuses is seen."""
    monkeypatch.setattr(deny, "locate", lambda text: None)
    monkeypatch.setattr(deny, "find", lambda text: None)


def category(text: str) -> str:
    answer = policy.check(text)
    assert answer.allowed == (answer.category == "")
    return answer.category


def test_an_allowed_line_says_nothing_else() -> None:
    assert policy.check("navy linen") == PromptAnswer("navy linen", True)


@pytest.mark.parametrize("text", ["", " ", "\n\t", ",", "...", " - ", "“”"])
def test_no_words(text: str) -> None:
    answer = policy.check(text)
    assert (answer.allowed, answer.category, answer.word) == (False, "empty", "")
    assert answer.message == "Refused (no words). The prompt has no words."
    assert "navy pinstripe" in answer.hint


def test_300_characters_and_no_more() -> None:
    longest = "red " * 75
    assert len(longest) == policy.MOST_CHARACTERS == 300
    assert policy.check(longest).allowed
    answer = policy.check(longest + "!")
    assert (answer.category, answer.hint) == ("too_long", "Shorten it.")
    assert answer.message == "Refused (too many characters). The prompt has 301 characters; at most 300 are allowed."


def test_a_denied_word_outranks_an_unknown_one_and_a_refused_phrase() -> None:
    answer = policy.check("zorbing naked in a birthday suit")
    assert (answer.allowed, answer.category) == (False, "nudity")
    assert answer.word
    assert answer.suggestions == ()
    assert answer.message.startswith("Refused (nudity). ")


def hit(category: str, start: int, end: int) -> deny.Found:
    return deny.Found(Hit(category, "term", "xx", "form"), start, end)


def test_what_is_found_within_a_word_of_the_vocabulary_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def locate(text: str) -> deny.Found | None:
        at = text.find("butt")
        return hit("sexual", at, at + 4) if at >= 0 else None

    monkeypatch.setattr(deny, "locate", locate)
    assert category("a shirt with buttons and a buttonhole") == ""
    assert policy.check("a shirt with buttons and a butt").word == "butt"
    assert category("a shirt with buttonz") == "sexual"
    assert policy.check("a shirt with a butt").allowed is False
    assert category("cafe\u0301 shirt with buttons") == "sexual", "places are not those of the text"


def test_the_very_word_of_the_english_list_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def locate(text: str) -> deny.Found | None:
        return deny.Found(Hit("lingerie", "Bustier", language, "plain"), 0, 7) if text.startswith("bustier") else None

    monkeypatch.setattr(deny, "locate", locate)
    language = "en"
    assert category("bustier in velvet") == "lingerie"
    assert category("bustiers in velvet") == "lingerie"
    language = "fr"
    assert category("bustier in velvet") == ""


def test_what_stands_round_the_found_word_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deny, "locate", lambda text: hit("violence", 4, 10) if text[5:9] == "wool" else None)
    assert category("red (wool) coat") == ""
    monkeypatch.setattr(deny, "locate", lambda text: hit("violence", 3, 5) if text[0] == "r" else None)
    assert category("red (wool) coat") == "violence"


def test_what_is_found_across_words_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deny, "locate", lambda text: hit("sexual", 2, 7))
    assert category("red coat") == "sexual"


def test_a_number_that_may_be_an_age_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deny, "locate", lambda text: hit("minors", 9, 11) if text[9:11] == "12" else None)
    assert category("red coat 12") == "minors"
    assert category("red coat 12 buttons") == ""


def test_a_refused_phrase_outranks_an_unknown_word(vocabulary_alone: None) -> None:
    answer = policy.check("a zorbing Fig-Leaf coat")
    assert (answer.category, answer.word) == ("nudity", "Fig Leaf")
    assert answer.hint == policy.DESCRIBE


def test_the_longest_refused_phrase_names_the_category(vocabulary_alone: None) -> None:
    assert policy.check("peel the orange dress, covered in gold paint").category == "body_paint"


@pytest.mark.parametrize("deed", ["remove", "erase", "delete", "take off", "strip", "get rid of", "undress", "unzip"])
@pytest.mark.parametrize("thing", ["the jacket", "her dress", "the shirt and the trousers"])
def test_garments_are_changed_not_taken_away(deed: str, thing: str) -> None:
    answer = policy.check(f"{deed} {thing}")
    assert (answer.allowed, answer.category) == (False, "undressing")
    assert "Garments can be changed but not taken away." in answer.message
    assert "turn the shirt into black leather" in answer.hint


@pytest.mark.parametrize("deed", ["remove", "erase", "delete", "take off", "peel", "dissolve", "lose the"])
def test_the_vocabulary_itself_knows_that_too(deed: str, vocabulary_alone: None) -> None:
    assert category(f"{deed} jacket") == "undressing"


def test_an_unknown_word_has_near_words(vocabulary_alone: None) -> None:
    answer = policy.check("a Velvit blazer with qwzx")
    assert (answer.category, answer.word) == ("unknown_word", "Velvit")
    assert answer.suggestions[0] == "velvet"
    assert len(answer.suggestions) <= 3
    assert answer.message == (
        "Refused (a word that is not in the vocabulary). The word “Velvit” is not in the vocabulary."
    )
    assert answer.hint == f"Did you mean: {', '.join(answer.suggestions)}?"


def test_a_word_known_in_company_says_in_which(vocabulary_alone: None) -> None:
    answer = policy.check("an Off coat")
    assert (answer.category, answer.word) == ("unknown_word", "Off")
    assert answer.suggestions == vocabulary.company("off")
    assert answer.hint == f"The word is known in: {', '.join(answer.suggestions)}."


def test_an_unknown_word_without_near_ones(vocabulary_alone: None) -> None:
    answer = policy.check("a qzxqzx coat")
    assert answer.suggestions == ()
    assert answer.hint.startswith("Say it with another word")


@pytest.mark.parametrize(
    "text", ["красное платье", "赤いドレス", "a dress 👙", "ein weißer Rückxyz☃ coat", "coat @home", "a_coat"]
)
def test_other_scripts_and_signs_are_told_that_prompts_are_english(text: str, vocabulary_alone: None) -> None:
    answer = policy.check(text)
    assert (answer.allowed, answer.category) == (False, "unknown_word")
    if not answer.suggestions:
        assert answer.hint == policy.NOT_ENGLISH


def test_a_denied_word_is_never_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deny, "locate", lambda text: None)
    monkeypatch.setattr(deny, "find", lambda text: text if text != "velours" else None)
    answer = policy.check("velvit coat")
    assert answer.suggestions == ()
    assert answer.hint.startswith("Say it with another word")


def test_broken_lists_allow_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise NotAvailable("The lists cannot be read.", reason="policy_broken", hint="Install again.")

    monkeypatch.setattr(deny, "locate", broken)
    with pytest.raises(NotAvailable):
        policy.check("navy linen")


def test_every_category_has_its_sentence() -> None:
    assert set(policy.SENTENCES) == set(DENIED) | set(OTHER)
    assert set(policy.HINTS) <= set(policy.SENTENCES)
    assert len(set(policy.SENTENCES.values())) == len(policy.SENTENCES)
    for name, sentence in policy.SENTENCES.items():
        assert sentence.endswith("."), name


def test_lines_are_judged_in_their_order() -> None:
    answers = policy.check_lines(["navy linen\n", "\r\n", "red coat\r\n", "a zorbing coat"])
    assert [answer.prompt for answer in answers] == ["navy linen", "", "red coat", "a zorbing coat"]
    assert [answer.category for answer in answers] == ["", "empty", "", "unknown_word"]
    assert policy.check_lines([]) == []


@pytest.mark.parametrize(
    "text",
    [
        "navy", "#1f6f54", "linen", "houndstooth", "navy linen", "a coat", "long sleeves and a mandarin collar",
        "Victorian", "like in a film noir", "cottagecore", "chef’s whites", "Moroccan", "1970s", "pirate",
        "summer outfit", "elegant clothes", "something for a wedding", "dressed for the opera", "an outfit for the office",
        "what a botanist might wear", "red scarf in wool", "pirate with an eyepatch", "chef's hat and striped trousers",
        "tights under a tweed skirt", "black bodysuit under a blazer", "gloves in black lace",
    ],
)  # fmt: skip
def test_about_clothes(text: str, vocabulary_alone: None) -> None:
    assert category(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "soft morning light", "a hat and high heels", "wearing a necklace", "dressed in gloves in black lace",
        "her in a scarf in wool", "tights", "black lace bodysuit", "his attire", "a wedding", "long and tight", "moonlight",
        "boats and trees", "she is beautiful", "in the city", "a very elegant woman", "pearls", "a smiling model",
    ],
)  # fmt: skip
def test_not_about_clothes(text: str, vocabulary_alone: None) -> None:
    answer = policy.check(text)
    assert answer.category == "not_clothing"
    assert "Name a garment" in answer.hint


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("a dress made of linen", True),
        ("a dress made of fine old linen", True),
        ("a coat woven from red wool", True),
        ("a gown made of moons", False),
        ("a dress made of two ribbons", False),
        ("a gown made of flowers", False),
        ("a gown made of moons, wool coat", False),
        ("a gown made of moons with lace", False),
        ("a dress made of gold", False),
        ("turn the shirt into black leather", True),
        ("turn the shirt into a scarf", True),
        ("turn the dress into a soft song", False),
        ("turn the dress into", False),
        ("swap the coat for a navy cape", True),
        ("she swapped her coat for confidence", False),
        ("replace the coat with moonlight and stars", False),
        ("swap the colour, a coat for parties and confidence", True),
        ("a coat for confidence", True),
        ("one of the coats", True),
        ("of linen, a coat", True),
        ("a coat of autumn", True),
    ],
)
def test_cloth_is_made_of_something(text: str, fine: bool, vocabulary_alone: None) -> None:
    assert category(text) == ("" if fine else "not_clothing")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("white shirt in the rain", "wet"),
        ("trench coat in the rain", ""),
        ("trench coat in a birthday suit in the rain", "nudity"),
        ("raincoat and wool jumper in heavy rain", ""),
    ],
)
def test_a_coat_may_stand_in_the_rain(text: str, wanted: str, vocabulary_alone: None) -> None:
    assert category(text) == wanted


def test_the_negative_prompt_is_one_string_of_plain_terms() -> None:
    terms = [term.strip() for term in NEGATIVE.split(",")]
    assert len(terms) == len(set(terms)) > 50
    assert all(terms)
    for term in (
        "nude",
        "undressed",
        "underwear",
        "lingerie",
        "swimwear",
        "see-through",
        "wet clothes",
        "child",
        "young",
    ):
        assert term in terms
    assert {"deformed hands", "body paint", "violence", "sexual"} <= set(terms)
    assert NEGATIVE.strip() == NEGATIVE
    assert "\n" not in NEGATIVE
