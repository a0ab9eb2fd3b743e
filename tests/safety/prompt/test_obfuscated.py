"""Disguised prompts against the deny lists alone: eighteen transforms of every harmful line, and some that nobody asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from outfitswap_desktop.safety.prompt import deny
from tests.safety.prompt.test_deny import harmful
from tests.safety.prompt.transforms import MORE, TRANSFORMS

OTHER_SCRIPTS = frozenset({"el", "ar", "he", "fa", "hi", "bn", "th", "zh", "ja", "ko"})
LATIN_AND_CYRILLIC = 0.95
OTHERS = 0.90
LEAST = 20_000
EXPECTED = {"glued": 0.65, "letters swapped": 0.35}
"""What is reached of the transforms that are hardest; every other one keeps to the limits above."""


def measured(step: int, table: dict) -> tuple[Counter, Counter]:
    """How many lines each (transform, whether another script) made, and how many of them were refused."""
    made, refused = Counter(), Counter()
    for number, (language, _, line) in enumerate(harmful()):
        if number % step:
            continue
        for name, transform in table.items():
            text = transform(line)
            key = (name, language in OTHER_SCRIPTS)
            made[key] += 1
            refused[key] += deny.find(text) is not None
    return made, refused


def too_few(made: Counter, refused: Counter) -> dict:
    return {
        key: round(refused[key] / count, 3)
        for key, count in made.items()
        if refused[key] / count < EXPECTED.get(key[0], OTHERS if key[1] else LATIN_AND_CYRILLIC)
    }


def test_there_are_eighteen_and_enough_lines() -> None:
    assert len(TRANSFORMS) == 18
    assert len(list(harmful())) * len(TRANSFORMS) >= LEAST


def test_a_part_of_the_disguised_lines() -> None:
    made, refused = measured(23, TRANSFORMS)
    assert refused.total() / made.total() >= LATIN_AND_CYRILLIC
    worst = {key: refused[key] / count for key, count in made.items() if refused[key] / count < 0.85}
    assert worst == {}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_all_disguised_lines() -> None:
    made, refused = measured(1, TRANSFORMS)
    assert made.total() >= LEAST
    assert too_few(made, refused) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_other_disguises() -> None:
    made, refused = measured(5, MORE)
    assert too_few(made, refused) == {}
