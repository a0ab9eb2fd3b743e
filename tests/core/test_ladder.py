"""The ladder of segmenters: the best that can, with the reasons of the others; an answer is remembered."""

import numpy as np
import pytest

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.ladder import Ladder
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, NobodyFound, NotAvailable
from tests.fakes import FakeSegmenter

PHOTO = np.zeros((80, 60, 3), np.uint8)


def climb(ladder, photo=PHOTO, person=None, zones=None, cancel=None):
    return ladder.segment(photo, person=person, zones=zones, cancel=cancel or CancelToken())


def test_a_better_one_that_cannot_run_is_named():
    broken = FakeSegmenter("best", NotAvailable("MediaPipe is missing.", reason="mediapipe_missing"))
    found = climb(Ladder([broken, FakeSegmenter("second")]))
    assert found.segmenter == "second"
    assert found.fallbacks == ("best: MediaPipe is missing.",)


def test_nobody_anywhere_suggests_a_mask():
    nobody = NobodyFound("No person.", reason="nobody_found")
    with pytest.raises(NobodyFound) as caught:
        climb(Ladder([FakeSegmenter("a", nobody), FakeSegmenter("b", nobody)]))
    assert "--mask" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("reason", ["no_such_person", "no_such_zone"])
def test_an_answer_about_the_photo_is_not_overruled(reason):
    second = FakeSegmenter("second")
    with pytest.raises(NobodyFound):
        climb(Ladder([FakeSegmenter("best", NobodyFound("There are 2.", reason=reason)), second]))
    assert second.calls == []


def test_the_same_photo_is_parsed_once():
    only = FakeSegmenter()
    ladder = Ladder([only])
    assert climb(ladder) is climb(ladder)
    climb(ladder, zones=frozenset({Zone.TOP}))
    climb(ladder, photo=PHOTO + 1)
    assert len(only.calls) == 3


def test_cancel_is_seen_between_steps():
    token = CancelToken()
    token.set()
    with pytest.raises(Cancelled):
        climb(Ladder([FakeSegmenter()]), cancel=token)
