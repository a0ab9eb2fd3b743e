"""The field for the words: completion from the vocabulary, and the prompt policy's answer in place while one types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QEvent, QObject, QStringListModel, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCompleter,
    QHBoxLayout,
    QLabel,
    QListView,
    QPlainTextEdit,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.engine.messages import CheckPrompt, CompleteWord, Problem, PromptChecked
from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.outfit.outfit import MOST_CHARACTERS
from outfitswap_desktop.ui.tab_order import in_order

if TYPE_CHECKING:
    from outfitswap_desktop.ui.worker import Desk

CHECK_AFTER_MS: Final = 300
"""How long the typing must rest before the words are checked."""
SHORTEST_PREFIX: Final = 2


class WordField(QPlainTextEdit):
    """A few lines of text. Tab and Enter take the completion that shows, else they leave the field and run the job."""

    submitted = Signal()
    prefix_typed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setAccessibleName(self.tr("What to wear"))
        self.setPlaceholderText(self.tr("For example: navy pinstripe linen"))
        self.setFixedHeight(self.fontMetrics().lineSpacing() * 3 + 20)
        self._found = QStringListModel(self)
        self._completer = QCompleter(self._found, self)
        self._completer.setWidget(self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._popup = QListView(self)
        self._popup.setAccessibleName(self.tr("Words that fit"))
        self._completer.setPopup(self._popup)
        self._popup.installEventFilter(self)
        self._completer.activated.connect(lambda word: self._take(str(word)))

    def words_offered(self, words: tuple[str, ...], prefix: str) -> None:
        """Show completions for `prefix`, if that is still what stands before the cursor."""
        offered = [word for word in words if word != prefix]
        if prefix != self._prefix() or not offered or not self.hasFocus():
            self._popup.hide()
            return
        self._found.setStringList(offered)
        self._completer.setCompletionPrefix(prefix)
        place = self.cursorRect()
        place.setWidth(self._popup.sizeHintForColumn(0) + 40)
        self._completer.complete(place)

    def underline(self, words: str) -> None:
        """Mark the refused `words` where they stand; "" takes the marks away."""
        marks = []
        if words:
            wave = QTextCharFormat()
            wave.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
            wave.setUnderlineColor(QColor(theme.current().danger))
            cursor = self.document().find(words)
            while not cursor.isNull():
                mark = QTextEdit.ExtraSelection()
                mark.cursor, mark.format = cursor, wave
                marks.append(mark)
                cursor = self.document().find(words, cursor)
        self.setExtraSelections(marks)

    def replace_words(self, old: str, new: str) -> None:
        """Put `new` in place of the first `old`, as one step of the field's own undo."""
        cursor = self.document().find(old)
        if not cursor.isNull():
            cursor.insertText(new)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter runs the job, Shift+Enter breaks the line; with completions shown, both keys and Tab take one."""
        popup = self._popup
        if popup.isVisible() and event.key() in {
            Qt.Key.Key_Enter,
            Qt.Key.Key_Return,
            Qt.Key.Key_Tab,
            Qt.Key.Key_Escape,
        }:
            chosen = popup.currentIndex()
            if event.key() == Qt.Key.Key_Tab and not chosen.isValid():
                chosen = self._found.index(0)
            popup.hide()
            if event.key() != Qt.Key.Key_Escape and chosen.isValid():
                self._take(str(chosen.data()))
                return
            if event.key() == Qt.Key.Key_Escape:
                return
        if (
            event.key() in {Qt.Key.Key_Enter, Qt.Key.Key_Return}
            and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        ):
            self.submitted.emit()
            return
        super().keyPressEvent(event)
        if event.text() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            prefix = self._prefix()
            if len(prefix) >= SHORTEST_PREFIX:
                self.prefix_typed.emit(prefix)
            else:
                popup.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A click on a button beside the completions presses it too: Qt only closes them, and the click is lost."""
        if (
            watched is self._popup
            and isinstance(event, QMouseEvent)
            and event.type() == QEvent.Type.MouseButtonPress
            and event.button() == Qt.MouseButton.LeftButton
        ):
            place = event.globalPosition().toPoint()
            below = QApplication.widgetAt(place)
            if not self._popup.geometry().contains(place) and isinstance(below, QAbstractButton):
                QTimer.singleShot(0, below, below.click)
        return super().eventFilter(watched, event)

    def focusNextPrevChild(self, forwards: bool) -> bool:
        """Tab takes a completion while some show, and moves on otherwise."""
        return False if self._popup.isVisible() else super().focusNextPrevChild(forwards)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Completions go with the focus, unless it went to them."""
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._popup.hide()
        super().focusOutEvent(event)

    def _prefix(self) -> str:
        cursor = self.textCursor()
        before = cursor.block().text()[: cursor.positionInBlock()]
        return before[max(before.rfind(" "), before.rfind(",")) + 1 :]

    def _take(self, word: str) -> None:
        cursor = self.textCursor()
        cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor, len(self._prefix()))
        cursor.insertText(word + " ")
        self.setTextCursor(cursor)


class WordsPanel(QWidget):
    """The field, and beneath it how many characters are left, or why the words are refused and what would do."""

    changed = Signal(str)
    submitted = Signal()
    checked = Signal(object)
    """The PromptChecked of what stands in the field; None while it is being checked or empty."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._answer: PromptChecked | None = None
        self._before = ""
        self.field = WordField(self)
        self._says = QLabel(self)
        self._says.setWordWrap(True)
        self._says.setTextFormat(Qt.TextFormat.PlainText)
        self._says.setProperty("role", "hint")
        self._says.setAccessibleDescription(self.tr("What is said of the words"))
        self._near = QWidget(self)
        self._near_row = QHBoxLayout(self._near)
        self._near_row.setContentsMargins(0, 0, 0, 0)
        self._near.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.field, self._says, self._near):
            column.addWidget(part)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(CHECK_AFTER_MS)
        self._rest.timeout.connect(self._check)
        self.field.textChanged.connect(self._typed)
        self.field.submitted.connect(self.submitted)
        self.field.prefix_typed.connect(self._complete)
        self._say(None)

    @property
    def text(self) -> str:
        return self.field.toPlainText()

    @property
    def answer(self) -> PromptChecked | None:
        return self._answer

    def set_text(self, text: str) -> None:
        """Put other words into the field; the field's own undo keeps what was there."""
        if text != self.text:
            cursor = QTextCursor(self.field.document())
            cursor.select(QTextCursor.SelectionType.Document)
            cursor.insertText(text)

    def set_before(self, words: str) -> None:
        """Words that styles put before the field's: they are checked with it, and not shown."""
        if words != self._before:
            self._before = words
            self._typed()

    def _typed(self) -> None:
        self._answer = None
        self.field.underline("")
        self._say(None)
        self.checked.emit(None)
        self.changed.emit(self.text)
        if self.text.strip():
            self._rest.start()
        else:
            self._rest.stop()

    def _check(self) -> None:
        asked = f"{self._before} {self.text}".strip()
        self._desk.ask(CheckPrompt(asked), self._answered, self._not_checked, key="prompt")

    def _answered(self, answer: Any) -> None:
        if isinstance(answer, PromptChecked) and answer.prompt == f"{self._before} {self.text}".strip():
            self._answer = answer
            self._say(answer)
            self.checked.emit(answer)

    def _not_checked(self, problem: Problem) -> None:
        self._answer = PromptChecked(self.text, False, "", "", (), problem.message, problem.hint)
        self._say(self._answer)
        self.checked.emit(self._answer)

    def _complete(self, prefix: str) -> None:
        def offered(words: Any) -> None:
            self.field.words_offered(tuple(words), prefix)

        self._desk.ask(CompleteWord(prefix), offered, lambda _problem: None, key="complete")

    def _say(self, answer: PromptChecked | None) -> None:
        left = MOST_CHARACTERS - len(self.text)
        while (row := self._near_row.takeAt(0)) is not None:
            if (old := row.widget()) is not None:
                old.deleteLater()
        self._near.hide()
        refused = answer is not None and not answer.allowed
        self._says.setProperty("role", "danger" if refused or left < 0 else "hint")
        self._says.style().polish(self._says)
        if answer is not None and refused:
            self.field.underline(answer.word)
            self._says.setText(f"{answer.message} {answer.hint}".strip())
            self._offer(answer)
        elif left < 0:
            self._says.setText(self.tr("{count} characters too many.").format(count=-left))
        elif answer is not None:
            self._says.setText(self.tr("These words are fine."))
        else:
            self._says.setText(self.tr("{count} characters left.").format(count=left) if self.text else "")

    def _offer(self, answer: PromptChecked) -> None:
        for word in answer.suggestions[:4]:
            button = QPushButton(word, self._near)
            button.setProperty("role", "chip")
            button.setToolTip(self.tr("Write {new} instead of {old}").format(new=word, old=answer.word))
            button.clicked.connect(lambda _checked=False, new=word: self.field.replace_words(answer.word, new))
            self._near_row.addWidget(button)
        if answer.suggestions:
            in_order(self.field, *self._near.findChildren(QPushButton))
            self._near_row.addStretch()
            self._near.show()
