"""The main window: pages, menus and status line, and what passes between session, desk, queue and history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QByteArray, Qt, QTimer
from PySide6.QtGui import QActionGroup, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QPaintEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QLabel,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.incoming import FILTER, Pasting, files_in, takes
from outfitswap_desktop.ui.menus import fill, titles
from outfitswap_desktop.ui.offer_bar import OfferBar
from outfitswap_desktop.ui.pages.start import StartPage

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from outfitswap_desktop.engine.client import EngineClient
    from outfitswap_desktop.engine.messages import Problem
    from outfitswap_desktop.licensing.account import Licensing
    from outfitswap_desktop.store.settings import Settings, SettingsStore
    from outfitswap_desktop.ui.theme import Appearance
    from outfitswap_desktop.ui.translate import Language
    from outfitswap_desktop.ui.workshop import Workshop

PAGES: Final = ("start", "edit", "result", "history", "queue")
NOTICE_MS: Final = 12_000
GEOMETRY, STATE = "window.geometry", "window.state"


class MainWindow(QMainWindow):
    """Shows the start page at once; everything else is built behind it (`Workshop`): the first paint waits for nothing."""

    def __init__(
        self,
        settings: SettingsStore,
        appearance: Appearance,
        language: Language,
        *,
        clients: Callable[[str], EngineClient] | None = None,
        licensing: Callable[[], Licensing] | None = None,
    ) -> None:
        """`clients` makes the client of an engine process by its name; tests hand in their own.

        `licensing` opens the credits, on a thread of theirs; None: nothing is charged.
        """
        super().__init__()
        self.clients = clients
        self.licensing = licensing
        self.settings = settings
        self.appearance = appearance
        self.language = language
        self.actions_ = Actions(self)
        self.pasting = Pasting(self)
        self.pasting.ready.connect(self.open_photo)
        self.pages = QStackedWidget(self)
        self.start_page = StartPage(self)
        self._workshop: Workshop | None = None
        self._first_photo: Path | None = None
        self._shown: dict[str, QWidget] = {"start": self.start_page}
        self._gate: QWidget | None = None
        self._gated: list[QAction] = []
        self._painted = self._to_build = False
        self.setWindowTitle("OutfitSwap")
        self.setAcceptDrops(True)
        self.setMinimumSize(760, 540)
        self.resize(1360, 860)
        self._offer = OfferBar(self)
        middle = QWidget(self)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._offer)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(middle)
        self.pages.addWidget(self.start_page)
        self._add_actions()
        self._bar = self._tool_bar()
        self._says = QLabel(self)
        self._says.setTextFormat(Qt.TextFormat.PlainText)
        self._says.setAccessibleDescription(self.tr("Messages"))  # its name is what it says
        self.statusBar().addWidget(self._says, 1)
        self._forget = QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.setInterval(NOTICE_MS)
        self._forget.timeout.connect(self._say_standing)
        self._standing = ""
        self._connect_start()
        self._restore_place()

    # Starting and ending

    def start(self, photo: Path | None = None) -> None:
        """Build what stands behind the start page once that has been painted; then open `photo`."""
        self._first_photo = photo
        self._to_build = True
        if self._painted:
            self._build_soon()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The first paint is what the rest waits for."""
        super().paintEvent(event)
        self._painted = True
        if self._to_build:
            self._build_soon()

    def _build_soon(self) -> None:
        self._to_build = False
        QTimer.singleShot(0, self, lambda: self.workshop)

    @property
    def workshop(self) -> Workshop:
        """Session, desk, queue and the other pages; built at the first call."""
        if self._workshop is None:
            from outfitswap_desktop.ui.workshop import Workshop

            self._workshop = Workshop(self)
            self._workshop.begin(self._first_photo)
        return self._workshop

    def shut_down(self) -> None:
        """End threads and engine processes; nothing is left running. May be called twice."""
        if self._workshop is not None:
            self._workshop.close()
        self.pasting.close()
        self.settings.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask when jobs still run; they go on at the next start."""
        if self._workshop is not None and self._workshop.jobs_left and self.settings.values.confirm_close:
            answer = QMessageBox.question(
                self,
                self.tr("Close OutfitSwap?"),
                self.tr(
                    "{count} jobs have not ended. Those that wait go on at the next start; the one that runs is stopped and "
                    "can be taken up again in the queue."
                ).format(count=self._workshop.jobs_left),
                QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
            )
            if answer != QMessageBox.StandardButton.Close:
                event.ignore()
                return
        self.settings.keep(GEOMETRY, bytes(self.saveGeometry().data()))
        self.settings.keep(STATE, bytes(self.saveState().data()))
        if self._workshop is not None:
            self._workshop.close()
        event.accept()

    def _restore_place(self) -> None:
        geometry, state = self.settings.kept(GEOMETRY), self.settings.kept(STATE)
        if geometry:
            self.restoreGeometry(QByteArray(geometry))
        if state:
            self.restoreState(QByteArray(state))

    # Pages

    def add_page(self, name: str, page: QWidget) -> None:
        """Put a page behind its button."""
        self._shown[name] = page
        self.pages.addWidget(page)
        self.actions_[f"page.{name}"].setEnabled(True)

    def go(self, name: str) -> None:
        """Show a page; one that is not there yet is built."""
        if name not in self._shown:
            self.workshop.build(name)
        page = self._shown.get(name)
        if page is not None:
            self.pages.setCurrentWidget(page)
            self.actions_[f"page.{name}"].setChecked(True)
            page.setFocus(Qt.FocusReason.OtherFocusReason)

    def gate(self, page: QWidget) -> None:
        """Show a page that has to be answered before anything else: no menu, no tool bar, no other page."""
        self.menuBar().setEnabled(False)
        self._bar.setEnabled(False)
        self._gated = [action for action in self.actions_ if action.isEnabled()]
        for action in self.actions_:
            action.setEnabled(False)
        self.actions_["file.quit"].setEnabled(True)
        self._gate = page
        self.pages.addWidget(page)
        self.pages.setCurrentWidget(page)

    def leave_gate(self) -> None:
        """It is answered: everything else can be used."""
        page, self._gate = self._gate, None
        if page is not None:
            self.pages.removeWidget(page)
            page.deleteLater()
        self.menuBar().setEnabled(True)
        self._bar.setEnabled(True)
        for action in self._gated:
            action.setEnabled(True)
        self.go("start")

    def offer(self, name: str, saved: datetime, resume: Callable[[], object]) -> None:
        """Offer to go on with what was open when the program ended."""
        self._offer.offer(name, saved, resume)

    def offered(self) -> None:
        """Something else was opened: the offer is over."""
        self._offer.hide()

    def apply_settings(self, settings: Settings) -> None:
        """What can be changed while the window stands is changed."""
        self.appearance.choose(settings.theme)  # type: ignore[arg-type]
        if self._workshop is not None:
            self._workshop.editor.apply_settings(settings)

    @property
    def page(self) -> str:
        """The name of the page that shows."""
        current = self.pages.currentWidget()
        return next(name for name, page in self._shown.items() if page is current)

    def say(self, sentence: str, *, stays: bool = False) -> None:
        """Show a sentence in the status line for a while; one that stays comes back after it."""
        if stays:
            self._standing = sentence
        self._says.setText(sentence)
        self._says.setToolTip(sentence)
        self._forget.stop()
        if sentence and not stays:
            self._forget.start()

    def unsay(self, sentence: str) -> None:
        """Take a sentence away that holds no longer, if it still shows."""
        if sentence and self._says.text() == sentence:
            self._say_standing()

    def _say_standing(self) -> None:
        self.say(self._standing, stays=True)

    def tell(self, problem: Problem, title: str = "") -> None:
        """Show a problem in a box: what it is, and the way out."""
        from outfitswap_desktop.ui.wording import in_window

        problem = in_window(problem)
        box = QMessageBox(self)
        bug = problem.kind == "bug"
        box.setIcon(QMessageBox.Icon.Critical if bug else QMessageBox.Icon.Warning)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(title or self.tr("That did not work"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(problem.message)
        box.setInformativeText(problem.hint)
        box.open()

    # Opening photos

    def open_photo(self, source: Path | bytes) -> None:
        """Open a photo and go to the editor."""
        self.workshop.open_photo(source)

    def browse(self) -> None:
        """Ask for a photo."""
        recent = self.settings.recent(1)
        folder = str(recent[0].parent) if recent else ""
        name, _ = QFileDialog.getOpenFileName(
            self, self.tr("Open photo"), folder, f"{self.tr('Photos')} {FILTER};;{self.tr('All files')} (*)"
        )
        if name:
            self.open_photo(Path(name))

    def paste(self) -> None:
        """Open what is in the clipboard."""
        carried = QGuiApplication.clipboard().mimeData()
        if carried is None or not takes(carried):
            self.say(self.tr("There is no picture in the clipboard."))
            return
        self._take(carried)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and pictures."""
        if takes(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped anywhere in the window."""
        event.acceptProposedAction()
        self._take(event.mimeData())

    def _take(self, carried: Any) -> None:
        files = files_in(carried)
        if files:
            self.open_photo(files[0])
        elif carried.hasImage():
            self.pasting.take(carried.imageData())

    def _connect_start(self) -> None:
        page = self.start_page
        page.open_asked.connect(self.open_photo)
        page.pixels_asked.connect(self.open_photo)
        page.browse_asked.connect(self.browse)
        page.paste_asked.connect(self.paste)
        page.sample_asked.connect(self._open_sample)
        page.forget_asked.connect(self._forget_recent)

    def _open_sample(self) -> None:
        self.workshop.open_sample()

    def _forget_recent(self, path: Path) -> None:
        self.workshop.forget_recent(path)

    # Actions

    def _add_actions(self) -> None:
        add = self.actions_.add

        def later(run: Callable[[Workshop], object]) -> Callable[[], object]:
            return lambda: run(self.workshop)

        add(Spec("file.open", self.tr("&Open photo…"), "file", ("Ctrl+O",)), self.browse, icon=icons.icon("open"))
        add(Spec("file.paste", self.tr("&Paste a photo"), "file", ("Ctrl+V",)), self.paste, icon=icons.icon("paste"))
        add(Spec("file.sample", self.tr("Open the &sample photo"), "file"), later(lambda shop: shop.open_sample()))
        add(Spec("file.close", self.tr("&Close photo"), "file", ("Ctrl+W",)), later(lambda shop: shop.close_photo()))
        add(
            Spec("mask.import", self.tr("&Import a mask…"), "file", ("Ctrl+Shift+I",)),
            later(lambda shop: shop.import_mask()),
        )
        add(
            Spec("mask.export", self.tr("E&xport the mask…"), "file", ("Ctrl+Shift+M",)),
            later(lambda shop: shop.export_mask()),
        )
        add(Spec("file.settings", self.tr("Se&ttings…"), "file", ("Ctrl+,",)), later(lambda shop: shop.show_settings()))
        add(Spec("file.quit", self.tr("&Quit"), "file", ("Ctrl+Q",)), self.close)
        group = QActionGroup(self)
        texts = {
            "start": self.tr("Start"),
            "edit": self.tr("Edit"),
            "result": self.tr("Result"),
            "history": self.tr("History"),
            "queue": self.tr("Queue"),
        }
        drawn = {"start": "app", "edit": "brush", "result": "result", "history": "history", "queue": "queue"}
        for number, name in enumerate(PAGES):
            spec = Spec(
                f"page.{name}", texts[name], "view", (f"Ctrl+{number}",) if number else ("Alt+Home",), checkable=True
            )
            action = add(spec, partial(self._page_toggled, name), icon=icons.icon(drawn[name]))
            group.addAction(action)
        self.actions_["page.start"].setChecked(True)
        add(Spec("job.run", self.tr("&Swap outfit"), "job", ("Ctrl+Return",)), later(lambda shop: shop.run()))
        add(Spec("job.cancel", self.tr("&Cancel the running job"), "job", ("Esc",)), later(lambda shop: shop.cancel()))
        add(Spec("view.palette", self.tr("Command &palette…"), "view", ("Ctrl+K",)), self._show_palette)
        add(Spec("view.fullscreen", self.tr("Full screen"), "view", ("F11",), checkable=True), self._full_screen)
        add(Spec("view.weights", self.tr("Models…"), "view"), later(lambda shop: shop.show_weights()))
        add(Spec("view.credits", self.tr("Credits…"), "view"), later(lambda shop: shop.credits.show_page()))
        add(Spec("help.help", self.tr("&Help"), "help", ("F1",)), later(lambda shop: shop.show_help()))
        add(Spec("help.report", self.tr("&Report a problem…"), "help"), later(lambda shop: shop.show_report()))
        add(Spec("help.machine", self.tr("What this machine can do…"), "help"), later(lambda shop: shop.show_machine()))
        add(Spec("help.about", self.tr("&About OutfitSwap"), "help"), later(lambda shop: shop.show_about()))

    def fill_menus(self) -> None:
        """Build the menu bar once every part has registered what it can do."""
        fill(self.menuBar(), self.actions_)

    def _page_toggled(self, name: str, on: bool) -> None:
        if on:
            self.go(name)

    def _show_palette(self) -> None:
        from outfitswap_desktop.ui.palette import Palette

        self.workshop  # noqa: B018  its actions are in the palette
        Palette(self.actions_, self, menus=titles()).ask()

    def _full_screen(self, on: bool) -> None:
        if on:
            self.showFullScreen()
        else:
            self.showNormal()

    def _tool_bar(self) -> QToolBar:
        bar = QToolBar(self.tr("Pages"), self)
        bar.setObjectName("pages")
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        for name in PAGES:
            bar.addAction(self.actions_[f"page.{name}"])
        gap = QWidget(bar)
        gap.setSizePolicy(gap.sizePolicy().Policy.Expanding, gap.sizePolicy().Policy.Preferred)
        bar.addWidget(gap)
        for name in ("file.open", "view.palette", "file.settings"):
            bar.addAction(self._with_icon(name))
            button = bar.widgetForAction(self.actions_[name])
            if isinstance(button, QToolButton) and name != "file.open":
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.addToolBar(bar)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        return bar

    def _with_icon(self, name: str) -> QAction:
        drawn = {"view.palette": "search", "file.settings": "settings"}
        action = self.actions_[name]
        if name in drawn:
            action.setIcon(icons.icon(drawn[name]))
        return action
