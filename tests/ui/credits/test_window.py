"""The credits in the window: nothing at all where nothing is charged; else a corner, a price, and a way out of a refusal."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLabel, QMessageBox, QWidget

from outfitswap_desktop.engine.messages import Problem
from outfitswap_desktop.ui.credits.badge import CreditsBadge
from outfitswap_desktop.ui.credits.page import CreditsPage
from outfitswap_desktop.ui.wording import CREDIT_REASONS, in_window
from tests.ui.credits.fake import LEASED, NONE, OFFLINE, ONLINE, SIGNED_OUT, STUCK, FakeLicensing
from tests.ui.windows import main_window, open_photo, run

NO_CREDITS = Problem(
    "not_available", "no_credits", "The account has 1 credit, and this picture costs 2.", "outfitswap licence buy"
)


@pytest.mark.parametrize(
    ("status", "text", "in_tip"),
    [
        (ONLINE, "118 credits", "Set aside for running jobs: 4"),
        (LEASED, "138 credits", "On this machine until"),
        (OFFLINE, "Offline, 40 credits here", "In the account: 98 credits"),
        (SIGNED_OUT, "Signed out", "Sign in to run the engines for a graphics card."),
        (STUCK, "Read-only for now", "Your results stay yours"),
        (replace(OFFLINE, lease_left=0), "Offline", "only the fabric engine runs"),
    ],
)
def test_the_corner_says_how_things_stand(qtbot, status, text, in_tip):
    badge = CreditsBadge()
    qtbot.addWidget(badge)
    badge.show_status(status)
    assert badge.text().strip() == text
    assert in_tip in badge.toolTip()
    assert badge.accessibleName() == f"Credits: {text}"


def test_the_corner_goes_when_nothing_is_charged_any_more(qtbot):
    badge = CreditsBadge()
    qtbot.addWidget(badge)
    badge.show_status(ONLINE)
    assert not badge.isHidden()
    badge.show_status(NONE)
    assert badge.isHidden()


def test_nothing_shows_where_nothing_is_charged(qtbot):
    face = FakeLicensing(NONE)
    with main_window(qtbot, licensing=lambda: face) as window:
        shop = window.workshop
        qtbot.waitUntil(lambda: shop.credits.work.status is face.now)
        window.go("edit")
        words = [part.text() for part in window.findChildren(QLabel) if part.isVisible()]
        assert not [text for text in words if "credit" in text.lower()]
        seen = [part.objectName() for part in window.findChildren(QWidget) if part.isVisible()]
        assert "creditsBadge" not in seen
        assert shop.editor.run._price.isHidden()
        window.actions_["view.credits"].trigger()
        page = window.findChild(CreditsPage)
        said = [part.text() for part in page.findChildren(QLabel) if part.isVisible() and part.text()]
        assert said == [
            "Credits", "This copy of OutfitSwap charges nothing: every engine runs, without an account and without credits.",
        ]  # fmt: skip
    assert {call[0] for call in face.calls} <= {"status", "refresh", "close"}


def test_a_window_with_credits(qtbot, astronaut_file, monkeypatch):
    face = FakeLicensing(ONLINE)
    with main_window(qtbot, licensing=lambda: face) as window:
        shop = window.workshop
        badge = shop.credits.badge
        qtbot.waitUntil(badge.isVisible)
        qtbot.waitUntil(lambda: face.asked("refresh") != [])
        assert badge.text().strip() == "118 credits"
        shop.installed.changed.emit(frozenset({"sdxl"}))
        shop.installed.engines = frozenset({"sdxl"})
        engine = shop.editor.outfit.advanced.engine
        engine.setCurrentIndex(engine.findData("sdxl"))
        shop.editor.outfit.advanced.variations.setValue(3)
        price = shop.editor.run._price
        assert (price.text(), price.property("role")) == ("Costs 6 credits. 118 left.", "hint")
        engine.setCurrentIndex(engine.findData("fabric"))
        assert price.text() == "Costs no credits."
        shop.editor.outfit.advanced.variations.setValue(1)
        # a job that was paid: what is left is asked again
        open_photo(qtbot, window, astronaut_file, consent="self", adult_attested=True)
        face.now = replace(ONLINE, available=8, low=True)
        run(qtbot, window)
        qtbot.waitUntil(lambda: badge.text().strip() == "8 credits")
        assert "8 credits left." in window._says.text()
        for then, said in (("", ""), ("The photo is open.", "The photo is open.")):  # there are more: the sentence goes
            window.say(then or window._says.text(), stays=bool(then))
            face.now = ONLINE
            with qtbot.waitSignal(shop.credits.work.status_changed):
                shop.credits.work.look()
            assert "credits left." not in window._says.text()
            assert said in window._says.text()
            face.now = replace(ONLINE, available=8, low=True)
            with qtbot.waitSignal(shop.credits.work.status_changed):
                shop.credits.work.look()
            assert "8 credits left." in window._says.text()
        # a job that could not be paid: one box, with a way to the page
        assert not shop.credits.tells(Problem("not_available", "weights_missing", "No weights.", "")), "told as before"
        shop._job_refused("job", NO_CREDITS, ours=True)
        shop._job_refused("job", NO_CREDITS, ours=True)
        (box,) = [one for one in window.findChildren(QMessageBox) if one.isVisible()]
        assert box.text() == NO_CREDITS.message
        assert box.informativeText() == "Buy some on the Credits page; the fabric engine costs none."
        go = next(button for button in box.buttons() if button.text() == "Credits…")
        qtbot.mouseClick(go, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: window.findChild(CreditsPage) is not None and window.findChild(CreditsPage).isVisible())
        page = window.findChild(CreditsPage)
        qtbot.waitUntil(lambda: page.balance.account.number.text() == "8")
        with qtbot.waitSignal(page.destroyed):
            page.window().close()
        # pages are shown in the browser, and nothing else is
        opened = []
        monkeypatch.setattr(
            QDesktopServices, "openUrl", staticmethod(lambda url: opened.append(url.toString()) or True)
        )
        for url in (
            "https://a.example/x?y=1",
            "http://127.0.0.1:8000/z",
            "http://a.example/",
            "file:///etc/passwd",
            "run:me",
            "",
        ):
            shop.credits.open_url(url)
        assert opened == ["https://a.example/x?y=1", "http://127.0.0.1:8000/z"]


def test_no_command_reaches_the_window():
    for reason in CREDIT_REASONS:
        said = in_window(Problem("not_available", reason, "It is so.", "Run: outfitswap licence activate --server URL"))
        assert "outfitswap" not in said.hint
        assert said.hint
