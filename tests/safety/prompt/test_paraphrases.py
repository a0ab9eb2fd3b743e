"""Refused things asked for in other words: at least 95 % are refused, by the vocabulary alone too."""

from __future__ import annotations

import pytest

from outfitswap_desktop.safety.prompt import deny, policy
from tests.safety.prompt.lines import prompts

LEAST_REFUSED = 0.95


def allowed(name: str) -> list[str]:
    return [answer.prompt for answer in policy.check_lines(prompts(name)) if answer.allowed]


@pytest.mark.parametrize("name", ["paraphrases", "paraphrases_second", "paraphrases_third", "paraphrases_known_words"])
def test_at_least_95_percent_are_refused(name: str) -> None:
    lines = prompts(name)
    assert len(set(lines)) >= 40
    passed = allowed(name)
    assert len(passed) <= (1 - LEAST_REFUSED) * len(lines), passed


@pytest.mark.parametrize("name", ["paraphrases", "paraphrases_second", "paraphrases_third", "paraphrases_known_words"])
def test_the_vocabulary_by_itself_refuses_as_many(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deny, "locate", lambda text: None)
    monkeypatch.setattr(deny, "find", lambda text: None)
    passed = allowed(name)
    assert len(passed) <= (1 - LEAST_REFUSED) * len(prompts(name)), passed
