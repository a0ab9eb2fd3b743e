"""Every icon is drawn, sharp, in the theme's colours, and follows the theme."""

import gc

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QToolButton

from outfitswap_desktop import paths
from outfitswap_desktop.ui import icons, theme

WANTED = (
    *(
        "open",
        "paste",
        "save",
        "export",
        "copy",
        "reveal",
        "undo",
        "redo",
        "brush",
        "eraser",
        "lasso",
        "polygon",
        "wand",
        "box",
        "click",
        "hand",
        "invert",
        "fit",
        "eye",
        "person",
    ),
    *(
        "garment",
        "palette",
        "play",
        "stop",
        "pause",
        "queue",
        "history",
        "result",
        "star",
        "star_filled",
        "tag",
        "trash",
        "search",
        "filter",
        "grid",
        "list",
        "tree",
        "settings",
        "weights",
    ),
    *(
        "help",
        "about",
        "report",
        "warning",
        "refused",
        "ok",
        "drop",
        "seed",
        "lock",
        "unlock",
        "dice",
        "refresh",
        "compare",
        "difference",
        "side_by_side",
        "left",
        "right",
        "up",
        "down",
    ),
    *("close", "plus", "minus", "more", "app", "credits"),
)


@pytest.fixture
def dark(qapp):
    made = theme.Appearance(qapp, "dark")
    yield made
    qapp.styleHints().unsetColorScheme()
    qapp.setStyleSheet("")
    qapp.setProperty("outfitswapTheme", None)
    made.deleteLater()


def colours_of(picture):
    image = picture.toImage()
    found = set()
    for y in range(image.height()):
        for x in range(image.width()):
            colour = image.pixelColor(x, y)
            if colour.alpha() > 250:
                found.add(colour.name())
    return found


def test_the_icons_that_are_wanted_are_all_there_are():
    assert sorted(WANTED) == list(icons.names())


@pytest.mark.parametrize("name", WANTED)
def test_an_icon_is_drawn_inside_its_square(qapp, name):
    picture = icons.icon(name).pixmap(QSize(48, 48), 1.0).toImage()
    drawn = [(x, y) for x in range(48) for y in range(48) if picture.pixelColor(x, y).alpha() > 60]
    assert len(drawn) > 60
    assert len(drawn) < 48 * 48 * (0.97 if name == "app" else 0.6)
    if name != "app":
        assert all(1 <= x <= 46 and 1 <= y <= 46 for x, y in drawn), "touches the edge"


@pytest.mark.parametrize("path", sorted((paths.resources_dir() / "icons").glob("*.svg")), ids=lambda path: path.stem)
def test_a_file_is_small_plain_and_takes_the_themes_colour(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 2000
    assert not any(word in text for word in ("<script", "href", "<image", "url(", "<style"))
    if path.stem not in ("app",) and not path.stem.startswith("sheet_"):
        assert 'viewBox="0 0 24 24"' in text
        assert "currentColor" in text
        assert "#" not in text


def test_icons_follow_the_theme_without_being_set_again(qtbot, dark):
    button = QToolButton()
    qtbot.addWidget(button)
    button.setIcon(icons.icon("stop"))
    gc.collect()
    assert colours_of(button.icon().pixmap(32, 32)) == {theme.DARK.text}
    dark.choose("light")
    assert colours_of(button.icon().pixmap(32, 32)) == {theme.LIGHT.text}


def test_modes_and_tints(dark):
    icon = icons.icon("stop")
    assert colours_of(icon.pixmap(32, 32, QIcon.Mode.Normal, QIcon.State.On)) == {theme.DARK.accent}
    disabled = colours_of(icon.pixmap(32, 32, QIcon.Mode.Disabled))
    assert disabled == {theme.mixed(theme.DARK.text, theme.DARK.window, 0.38)}
    assert colours_of(icons.icon("stop", tint="danger").pixmap(32, 32)) == {theme.DARK.danger}
    assert colours_of(icons.pixmap("stop", 32, tint="good")) == {theme.DARK.good}


def test_twice_as_many_pixels_on_a_sharp_screen(qapp):
    picture = icons.icon("brush").pixmap(QSize(20, 20), 2.0)
    assert (picture.width(), picture.devicePixelRatio()) == (40, 2.0)
    assert icons.pixmap("brush", 20, ratio=1.5).width() == 30


def test_an_icon_outlives_whoever_asked_for_it(qapp):
    held = []
    for _ in range(200):
        copy = QIcon(icons.icon("brush"))
        copy.addPixmap(QPixmap(4, 4))  # makes Qt copy the engine
        held.append(copy)
    gc.collect()
    assert all(not copy.pixmap(16, 16).isNull() for copy in held)


def test_no_such_icon():
    with pytest.raises(FileNotFoundError, match="icons/nothing"):
        icons.icon("nothing")


def test_the_programs_own_icon_in_the_sizes_that_systems_ask_for(qapp):
    sizes = {size.width() for size in icons.app_icon().availableSizes()}
    assert sizes >= {16, 32, 48, 256}


def test_a_swatch_shows_its_colour(qapp):
    picture = icons.colour_icon("#3ddc84").pixmap(64, 64).toImage()
    assert picture.pixelColor(32, 32) == QColor("#3ddc84")
