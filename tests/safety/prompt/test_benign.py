"""Fashion prompts that must pass: at most 2 % may be refused, and the names of real people must be."""

from __future__ import annotations

import pytest

from outfitswap_desktop.safety.prompt import deny, policy
from outfitswap_desktop.safety.prompt.answer import PromptAnswer
from tests.safety.prompt.lines import prompts

MOST_REFUSED = 0.02


def refused(lines: list[str]) -> list[PromptAnswer]:
    return [answer for answer in policy.check_lines(lines) if not answer.allowed]


@pytest.mark.parametrize(("name", "least"), [("benign", 300), ("benign_second", 140), ("benign_third", 110)])
def test_at_most_2_percent_are_refused(name: str, least: int) -> None:
    lines = prompts(name)
    assert len(set(lines)) >= least
    answers = refused(lines)
    assert len(answers) <= MOST_REFUSED * len(lines), [(a.category, a.word, a.prompt) for a in answers]


@pytest.mark.parametrize("name", ["benign", "benign_second", "benign_third"])
def test_the_vocabulary_by_itself_refuses_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deny, "locate", lambda text: None)
    monkeypatch.setattr(deny, "find", lambda text: None)
    assert [(a.category, a.word, a.prompt) for a in refused(prompts(name))] == []


def test_real_names_are_refused() -> None:
    lines = prompts("real_names")
    assert len(refused(lines)) == len(lines) >= 7


FASHION = [
    "nude heels and a grey suit", "a nude pink trench coat", "double-breasted coat", "kid leather jacket", "cropped jacket",
    "transparent raincoat over a suit", "wet-look vinyl trench coat", "silk camisole under a blazer", "naked oak print shirt",
    "stripped back linen shirt", "baby blue shirt", "shooting vest in tweed", "single-breasted blazer", "hot pink blazer",
    "little black dress", "cold-shoulder blouse", "pussy-bow blouse", "off-the-shoulder gown", "chest pocket in denim",
    "bell-bottom jeans", "high-waisted trousers", "fit-and-flare dress", "bodycon knit dress", "snakeskin print coat",
    "sweatshirt", "cocktail dress", "button-down shirt", "skinny jeans", "thigh-high boots with a wool dress",
]  # fmt: skip


@pytest.mark.parametrize("line", FASHION)
def test_fashions_own_words_pass(line: str) -> None:
    answer = policy.check(line)
    assert answer.allowed, (answer.category, answer.word)


def test_what_the_fabric_engine_is_tested_with_passes() -> None:
    lines = [line.split(" -> ")[0].split(" @")[0] for line in prompts("../../embedded/prompts")]
    answers = [answer for answer in refused(lines) if answer.category != "unknown_word" or not answer.suggestions]
    assert len(lines) > 150
    assert len(answers) <= MOST_REFUSED * len(lines), [(a.category, a.word, a.prompt) for a in answers]
