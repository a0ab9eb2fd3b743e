"""Every setting can be changed in the dialog, counts at once, and is kept."""

from dataclasses import fields

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QColorDialog, QComboBox, QFileDialog, QLabel, QPushButton, QSlider

from outfitswap_desktop.store.settings import Settings, SettingsStore
from outfitswap_desktop.ui.pages.settings import SettingsDialog
from outfitswap_desktop.ui.translate import Language


@pytest.fixture
def store(tmp_path):
    made = SettingsStore(tmp_path / "settings.db")
    yield made
    made.close()


@pytest.fixture
def dialog(qtbot, store):
    made = SettingsDialog(store, Language("en"))
    qtbot.addWidget(made)
    made.show()
    return made


def button(dialog, text):
    return next(
        each for each in dialog.findChildren(QPushButton) if text in (each.text().strip(), each.accessibleName())
    )


def test_every_setting_has_its_place(dialog):
    offered = {child.objectName() for child in dialog.findChildren(object) if child.objectName().startswith("setting_")}
    swatches = {"setting_overlay_colour"}
    assert offered | swatches == {f"setting_{field.name}" for field in fields(Settings)}


@pytest.mark.parametrize("name", [field.name for field in fields(Settings) if isinstance(field.default, bool)])
def test_a_check_box_counts_at_once(qtbot, dialog, store, name):
    told = []
    dialog.changed.connect(told.append)
    box = dialog.findChild(QCheckBox, f"setting_{name}")
    before = getattr(store.values, name)
    assert box.isChecked() is before
    assert box.accessibleName()
    qtbot.keyClick(box, Qt.Key.Key_Space)
    assert getattr(store.values, name) is not before
    assert told == [store.values]


@pytest.mark.parametrize("name", ["theme", "language", "format"])
def test_a_choice_counts_at_once(qtbot, dialog, store, name):
    box = dialog.findChild(QComboBox, f"setting_{name}")
    with qtbot.waitSignal(dialog.changed):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    assert getattr(store.values, name) == box.itemData(1) != box.itemData(0)


@pytest.mark.parametrize("name", ["quality", "overlay_opacity"])
def test_a_slider_counts_at_once(qtbot, dialog, store, name):
    store.change(format="jpeg")
    dialog.show_values()
    slider = dialog.findChild(QSlider, f"setting_{name}")
    assert slider.value() == getattr(store.values, name)
    with qtbot.waitSignal(dialog.changed):
        qtbot.keyClick(slider, Qt.Key.Key_Left)
    assert getattr(store.values, name) == slider.value() != getattr(Settings(), name)


def test_quality_is_grey_for_png(dialog, store):
    slider = dialog.findChild(QSlider, "setting_quality")
    assert not slider.isEnabled()
    store.change(format="webp")
    dialog.show_values()
    assert slider.isEnabled()


def test_the_folder_and_back(dialog, store, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(tmp_path / "out")))
    button(dialog, "Choose…").click()
    assert store.values.output_folder == str(tmp_path / "out")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *_: ""))
    button(dialog, "Choose…").click()
    assert store.values.output_folder == str(tmp_path / "out"), "a cancelled dialog changes nothing"
    button(dialog, "Back to the program's own folder").click()
    assert store.values.output_folder == ""


def test_overlay_colours(dialog, store, monkeypatch):
    button(dialog, "Overlay colour #3ddc84").click()
    assert store.values.overlay_colour == "#3ddc84"
    assert button(dialog, "Overlay colour #3ddc84").isChecked()
    assert not button(dialog, "Overlay colour #ff4d6d").isChecked()
    button(dialog, "Overlay colour #3ddc84").click()
    assert button(dialog, "Overlay colour #3ddc84").isChecked(), "a second click does not take it away"
    from PySide6.QtGui import QColor

    monkeypatch.setattr(QColorDialog, "getColor", staticmethod(lambda *_: QColor("#0a0b0c")))
    button(dialog, "Other…").click()
    assert store.values.overlay_colour == "#0a0b0c"


def test_reset_and_forget(qtbot, dialog, store, tmp_path):
    store.opened(tmp_path / "a.png")
    store.change(theme="dark", notify=False)
    with qtbot.waitSignal(dialog.changed):
        dialog.reset.click()
    assert store.values == Settings()
    assert dialog.findChild(QCheckBox, "setting_notify").isChecked()
    assert store.recent() == (tmp_path / "a.png",)
    with qtbot.waitSignal(dialog.recent_forgotten):
        button(dialog, "Forget recent photos").click()
    assert store.recent() == ()


def test_a_machine_made_language_is_said_to_be_one(qtbot, store):
    for language, said in ((Language("de", machine_made=True), True), (Language("en"), False)):
        made = SettingsDialog(store, language)
        qtbot.addWidget(made)
        assert any("translated by a machine" in each.text() for each in made.findChildren(QLabel)) is said


def test_sections_by_keyboard(qtbot, dialog):
    for number in range(1, 4):
        qtbot.keyClick(dialog.sections, Qt.Key.Key_Down)
        assert dialog.pages.currentIndex() == number


def test_settings_that_cannot_be_kept_are_said(qtbot, tmp_path):
    (tmp_path / "own").write_text("a file where the folder should be")
    made = SettingsDialog(SettingsStore(tmp_path / "own" / "settings.db"), Language("en"))
    qtbot.addWidget(made)
    made.show()
    assert any(each.isVisible() and "cannot be kept" in each.text() for each in made.findChildren(QLabel))
