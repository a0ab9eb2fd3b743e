"""From an outfit to the queue's requests, and from an entry of the history back to an outfit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outfitswap_desktop.core.job import Wishes, refuse_nonsense
from outfitswap_desktop.engine.messages import FindGarments, OpenPhoto, PhotoOpened, Problem
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.queue_rows import read_request, request_text
from outfitswap_desktop.ui.orders import orders
from outfitswap_desktop.ui.outfit.outfit import Outfit
from outfitswap_desktop.ui.runs import Runs
from outfitswap_desktop.ui.session import Session
from tests.ui.desks import FakeDesk
from tests.ui.history.entries import receipt, write

ASKED = Wishes("balanced", 0.8, 6.5, 0.5, 0.0, 1.1)


@pytest.fixture
def session(qtbot):
    desk = FakeDesk(
        {
            OpenPhoto: PhotoOpened("0" * 64, np.full((20, 30, 3), 90, np.uint8), False),
            FindGarments: Problem("input_refused", "nobody_found", "Nobody is there.", ""),
        }
    )
    opened = Session(desk)
    opened.open(Path("photo.png"))
    yield opened
    opened.shut_down()


def requests(session, outfit, folder):
    session.outfit = outfit
    made = orders(session, outfit.words, folder=folder, suffix=".png", quality=95, keep_metadata=True)
    return [one.request for one in made]


def test_the_variations_of_one_click_name_each_others_seeds(session, tmp_path):
    asked = requests(session, Outfit("navy wool", engine="sdxl", seed=41, variations=3, steps=20), tmp_path)
    assert [one.seed for one in asked] == [41, 42, 43]
    assert {one.wishes for one in asked} == {Wishes(seeds=(41, 42, 43))}
    assert {one.steps for one in asked} == {20}
    assert len({one.output for one in asked}) == 3
    for one in asked:
        refuse_nonsense(one)
        assert read_request(request_text(one)).wishes == one.wishes


@pytest.mark.parametrize(("engine", "seeds"), [("auto", (7, 8)), ("qwen", (7, 8)), ("fabric", ())])
def test_only_engines_that_paint_batches_are_told_the_seeds(session, tmp_path, engine, seeds):
    for one in requests(session, Outfit("navy", engine=engine, seed=7, variations=2), tmp_path):
        assert one.wishes.seeds == seeds


def test_what_was_set_under_more_reaches_the_request(session, tmp_path):
    outfit = Outfit(
        "navy", engine="sd15", mode="balanced", strength=0.8, guidance=6.5, pose=0.5, depth=0.0, garment_weight=1.1
    )
    (one,) = requests(session, outfit, tmp_path)
    assert one.wishes == ASKED


def entry(history, folder, seed=5, **about):
    return history.get(write(history, folder, f"result{seed}", seed, **about))


def told(wishes, *, steps=None, engine="sdxl"):
    plain = receipt(5, engine=engine)
    return plain | {"request": plain["request"] | {"wishes": wishes, "steps": steps}}


@pytest.fixture
def history(tmp_path):
    with History(tmp_path / "history.db") as opened:
        yield opened


def test_an_entry_becomes_the_outfit_that_made_it(history, tmp_path):
    asked = {"mode": "balanced", "strength": 0.8, "guidance": 6.5, "pose": 0.5, "depth": 0.0, "garment_weight": 1.1}
    made = entry(history, tmp_path, engine="sdxl", receipt=told({**asked, "seeds": [4, 5]}, steps=22))
    outfit = Runs.outfit_of(made, Outfit("other", ("Dark",), seed=1, variations=4, mode="fast"))
    assert outfit == Outfit("navy coat", (), None, "sdxl", 5, True, 1, 22, *asked.values())
    assert outfit.wishes == ASKED


def test_what_was_left_to_the_recipe_is_left_to_it_again(history, tmp_path):
    before = Outfit(mode="fast", strength=0.2, steps=9)
    made = entry(history, tmp_path, engine="sdxl", receipt=told({}))
    assert Runs.outfit_of(made, before) == Outfit("navy coat", (), None, "sdxl", 5, seed_locked=True)


@pytest.mark.parametrize("request_", [None, {"wishes": [1]}, {"wishes": {"mode": 3, "pose": "much"}, "steps": "many"}])
def test_a_receipt_of_another_time_says_what_it_can(history, tmp_path, request_):
    made = entry(history, tmp_path, engine="sdxl", receipt=receipt(5) | {"request": request_})
    assert Runs.outfit_of(made, Outfit()) == Outfit("navy coat", (), None, "sdxl", 5, seed_locked=True)


def test_a_damaged_receipt_leaves_the_outfit_as_it_is(history, tmp_path):
    made = replace(entry(history, tmp_path, engine="unheard"), receipt_json="{")
    outfit = Runs.outfit_of(made, Outfit(engine="fabric", mode="fast"))
    assert (outfit.words, outfit.engine, outfit.mode) == ("navy coat", "fabric", "fast")
