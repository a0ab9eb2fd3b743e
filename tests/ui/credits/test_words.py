"""Amounts, days and states in words, in the languages' own ways."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QLocale

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ui.credits.words import (
    change_of,
    credits_of,
    day_of,
    kind_of,
    note_of,
    nothing_charged,
    price_of,
    said_of,
    standing_of,
)
from tests.ui.credits.fake import NONE, NOW, OFFLINE, ONLINE, SIGNED_OUT, STUCK, posting


@pytest.fixture
def speaks(qapp):
    return lambda name: QLocale.setDefault(QLocale(name))


def test_money_and_days_are_written_as_the_language_writes_them(speaks):
    speaks("en_US")
    assert (price_of(1800, "eur"), price_of(500, "jpy"), price_of(1250, "chf")) == ("€18.00", "¥500", "CHF 12.50")
    assert day_of(NOW).endswith("2026")
    assert "Nov" in day_of(NOW)
    assert "day" not in day_of(NOW)
    speaks("de_DE")
    assert price_of(123456, "eur").replace("\xa0", " ") == "1.234,56 €"
    assert "November 2026" in day_of(NOW)
    assert "tag" not in day_of(NOW)
    speaks("ja_JP")
    assert day_of(NOW).startswith("2026年11月")
    assert "曜" not in day_of(NOW)


def test_amounts(speaks):
    speaks("en_US")
    assert [credits_of(count) for count in (0, 1, 2, 1200)] == ["0 credits", "1 credit", "2 credits", "1,200 credits"]
    assert [change_of(count) for count in (5, -5, 0)] == ["+5", "−5", "0"]


def test_every_state_has_one_sentence():
    assert standing_of(NONE).sentence == nothing_charged()
    said = {standing_of(status).sentence for status in (NONE, SIGNED_OUT, ONLINE, OFFLINE, STUCK)}
    assert len(said) == 5
    assert "on this machine, until" in standing_of(OFFLINE).sentence
    assert "only the fabric engine runs" in standing_of(replace(OFFLINE, lease_left=0)).sentence


@pytest.mark.parametrize(
    "reason", ["clock_moved_back", "device_suspect", "lease_ended", "no_credits", "offline", "other"]
)
def test_whoever_can_only_look_is_told_why_and_that_results_stay(reason):
    status = replace(STUCK, reason=reason, notice="It is so. Try outfitswap licence status.")
    said = standing_of(status).sentence
    assert said.endswith("Your results stay yours to see and export, and the fabric engine still runs.")
    assert len(said) > 80
    assert "licence status" not in said
    assert ("It is so." in said) is (reason == "other")


@pytest.mark.parametrize(
    ("kind", "memo", "more", "note"),
    [
        ("purchase", "order 01M8", {"order_id": "01M834CP4VPMRH2TSG4F4AFRED"}, "Order …4AFRED"),
        ("promo", "Free credits", {}, ""),
        ("grant", "For your patience", {}, "For your patience"),
        ("commit", "", {}, ""),
        ("commit", "2 used", {"used": 2}, "2 credits used"),
        ("void", "cancelled", {}, "Cancelled"),
        ("void", "program_ended", {}, "The program ended meanwhile"),
        ("void", "mask_empty", {}, ""),
    ],
)
def test_a_note_says_what_its_kind_does_not_say(kind, memo, more, note):
    assert note_of(posting(kind, 5, NOW, memo=memo, **more)) == note


def test_a_posting_of_an_unknown_kind_shows_its_own_word():
    assert kind_of(posting("purchase", 5, NOW)) == "Bought"
    assert kind_of(posting("summer_gift", 5, NOW)) == "Summer gift"


def test_no_option_of_the_command_line_reaches_the_page():
    for reason in ("offline", "no_credits", "signed_out", "clock_moved_back", "sign_in_timed_out", "other"):
        said = said_of(NotAvailable("It is so.", reason=reason, hint="Use --browser."))
        assert said.startswith("It is so.")
        assert "--" not in said
