"""The credits' page in every state, and each way to more, with a stand-in for the account."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QLabel, QMessageBox

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.ui.credits.along import AlongDialog, most_along
from outfitswap_desktop.ui.credits.buy import BuyDialog
from outfitswap_desktop.ui.credits.page import CreditsPage
from outfitswap_desktop.ui.credits.sign_in import BROWSER, CODE, FILES, KEY, WAYS
from tests.ui.credits.fake import LEASED, NONE, OFFLINE, ONLINE, SIGNED_OUT, STUCK
from tests.ui.pages.test_reach import controls

GOOD_KEY = "OSW1-AAAAA-BBBBB-CCCCC-DDDDD-E"


def texts(widget):
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible() and label.text()]


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def dialog_of(qtbot, page, kind):
    qtbot.waitUntil(lambda: [each for each in page.findChildren(kind) if each.isVisible()] != [])
    return next(each for each in page.findChildren(kind) if each.isVisible())


@pytest.fixture
def shown(qtbot, face, work):
    def show(now):
        face.now = now
        page = CreditsPage(work)
        qtbot.addWidget(page)
        page.resize(860, 620)
        page.show()
        page.activateWindow()
        qtbot.waitExposed(page)
        qtbot.waitUntil(lambda: face.asked("refresh") != [] and work.status == now)
        if now.state == "online":
            qtbot.waitUntil(lambda: page.model.rowCount() > 0)
        qtbot.wait(20)
        return page

    return show


def test_where_nothing_is_charged_there_is_one_sentence(shown):
    page = shown(NONE)
    assert texts(page) == [
        "Credits",
        "This copy of OutfitSwap charges nothing: every engine runs, without an account and without credits.",
    ]
    assert not [control for control in controls(page) if control.isVisible()]


def test_balance_buckets_ends_leases_prices_and_history(shown):
    page = shown(ONLINE)
    assert page.balance.account.number.text() == "118"
    assert page.balance.account.under.text() == "100 bought, 18 free"
    assert page.balance.held.number.text() == "4"
    assert page.balance.here.number.text() == "0"
    assert "18 credits end on December 1" in page.balance.lines.text()
    assert "19 of 30 are with Laptop, until December" in page.balance.lines.text()
    assert "Fabric: 0" in page.balance.prices.text()
    assert "Qwen Image Edit: 3" in page.balance.prices.text()
    assert page.model.index(0, 2).data() == "−3"
    assert page.model.index(0, 1).data() == "Set aside for a picture"
    assert page.who.text() == "anna@example.org · Studio PC"
    assert not page.balance.give_back.isVisible()


def test_older_postings_come_after_the_newer_ones(qtbot, shown):
    page = shown(ONLINE)
    assert page.model.rowCount() == 5
    press(qtbot, page.more)
    qtbot.waitUntil(lambda: page.model.rowCount() == 8)
    assert page.model.index(7, 1).data() == "Bought"
    assert not page.more.isVisible()


@pytest.mark.parametrize(
    ("now", "heading", "buy", "along", "back"),
    [
        (ONLINE, "Online", True, True, False),
        (LEASED, "Online", True, False, True),
        (OFFLINE, "Offline", False, False, False),
        (STUCK, "Read-only for now", False, False, False),
        (replace(STUCK, reason="no_credits"), "Read-only for now", True, False, False),
        (replace(ONLINE, available=0, reason="no_credits"), "Online", True, False, False),
    ],
)
def test_what_can_be_done_follows_the_state(shown, now, heading, buy, along, back):
    page = shown(now)
    assert page.standing.heading.text() == heading
    assert (page.buy.isEnabled(), page.along.isEnabled(), page.balance.give_back.isEnabled()) == (buy, along, back)
    if not along:
        assert page.along.toolTip()
    if now.state != "online":
        assert "Nothing has been paid" not in " ".join(texts(page))


def test_few_credits_are_told_once_on_the_page(shown):
    page = shown(replace(ONLINE, available=9, low=True, reason="low"))
    assert "Few credits are left" in page.standing.further.text()


def test_a_notice_of_the_credits_is_shown(shown):
    page = shown(replace(ONLINE, notice="It is so. See `outfitswap licence status`.", reason="something_new"))
    assert page.standing.further.text() == "It is so."


def test_signing_in_by_the_browser(qtbot, face, work, shown):
    page = shown(SIGNED_OUT)
    assert QApplication.focusWidget() is page.sign_in.browser
    press(qtbot, page.sign_in.browser)
    qtbot.waitUntil(lambda: page.sign_in.address.text().startswith("https://credits.example/authorize"))
    assert page.sign_in.stack.currentIndex() == BROWSER
    face.approved.set()
    qtbot.waitUntil(lambda: page.balance.account.number.text() == "118")
    assert page.notice.text.text() == "You are signed in."
    qtbot.waitUntil(lambda: page.model.rowCount() == 5)


def test_a_cancel_goes_back_to_the_ways(qtbot, face, work, shown):
    page = shown(SIGNED_OUT)
    for start in (page.sign_in.browser, page.sign_in.by_code):
        press(qtbot, start)
        qtbot.waitUntil(
            lambda: page.sign_in.stack.currentIndex() in (BROWSER, CODE) and work.doing in ("browser", "wait")
        )
        with qtbot.waitSignal(work.ended):
            page.sign_in._stop()
        qtbot.waitUntil(lambda: work.doing == "")
        assert page.sign_in.stack.currentIndex() == WAYS
        assert not page.notice.isVisible()
    assert work.state == "signed_out"


def test_signing_in_by_a_code(qtbot, face, work, shown):
    page = shown(SIGNED_OUT)
    urls = []
    work.url_asked.connect(urls.append)
    press(qtbot, page.sign_in.by_code)
    qtbot.waitUntil(lambda: work.doing == "wait")
    assert page.sign_in.stack.currentIndex() == CODE
    assert page.sign_in.code.text() == "WDJB-MJHT"
    assert page.sign_in.code.font().pointSizeF() > 2 * page.font().pointSizeF()
    assert "Open https://credits.example/device and type:" in texts(page)
    assert page.sign_in._code_left.text() in ("Good for 10:00 more", "Good for 9:59 more")
    press(qtbot, page.sign_in.copy)
    assert QApplication.clipboard().text() == "WDJB-MJHT"
    press(qtbot, page.sign_in.open_page)
    assert urls == ["https://credits.example/device?code=WDJB-MJHT"]
    face.approved.set()
    qtbot.waitUntil(lambda: work.state == "online")


def test_a_sign_in_that_failed_says_why_and_can_be_tried_again(qtbot, face, work, shown):
    page = shown(SIGNED_OUT)
    face.faults["browser"] = NotAvailable("Nobody signed in within two minutes.", reason="sign_in_timed_out")
    press(qtbot, page.sign_in.browser)
    qtbot.waitUntil(page.notice.isVisible)
    assert page.notice.text.text().startswith("Nobody signed in within two minutes. Start again")
    assert page.sign_in.stack.currentIndex() == WAYS
    assert page.sign_in.browser.isEnabled()


def test_a_licence_key(qtbot, face, work, shown):
    page = shown(SIGNED_OUT)
    press(qtbot, page.sign_in.by_key)
    assert page.sign_in.stack.currentIndex() == KEY
    assert QApplication.focusWidget() is page.sign_in.key
    assert not page.sign_in.use_key.isEnabled()
    face.faults["redeem"] = UsageProblem("This is no licence key: one letter is wrong.", reason="bad_key")
    qtbot.keyClicks(page.sign_in.key, f" {GOOD_KEY} ")
    qtbot.keyClick(page.sign_in.key, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "one letter is wrong" in page.notice.text.text())
    assert page.sign_in.stack.currentIndex() == KEY, "the key stays to be mended"
    del face.faults["redeem"]
    qtbot.keyClick(page.sign_in.key, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: work.state == "online")
    assert face.asked("redeem")[-1] == ("redeem", GOOD_KEY)
    assert page.who.text() == "Account ZESRPD · Studio PC"


def test_a_machine_without_a_network(qtbot, face, work, shown, tmp_path, monkeypatch):
    page = shown(SIGNED_OUT)
    press(qtbot, page.sign_in.by_files)
    assert page.sign_in.stack.currentIndex() == FILES
    assert any("sign in at https://credits.example" in text for text in texts(page))
    request, answer = tmp_path / "a.osreq", tmp_path / "a.oslic"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(request), "")))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(answer), "")))
    press(qtbot, page.sign_in.request)
    qtbot.waitUntil(lambda: page.notice.text.text() == "Saved: a.osreq")
    assert request.is_file()
    face.faults["import"] = UsageProblem("This is an answer for another machine.", reason="other_device")
    press(qtbot, page.sign_in.take)
    qtbot.waitUntil(lambda: page.notice.text.text() == "This is an answer for another machine.")
    del face.faults["import"]
    press(qtbot, page.sign_in.take)
    qtbot.waitUntil(lambda: work.state == "offline")
    assert page.balance.here.number.text() == "40"
    receipts = tmp_path / "a.osrcp"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(receipts), "")))
    qtbot.waitUntil(page.commands["receipts"].isEnabled)
    page.commands["receipts"].trigger()
    qtbot.waitUntil(lambda: page.notice.text.text().startswith("Saved: a.osrcp."))


def test_taking_along_and_giving_back(qtbot, face, work, shown):
    page = shown(ONLINE)
    press(qtbot, page.along)
    dialog = dialog_of(qtbot, page, AlongDialog)
    assert dialog.credits.number.maximum() == 59
    dialog.credits.number.setValue(40)
    dialog.days.number.setValue(3)
    assert "Stable Diffusion XL: 20 pictures" in dialog._enough.text()
    press(qtbot, dialog.go)
    qtbot.waitUntil(lambda: page.balance.here.number.text() == "40")
    assert face.asked("take") == [("take", 40, 3)]
    assert page.balance.account.number.text() == "78"
    qtbot.waitUntil(page.balance.give_back.isEnabled)
    press(qtbot, page.balance.give_back)
    qtbot.waitUntil(lambda: page.balance.here.number.text() == "0")
    qtbot.waitUntil(lambda: page.balance.account.number.text() == "118")
    assert "in your account again" in page.notice.text.text()


@pytest.mark.parametrize(("available", "most"), [(0, 0), (1, 1), (2, 1), (3, 2), (118, 59), (5000, 500)])
def test_at_most_half_is_taken_along(qtbot, available, most):
    assert most_along(available) == most
    dialog = AlongDialog(available, {"sdxl": 2})
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.go.isEnabled() is bool(most)
    assert dialog.credits.value <= max(1, most)
    assert dialog._why.text()


def test_buying_waits_until_it_is_paid(qtbot, face, work, shown):
    work._again.setInterval(10)
    urls = []
    work.url_asked.connect(urls.append)
    page = shown(ONLINE)
    page.notice.say("You are signed in.", good=True)
    press(qtbot, page.buy)
    dialog = dialog_of(qtbot, page, BuyDialog)
    qtbot.waitUntil(lambda: dialog.chosen == "p200")
    assert dialog.boxes["p1000"].accessibleName() == "1,000 credits for €79.00"
    assert "best price" in dialog.boxes["p1000"].accessibleDescription()
    qtbot.waitUntil(lambda: dialog.focusWidget() is dialog.boxes["p200"])
    qtbot.keyClick(dialog.boxes["p200"], Qt.Key.Key_Up)
    assert dialog.chosen == "p50"
    press(qtbot, dialog.pay)
    qtbot.waitUntil(lambda: "Waiting for the payment of 50 credits" in texts(dialog))
    assert urls == ["https://pay.example/c/1"]
    press(qtbot, dialog.again)
    assert len(urls) == 2
    face.settle_order("paid")
    qtbot.waitUntil(lambda: "Paid: 50 credits" in texts(dialog))
    assert not dialog.again.isVisible()
    qtbot.waitUntil(lambda: page.balance.account.number.text() == "168")
    assert not page.notice.isVisible(), "what was said of the deed before is over"


def test_a_purchase_arrives_when_its_dialog_was_closed(qtbot, face, work, shown):
    work._again.setInterval(10)
    page = shown(ONLINE)
    press(qtbot, page.buy)
    dialog = dialog_of(qtbot, page, BuyDialog)
    qtbot.waitUntil(dialog.pay.isEnabled)
    press(qtbot, dialog.pay)
    qtbot.waitUntil(lambda: work.order != "")
    with qtbot.waitSignal(dialog.destroyed):
        dialog.reject()
    face.settle_order("paid")
    qtbot.waitUntil(lambda: page.balance.account.number.text() == "318")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("expired", "The payment was not made. Nothing was taken. Choose a pack to try again."),
        ("failed", "The payment was not made. Nothing was taken. Choose a pack to try again."),
        ("review", "The payment is being checked"),
        ("refunded", "The payment was returned"),
    ],
)
def test_other_ends_of_a_purchase(qtbot, face, work, shown, state, says):
    work._again.setInterval(10)
    page = shown(ONLINE)
    press(qtbot, page.buy)
    dialog = dialog_of(qtbot, page, BuyDialog)
    qtbot.waitUntil(dialog.pay.isEnabled)
    press(qtbot, dialog.pay)
    qtbot.waitUntil(lambda: work.order != "")
    face.settle_order(state)
    qtbot.waitUntil(lambda: says in texts(dialog))
    again = state in ("expired", "failed")
    assert (dialog.pay.isVisible() and dialog.pay.isEnabled()) is again


def test_a_shop_that_is_shut_or_out_of_reach(qtbot, face, work, monkeypatch):
    monkeypatch.setattr(face, "packs", lambda: ())
    dialog = BuyDialog(work)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: "Nothing can be bought at the moment." in texts(dialog))
    assert not dialog.pay.isEnabled()

    def gone():
        raise NotAvailable("The server cannot be reached.", reason="offline")

    monkeypatch.setattr(face, "packs", gone)
    work.load_packs()
    qtbot.waitUntil(lambda: any("Check the connection" in text for text in texts(dialog)))


def test_signing_out_asks_first(qtbot, face, work, shown, monkeypatch):
    page = shown(LEASED)
    asked = []
    answer = [QMessageBox.StandardButton.No]
    monkeypatch.setattr(QMessageBox, "question", staticmethod(lambda *said: asked.append(said[2]) or answer[0]))
    press(qtbot, page.sign_out)
    assert "40 credits on this machine are given back first." in asked[0]
    assert face.asked("sign_out") == []
    answer[0] = QMessageBox.StandardButton.Yes
    press(qtbot, page.sign_out)
    qtbot.waitUntil(lambda: work.state == "signed_out")
    assert page.sign_in.isVisible()
    assert page.notice.text.text() == "You are signed out."


def test_a_key_can_be_added_to_an_account(qtbot, face, work, shown, monkeypatch):
    page = shown(ONLINE)
    monkeypatch.setattr(QInputDialog, "getText", staticmethod(lambda *_: (f" {GOOD_KEY}", True)))
    page.commands["key"].trigger()
    qtbot.waitUntil(lambda: page.notice.text.text().startswith("The key is used"))
    assert face.asked("redeem") == [("redeem", GOOD_KEY)]


def test_a_fault_of_a_deed_is_one_sentence(qtbot, face, work, shown):
    page = shown(LEASED)
    face.faults["give_back"] = NotAvailable("The server cannot be reached.", reason="offline", hint="Use --later.")
    press(qtbot, page.balance.give_back)
    qtbot.waitUntil(
        lambda: page.notice.text.text() == "The server cannot be reached. Check the connection, then try again."
    )
    assert page.balance.give_back.isEnabled()


@pytest.mark.parametrize("now", [SIGNED_OUT, ONLINE, LEASED, OFFLINE])
def test_every_control_has_a_name_and_tab_reaches_it(qtbot, shown, now):
    page = shown(now)
    reached = set()
    for _ in range(40):
        focused = QApplication.focusWidget()
        if focused is not None:
            reached.add(focused)
        qtbot.keyClick(focused or page, Qt.Key.Key_Tab)
    for control in controls(page):
        assert (control.accessibleName() or getattr(control, "text", str)()).strip(), control
        if control.isVisible() and control.isEnabled():
            assert control in reached, control.accessibleName()
