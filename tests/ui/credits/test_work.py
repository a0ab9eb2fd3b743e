"""What is asked of the credits is asked off the window's thread, one deed at a time, and only where somebody wanted it."""

import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from outfitswap_desktop.errors import Cancelled, KnownError, NotAvailable
from outfitswap_desktop.ui.credits import work as work_module
from outfitswap_desktop.ui.credits.work import CreditsWork
from tests.ui.credits.fake import NONE, OFFLINE, ONLINE, SIGNED_OUT


def names(face):
    return [call[0] for call in face.calls]


def ended(qtbot, work, start):
    with qtbot.waitSignal(work.ended, timeout=5000) as caught:
        start()
    return caught.args


@pytest.mark.parametrize(
    ("now", "asked"),
    [(NONE, ["status"]), (SIGNED_OUT, ["status"]), (ONLINE, ["status", "refresh"]), (OFFLINE, ["status", "refresh"])],
)
def test_at_the_start_the_server_is_asked_only_for_somebody_signed_in(qtbot, face, work, now, asked):
    face.now = now
    work.begin()
    qtbot.waitUntil(lambda: names(face) == asked)
    qtbot.waitUntil(lambda: work.status is now)
    qtbot.wait(50)
    assert names(face) == asked


@pytest.mark.parametrize(("now", "times"), [(ONLINE, 2), (replace(ONLINE, held=0), 1)])
def test_what_a_killed_program_had_set_aside_is_asked_after_once_more(qtbot, face, work, now, times):
    """The engine process gives it back a moment after the start; the window would go on to show that it is missing."""
    work._left_behind.setInterval(30)
    face.now = now
    work.begin()
    qtbot.waitUntil(lambda: len(face.asked("refresh")) == times)
    qtbot.wait(100)
    assert len(face.asked("refresh")) == times


def test_nothing_is_called_on_the_windows_thread(qtbot, face, work):
    opened_on = []
    work._opened = lambda: opened_on.append(threading.current_thread()) or face
    work.load()
    qtbot.waitUntil(lambda: "history" in names(face))
    ended(qtbot, work, lambda: work.take_along(5, 7))
    assert threading.main_thread() not in {*face.threads, *opened_on}
    assert len(opened_on) == 1


def test_without_credits_nothing_is_done(qtbot):
    work = CreditsWork(None)
    work.begin()
    work.load()
    work.redeem("x")
    assert (work.state, work.doing, work.is_there) == ("none", "", False)
    work.close()


def test_signed_out_or_away_neither_balance_nor_history_is_asked(qtbot, face, work):
    for now in (SIGNED_OUT, OFFLINE, NONE):
        face.now, face.calls = now, []
        with qtbot.waitSignals([work.status_changed, work.status_changed], timeout=5000):
            work.load()
        qtbot.wait(30)
        assert set(names(face)) == {"status", "refresh"}


def test_one_deed_at_a_time(qtbot, face, work):
    work.sign_in_with_browser()
    assert work.doing == "browser"
    work.redeem("OSW1-AAAAA-BBBBB-CCCCC-DDDDD-E")
    qtbot.waitUntil(lambda: "browser" in names(face))
    what, answer = ended(qtbot, work, face.approved.set)
    assert (what, answer) == ("browser", ONLINE)
    assert (work.doing, work.state) == ("", "online")
    assert face.asked("redeem") == []


def test_a_cancelled_sign_in_ends_at_once(qtbot, face, work):
    work.sign_in_with_browser()
    qtbot.waitUntil(lambda: "browser" in names(face))
    what, answer = ended(qtbot, work, work.cancel)
    assert what == "browser"
    assert answer.reason == "sign_in_cancelled"
    assert not work_module.failed(answer), "the user's wish is no fault"


def test_a_code_is_shown_and_then_waited_for(qtbot, face, work):
    face.now = SIGNED_OUT
    with qtbot.waitSignal(work.code_came, timeout=5000) as came:
        work.sign_in_with_code()
    assert came.args[0].user_code == "WDJB-MJHT"
    qtbot.waitUntil(lambda: work.doing == "wait")
    what, answer = ended(qtbot, work, face.approved.set)
    assert (what, answer) == ("wait", ONLINE)


def test_a_code_that_comes_after_the_cancel_is_not_shown(qtbot, face, work):
    shown = []
    work.code_came.connect(shown.append)

    def start():
        work.sign_in_with_code()
        work.cancel()

    what, answer = ended(qtbot, work, start)
    assert (what, type(answer), shown) == ("code", Cancelled, [])
    assert face.asked("wait") == []


def test_a_fault_of_the_world_comes_back_and_the_next_deed_can_begin(qtbot, face, work):
    face.faults["take"] = NotAvailable("Not enough.", reason="no_credits")
    what, answer = ended(qtbot, work, lambda: work.take_along(500, 7))
    assert (what, answer.reason, work.doing) == ("take", "no_credits", "")
    assert work_module.failed(answer)
    del face.faults["take"]
    assert ended(qtbot, work, lambda: work.take_along(5, 7))[1].lease_left == 5
    assert ended(qtbot, work, work.give_back)[1].lease_left == 0


def test_a_fault_of_ours_does_not_leave_the_page_waiting(qtbot, face, work):
    face.faults["give_back"] = ZeroDivisionError("ours")
    with qtbot.capture_exceptions() as caught:
        work.give_back()
        qtbot.waitUntil(lambda: work.doing == "" and caught != [])
    assert caught[0][0] is ZeroDivisionError


def test_a_purchase_is_watched_until_it_is_paid_also_through_a_gap_in_the_network(qtbot, face, work):
    work._again.setInterval(10)
    urls, seen = [], []
    work.url_asked.connect(urls.append)
    work.order_came.connect(lambda order: seen.append(order.state))
    what, order = ended(qtbot, work, lambda: work.buy("p200"))
    assert (what, order.credits, urls) == ("buy", 200, ["https://pay.example/c/1"])
    qtbot.waitUntil(lambda: len(face.asked("order")) >= 2)
    face.faults["order"] = NotAvailable("The server cannot be reached.", reason="offline")
    before = len(face.asked("order"))
    qtbot.waitUntil(lambda: len(face.asked("order")) >= before + 2)
    assert work.order == order.id
    face.settle_order("paid")
    del face.faults["order"]
    qtbot.waitUntil(lambda: seen[-1] == "paid")
    qtbot.waitUntil(lambda: work.status is not None and work.status.available == ONLINE.available + 200)
    assert work.order == ""
    asked = len(face.asked("order"))
    qtbot.wait(60)
    assert len(face.asked("order")) == asked, "nothing is asked after what is over"


def test_an_abandoned_purchase_is_not_watched_for_ever(qtbot, face, work, monkeypatch):
    work._again.setInterval(5)
    monkeypatch.setattr(work_module, "ORDER_SECONDS", 0.05)
    ended(qtbot, work, lambda: work.buy("p50"))
    qtbot.wait(120)
    asked = len(face.asked("order"))
    qtbot.wait(60)
    assert len(face.asked("order")) == asked


def test_closing_stops_a_sign_in_that_waits(qtbot, face, work):
    work.sign_in_with_browser()
    qtbot.waitUntil(lambda: "browser" in names(face))
    work.close()
    work.close()
    assert names(face)[-1] == "close"
    assert len(face.asked("close")) == 1
    assert not any(thread.is_alive() for thread in face.threads)
    assert threading.main_thread() not in face.threads


def test_offline_is_told_by_what_came_not_by_an_error(qtbot, face, work):
    face.faults["refresh"] = NotAvailable("Gone.", reason="offline")
    work.load()
    qtbot.waitUntil(lambda: work.status is ONLINE)
    assert isinstance(face.faults["refresh"], KnownError)


def test_the_page_loads_no_library_for_the_network_or_keys():
    code = (
        "import sys, outfitswap_desktop.ui.credits.page, outfitswap_desktop.ui.credits.joining;"
        "print([m for m in ('httpx', 'pydantic', 'cryptography', 'keyring', 'torch', 'sqlite_utils') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
