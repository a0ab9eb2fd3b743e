"""Every page is usable by keyboard and by a screen reader: names, tips, and Tab leads to every control."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QSlider,
    QTabBar,
)

from outfitswap_desktop.store.settings import SettingsStore
from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.pages.about import AboutDialog
from outfitswap_desktop.ui.pages.consent import ConsentDialog
from outfitswap_desktop.ui.pages.first_run import FirstRunPage
from outfitswap_desktop.ui.pages.help import HelpDialog
from outfitswap_desktop.ui.pages.recent import Recent
from outfitswap_desktop.ui.pages.report import ReportDialog
from outfitswap_desktop.ui.pages.settings import SettingsDialog
from outfitswap_desktop.ui.pages.start import DropZone, StartPage
from outfitswap_desktop.ui.pages.weights import WeightsPage, WeightsRow
from outfitswap_desktop.ui.translate import Language

CONTROLS = (QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QPlainTextEdit, QSlider, DropZone)


def start(desk, tmp_path):
    page = StartPage()
    page.set_recent([Recent(Path("/a.png"))])
    return page


def first_run(desk, tmp_path):
    return FirstRunPage(desk)


def consent(desk, tmp_path):
    dialog = ConsentDialog("a.png")
    dialog.choose("release")
    return dialog


def settings(desk, tmp_path):
    return SettingsDialog(SettingsStore(tmp_path / "settings.db"), Language("en"))


def weights(desk, tmp_path):
    return WeightsPage([WeightsRow("a", "b", 1, "c", "installed")], possible=True)


def help_dialog(desk, tmp_path):
    actions = Actions(QApplication.instance())
    actions.add(Spec("file.open", "Open", "file", ("Ctrl+O",)), lambda: None)
    return HelpDialog(actions)


def about(desk, tmp_path):
    return AboutDialog()


def report(desk, tmp_path):
    dialog = ReportDialog(desk)
    desk.answer({"report.txt": "x"})
    return dialog


PAGES = (start, first_run, consent, settings, weights, help_dialog, about, report)


@pytest.fixture(params=PAGES, ids=lambda make: make.__name__)
def page(request, qtbot, desk, tmp_path):
    made = request.param(desk, tmp_path)
    qtbot.addWidget(made)
    made.resize(860, 640)
    made.show()
    made.activateWindow()
    qtbot.waitExposed(made)
    return made


def own(widget):
    """Not the parts of another control, such as the clear button of a text field."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, (*CONTROLS, QTabBar)):
            return isinstance(parent, DropZone)
        parent = parent.parentWidget()
    return True


def controls(page):
    return [child for child in page.findChildren(object) if isinstance(child, CONTROLS) and own(child)]


def test_every_control_says_what_it_is(page):
    found = controls(page)
    assert found
    for control in found:
        named = control.accessibleName() or getattr(control, "text", str)()
        assert named.strip(), f"{type(control).__name__} {control.objectName()}"


def test_tab_leads_to_every_control(qtbot, page):
    reached = set()
    for _ in range(80):
        now = QApplication.focusWidget()
        if now is not None:
            reached.add(now)
        qtbot.keyClick(now or page, Qt.Key.Key_Tab)
    for control in controls(page):
        grouped = isinstance(control, QAbstractButton) and control.group() is not None  # arrows move inside a group
        if control.isVisible() and control.isEnabled() and not grouped:
            assert control in reached, f"{type(control).__name__} {control.objectName()} {control.accessibleName()}"


@pytest.mark.parametrize("choice", ["dark", "light"])
def test_a_page_is_painted_in_both_themes(qapp, page, choice):
    appearance = theme.Appearance(qapp, choice)
    try:
        picture = page.grab().toImage()
        ground = theme.current().window
        corner = picture.pixelColor(2, picture.height() - 3).name()
        assert corner == ground
        colours = {picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}
        assert len(colours) > 20
    finally:
        qapp.styleHints().colorSchemeChanged.disconnect(appearance._follow)
        qapp.setStyleSheet("")
        qapp.setProperty("outfitswapTheme", None)
        appearance.deleteLater()
