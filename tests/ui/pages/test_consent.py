"""The statement of consent, in the words that a SwapRequest takes, by keyboard alone."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QDialog, QFileDialog, QLabel, QPushButton, QRadioButton

from outfitswap_desktop.safety.statements import KINDS
from outfitswap_desktop.ui.pages.consent import ConsentDialog


@pytest.fixture
def dialog(qtbot):
    made = ConsentDialog("portrait.jpg", picture=QImage(300, 200, QImage.Format.Format_RGB32))
    qtbot.addWidget(made)
    made.show()
    return made


def test_the_four_answers_are_those_that_the_gates_know(dialog):
    offered = [button.objectName() for button in dialog.findChildren(QRadioButton)]
    assert offered == [f"consent_{kind}" for kind in KINDS]


@pytest.mark.parametrize("kind", ["self", "synthetic", "licensed"])
def test_an_answer_and_the_age_are_both_needed(dialog, kind):
    assert not dialog.go.isEnabled()
    dialog.choose(kind)
    assert not dialog.go.isEnabled()
    assert dialog.consent == kind
    dialog.adult.setChecked(True)
    assert dialog.go.isEnabled()
    assert dialog.adult_attested


def test_the_age_alone_is_not_enough(dialog):
    dialog.adult.setChecked(True)
    assert not dialog.go.isEnabled()
    assert dialog.consent is None


def test_a_release_needs_its_file(qtbot, dialog, tmp_path, monkeypatch):
    assert not dialog.file.isVisible()
    dialog.choose("release")
    dialog.adult.setChecked(True)
    assert dialog.file.isVisible()
    assert not dialog.go.isEnabled()
    signed = tmp_path / "signed release.pdf"
    signed.write_bytes(b"signed")
    dialog.file.setText(str(tmp_path / "another.pdf"))
    assert not dialog.go.isEnabled()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(signed), "")))
    next(button for button in dialog.findChildren(QPushButton) if "Choose" in button.text()).click()
    assert dialog.go.isEnabled()
    assert dialog.consent == f"release:{signed}"
    dialog.choose("self")
    assert not dialog.file.isVisible()
    assert dialog.consent == "self"


def test_an_answer_that_is_none(dialog):
    with pytest.raises(ValueError, match="not in tuple"):
        dialog.choose("maybe")


def test_by_keyboard_alone(qtbot, dialog):
    first = dialog.findChild(QRadioButton, "consent_self")
    first.setFocus()
    qtbot.keyClick(first, Qt.Key.Key_Space)
    assert dialog.consent == "self"
    dialog.adult.setFocus()
    qtbot.keyClick(dialog.adult, Qt.Key.Key_Space)
    with qtbot.waitSignal(dialog.accepted):
        qtbot.keyClick(dialog.adult, Qt.Key.Key_Return)
    assert dialog.result() == QDialog.DialogCode.Accepted


def test_return_states_nothing_while_something_is_missing(qtbot, dialog):
    dialog.choose("self")
    qtbot.keyClick(dialog.adult, Qt.Key.Key_Return)
    assert dialog.isVisible()


def test_esc_states_nothing(qtbot, dialog):
    dialog.choose("self")
    dialog.adult.setChecked(True)
    with qtbot.waitSignal(dialog.rejected):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)


def test_only_the_age_when_consent_is_known(qtbot):
    made = ConsentDialog("x.png", reason="They look about 22.", needs_consent=False)
    qtbot.addWidget(made)
    made.show()
    assert made.findChildren(QRadioButton) == []
    assert any(label.text() == "They look about 22." for label in made.findChildren(QLabel))
    assert not made.go.isEnabled()
    made.adult.setChecked(True)
    assert made.go.isEnabled()
    assert made.consent is None


def test_texts_are_never_markup(qtbot):
    made = ConsentDialog("<b>x</b>.png", reason="<img src='http://host/x.png'>")
    qtbot.addWidget(made)
    texts = [label for label in made.findChildren(QLabel) if "<" in label.text()]
    assert len(texts) == 2
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in texts)
