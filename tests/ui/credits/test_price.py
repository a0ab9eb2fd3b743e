"""The line at the run button says what is known before a run, and no more."""

from dataclasses import replace

import pytest

from outfitswap_desktop.ui.credits.price import Cost, cost_of, price_line, spendable
from outfitswap_desktop.ui.outfit.outfit import Outfit
from tests.ui.credits.fake import LEASED, NONE, OFFLINE, ONLINE, SIGNED_OUT, STUCK


@pytest.mark.parametrize(
    ("outfit", "installed", "cost"),
    [
        (Outfit(engine="fabric"), {"sdxl"}, Cost(0)),
        (Outfit(engine="sdxl"), {"sdxl"}, Cost(2)),
        (Outfit(engine="qwen", variations=4), {"qwen"}, Cost(12)),
        (Outfit(), set(), Cost(0)),
        (Outfit(), {"sd15", "qwen"}, Cost(3, exact=False)),
        (Outfit(variations=2), {"sdxl"}, Cost(4, exact=False)),
        (Outfit(engine="not_priced"), set(), Cost(0)),
    ],
)
def test_a_run_costs_what_its_engine_costs_for_each_variation(outfit, installed, cost):
    assert cost_of(ONLINE, outfit, installed) == cost


def test_what_can_be_spent_follows_the_state():
    assert spendable(ONLINE) == 118
    assert spendable(LEASED) == 98 + 40
    assert spendable(OFFLINE) == 40
    assert spendable(STUCK) == spendable(SIGNED_OUT) == 0
    assert spendable(replace(ONLINE, available=None)) is None


@pytest.mark.parametrize(
    ("status", "engine", "text", "short"),
    [
        (None, "sdxl", "", False),
        (NONE, "sdxl", "", False),
        (ONLINE, "fabric", "Costs no credits.", False),
        (SIGNED_OUT, "fabric", "Costs no credits.", False),
        (ONLINE, "sd15", "Costs 1 credit. 118 left.", False),
        (ONLINE, "sdxl", "Costs 2 credits. 118 left.", False),
        (ONLINE, "auto", "Costs up to 2 credits. 118 left.", False),
        (OFFLINE, "sdxl", "Costs 2 credits. 40 left.", False),
        (SIGNED_OUT, "sdxl", "Costs 2 credits. You are signed out.", True),
        (SIGNED_OUT, "auto", "Costs up to 2 credits. You are signed out.", False),
        (replace(SIGNED_OUT, prices={}), "sdxl", "Engines for a graphics card need a sign-in.", True),
        (replace(SIGNED_OUT, prices={}), "auto", "Engines for a graphics card need a sign-in.", False),
        (replace(SIGNED_OUT, prices={}), "fabric", "Costs no credits.", False),
        (replace(ONLINE, prices={}), "sdxl", "", False),
        (replace(ONLINE, available=1), "sdxl", "Costs 2 credits. Only 1 left.", True),
        (replace(ONLINE, available=0), "sdxl", "Costs 2 credits. None are left.", True),
        (replace(ONLINE, available=None), "sdxl", "Costs 2 credits.", False),
    ],
)
def test_the_line(qapp, status, engine, text, short):
    line = price_line(status, Outfit(engine=engine), {"sdxl"})
    assert (line.text, line.short) == (text, short)
