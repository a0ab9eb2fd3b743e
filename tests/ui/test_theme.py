"""Both themes are readable by WCAG's arithmetic, follow the system, and can be changed while the window is open."""

import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QLabel, QPushButton

from outfitswap_desktop.ui import style, theme

BOTH = pytest.mark.parametrize("shown", [theme.DARK, theme.LIGHT], ids=["dark", "light"])


def contrast(one, other):
    """WCAG 2.2's contrast ratio of two colours "#rrggbb"."""
    lights = []
    for colour in (one, other):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.fixture
def appearance(qapp):
    made = theme.Appearance(qapp, "light")
    yield made
    qapp.styleHints().unsetColorScheme()
    qapp.setStyleSheet("")
    qapp.setProperty("outfitswapTheme", None)
    made.deleteLater()


def test_the_arithmetic_of_contrast():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@BOTH
def test_text_is_readable_on_everything_it_stands_on(shown):
    for text in (shown.text, shown.dim, shown.danger, shown.warning, shown.good, shown.accent):
        for ground in (shown.window, shown.panel, shown.field):
            assert contrast(text, ground) >= 4.5, (text, ground)
    assert contrast(shown.accent_text, shown.accent) >= 4.5
    assert contrast(shown.text, theme.chosen_row(shown)) >= 4.5
    notice = theme.mixed(shown.accent, shown.panel, 0.10)
    assert contrast(shown.text, notice) >= 4.5
    assert contrast(shown.dim, notice) >= 4.5


@BOTH
def test_controls_stand_out_from_what_is_behind_them(shown):
    for control in (shown.edge, shown.accent, shown.danger, shown.warning, shown.good):
        for ground in (shown.window, shown.panel, shown.field):
            assert contrast(control, ground) >= 3.0, (control, ground)


@BOTH
def test_the_greys_around_a_photo_have_no_tint(shown):
    for grey in (shown.window, shown.panel, shown.field, shown.canvas, shown.text, shown.dim, shown.line, shown.edge):
        assert len({grey[1:3], grey[3:5], grey[5:7]}) == 1, grey


@BOTH
def test_the_style_sheet_is_filled_and_understood(qtbot, shown):
    text = style.filled(shown, points=10)
    assert "$" not in text
    assert "px images" not in text
    for path in re.findall(r'url\("([^"]+)"\)', text):
        assert path.endswith(".svg")
        assert open(path, encoding="utf-8").read().startswith("<svg")  # noqa: PTH123, SIM115
    button = QPushButton("x")
    qtbot.addWidget(button)
    button.setStyleSheet(text)  # Qt warns of a sheet that it cannot parse, and a warning fails the test
    button.ensurePolished()


@BOTH
def test_the_palette_carries_the_theme(shown):
    colours = theme.palette(shown)
    assert colours.color(QPalette.ColorRole.Window).name() == shown.window
    assert colours.color(QPalette.ColorRole.Highlight).name() == shown.accent
    faint = colours.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text).name()
    assert 1.5 < contrast(faint, shown.window) < contrast(shown.dim, shown.window)


def test_another_theme_at_once_and_told_once(qtbot, qapp, appearance):
    label = QLabel("x")
    qtbot.addWidget(label)
    label.show()
    told = []
    appearance.changed.connect(told.append)
    appearance.choose("dark")
    assert theme.current() is theme.DARK
    assert told == [theme.DARK]
    assert label.palette().color(QPalette.ColorRole.Window).name() == theme.DARK.window
    appearance.choose("dark")
    assert told == [theme.DARK]
    appearance.choose("light")
    assert told == [theme.DARK, theme.LIGHT]
    assert theme.current() is theme.LIGHT


def test_the_system_is_followed_only_when_that_is_wanted(qapp, appearance):
    asked = [theme.DARK]
    following = theme.Appearance(qapp, "system", system=lambda: asked[-1])
    turned = qapp.styleHints().colorSchemeChanged
    try:
        assert theme.current() is theme.DARK
        asked.append(theme.LIGHT)
        turned.emit(Qt.ColorScheme.Light)
        assert theme.current() is theme.LIGHT
        following.choose("dark")
        turned.emit(Qt.ColorScheme.Light)
        assert theme.current() is theme.DARK, "the user said dark"
    finally:
        turned.disconnect(following._follow)
        following.deleteLater()


def test_a_role_can_change_after_a_widget_was_shown(qtbot, appearance):
    label = QLabel("x")
    qtbot.addWidget(label)
    label.show()
    theme.set_role(label, "danger")
    assert label.palette().color(QPalette.ColorRole.WindowText) == QColor(theme.LIGHT.danger)
    theme.set_role(label, "hint")
    assert label.palette().color(QPalette.ColorRole.WindowText) == QColor(theme.LIGHT.dim)


def test_mixing_colours():
    assert theme.mixed("#ffffff", "#000000", 0.5) == "#808080"
    assert theme.mixed("#123456", "#abcdef", 1.0) == "#123456"
    assert theme.mixed("#123456", "#abcdef", 0.0) == "#abcdef"
