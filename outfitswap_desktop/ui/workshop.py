"""What stands behind the window: session, desk, queue and pages, joined here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QVBoxLayout, QWidget

from outfitswap_desktop import paths
from outfitswap_desktop.engine.messages import Finished, Problem, SwapDone
from outfitswap_desktop.ui.attention import Attention
from outfitswap_desktop.ui.autosave import Autosave
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.credits.joining import WindowCredits
from outfitswap_desktop.ui.editor_page import EditorPage
from outfitswap_desktop.ui.menus import titles
from outfitswap_desktop.ui.outfit.installed import InstalledEngines
from outfitswap_desktop.ui.outfit.outfit import FABRIC
from outfitswap_desktop.ui.pages import agreed
from outfitswap_desktop.ui.pages.first_run import FirstRunPage
from outfitswap_desktop.ui.recents import Recents
from outfitswap_desktop.ui.runs import Runs
from outfitswap_desktop.ui.session import SAMPLE_CONSENT, Session
from outfitswap_desktop.ui.worker import Desk

if TYPE_CHECKING:
    from outfitswap_desktop.engine.messages import EventEnd, PhotoOpened
    from outfitswap_desktop.store.projects import Project
    from outfitswap_desktop.ui.pages.weights_work import WeightsWork
    from outfitswap_desktop.ui.window import MainWindow

QUIET_START_MS = 400
"""So long after the window stands, the engine processes are started."""
WATCHED: Final = frozenset({"edit", "result"})
"""Pages from which a result that comes leads to its own; nobody is taken away from the queue or the history."""


class Workshop(QObject):
    """Built once, after the first paint. Everything that ends (threads, processes) ends in `close`."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.settings = window.settings
        clients = window.clients
        self.desk = Desk(clients("desk") if clients is not None else None, parent=self)
        self.desk.trouble.connect(window.say)
        self.session = Session(self.desk, self)
        self.background = Background(self)
        self.installed = InstalledEngines(self.background, self)
        self.runs = Runs(self.session, self.settings, self, client=clients("engine") if clients is not None else None)
        self.attention = Attention(window, window.windowIcon())
        self.autosave = Autosave(paths.project_file(), self.session.snapshot, self)
        self.autosave.trouble.connect(window.say)
        self.recents = Recents(self.settings, window.start_page, self.background, self)
        self.editor = EditorPage(self.session, self.desk, window)
        self.credits = WindowCredits(window, self.editor, self.installed, opened=window.licensing)
        self._built: dict[str, QWidget] = {}
        self._weights: WeightsWork | None = None
        self._offered: Project | None = None
        self._closed = False
        self._busy_hands = False
        self._after_opening: list[Callable[[], object]] = []
        self._connect()
        self.editor.restore_place(lambda name: self.settings.kept(f"editor.{name}"))
        self.editor.apply_settings(self.settings.values)
        window.add_page("edit", self.editor)
        self.editor.add_actions(window.actions_)
        for name in ("result", "history", "queue"):
            self.build(name)
        window.fill_menus()

    # Starting and ending

    def begin(self, photo: Path | None) -> None:
        """The first moments: terms if they were not agreed, the photo that was named, what was open the last time."""
        self.recents.show()
        self.window.start_page.set_sample(paths.sample_photo() is not None, reason=self.tr("It is not installed."))
        QTimer.singleShot(QUIET_START_MS, self._warm)
        if not agreed.was_agreed(paths.data_dir()):
            self._first_run(photo)
            return
        self._go_on(photo)

    def _go_on(self, photo: Path | None) -> None:
        if photo is not None:
            self.open_photo(photo)
        elif self.settings.values.offer_last:
            self.background.run(self.autosave.load().result, self._offer)

    def close(self) -> None:
        """Save the project and end everything; what runs goes back into the queue. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.window.appearance.changed.disconnect(self._theme_changed)
        for name, content in self.editor.place().items():
            self.settings.keep(f"editor.{name}", content)
        self.autosave.close()
        self.runs.close()
        self.desk.close()
        self.attention.close()
        self.background.close()
        self.credits.close()
        if self._weights is not None:
            self._weights.close()
        for page in self._built.values():
            getattr(page, "close_down", page.close)()
        self.editor.shut_down()
        self.session.shut_down()

    @property
    def jobs_left(self) -> int:
        """How many jobs wait or run."""
        return self.runs.left

    def _warm(self) -> None:
        if not self._closed:
            self.desk.warm()
            self.installed.refresh()
            self.credits.work.begin()

    def _first_run(self, photo: Path | None) -> None:
        page = FirstRunPage(self.desk, self.window)

        def stated() -> None:
            if not agreed.keep_agreed(paths.data_dir(), today=date.today()):
                self.window.say(self.tr("What you stated could not be kept; it will be asked again."))
            self.window.leave_gate()
            self._go_on(photo)

        page.agreed.connect(stated)
        page.quit_asked.connect(self.window.close)
        self.window.gate(page)

    def _offer(self, project: Project | None) -> None:
        if project is None or self.session.source is not None:
            return
        self._offered = project
        self.window.offer(str(project.document.get("name") or ""), project.saved, self._resume)

    def _resume(self) -> None:
        project, self._offered = self._offered, None
        if project is not None:
            self.session.resume(project)
            self.editor.outfit.set_outfit(self.session.outfit)
            self.window.go("edit")

    # Pages

    def build(self, name: str) -> None:
        """Build a page that shows for the first time."""
        if name in self._built:
            return
        if name == "result":
            from outfitswap_desktop.ui.result.page import ResultPage

            page: Any = ResultPage(self.desk, self.runs.shelf, self.window)
            page.use_as_source.connect(self._use_result)
            page.remake.connect(self._remake)
            page.show_history.connect(self._show_entry)
            page.said.connect(self.window.say)
            page.trouble.connect(self.window.say)
        elif name == "queue":
            page = self.runs.make_page(self.window)
            self.runs.result_asked.connect(self._show_result_of)
        elif name == "history":
            from outfitswap_desktop.ui.history.page import HistoryPage

            page = HistoryPage(self.runs.shelf, self.desk, self.window)
            page.side.engines = self.installed.engines | {FABRIC}
            page.open_asked.connect(self._open_entry)
            page.use_as_source.connect(self._use_result)
            page.remake.connect(self._remake)
            page.said.connect(self.window.say)
            page.trouble.connect(self.window.say)
        else:
            return
        self._built[name] = page
        page.add_actions(self.window.actions_)
        self.window.add_page(name, page)

    @property
    def result(self) -> Any:
        """The result page."""
        return self._built["result"]

    # Photos

    def open_photo(self, source: Path | bytes, *, consent: str | None = None, adult_attested: bool = False) -> None:
        """Open a photo and show the editor; a second file dropped on an open photo replaces it."""
        self.window.go("edit")
        self.session.open(source, consent=consent, adult_attested=adult_attested)

    def open_sample(self) -> None:
        """Open the photo that comes along; it carries its own statement."""
        sample = paths.sample_photo()
        if sample is not None:
            self.open_photo(sample, consent=SAMPLE_CONSENT, adult_attested=True)

    def close_photo(self) -> None:
        """Close the photo; its project is forgotten."""
        self.editor.clear()
        self.session.close_photo()
        self.autosave.save_now()
        self.window.go("start")

    def forget_recent(self, path: Path) -> None:
        """Take a photo off the list of recent ones."""
        self.recents.forget(path)

    def import_mask(self) -> None:
        """Ask for a mask file."""
        name, _ = QFileDialog.getOpenFileName(
            self.window, self.tr("Import a mask"), "", self.tr("Masks (*.png *.jpg *.webp)")
        )
        if name:
            self.session.import_mask(Path(name))

    def export_mask(self) -> None:
        """Ask where the mask shall go."""
        if self.session.mask is None:
            self.window.say(self.tr("Open a photo first."))
            return
        name, _ = QFileDialog.getSaveFileName(
            self.window, self.tr("Export the mask"), "mask.png", self.tr("PNG (*.png)")
        )
        if name:
            target = Path(name)
            self.session.export_mask(target if target.suffix else target.with_suffix(".png"))

    # Jobs

    def run(self) -> None:
        """Put what is shown into the queue; asks for consent where none is on record."""
        reason = self.editor.blocked()
        if reason:
            self.window.go("edit" if self.session.photo is not None else "start")
            self.editor.refresh()
            self.window.say(reason)
            return
        if not self.session.agreed and not self._ask_consent():
            return
        self.runs.order(self.editor.outfit.prompt)
        self.editor.outfit.next_seed()
        self._busy_hands = False

    def _hands_on(self) -> None:
        """The user goes on working: a result that comes meanwhile does not take the page away."""
        self._busy_hands = True

    def cancel(self) -> None:
        """Cancel the running job; while something is drawn, Esc goes to the canvas."""
        self.runs.cancel_running()

    def _ask_consent(self, *, reason: str = "", needs_consent: bool = True) -> bool:
        from outfitswap_desktop.ui.pages.consent import ConsentDialog

        dialog = ConsentDialog(
            self.session.name, self.window, picture=self._picture(), reason=reason, needs_consent=needs_consent
        )
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return False
        consent = dialog.consent if needs_consent else self.session.consent
        self.session.state(consent, adult_attested=dialog.adult_attested)
        return True

    def _picture(self) -> QImage | None:
        photo = self.session.photo
        if photo is None:
            return None
        step = max(1, max(photo.pixels.shape[:2]) // 400)
        small = photo.pixels[::step, ::step].copy()
        height, width = small.shape[:2]
        return QImage(small.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()

    def _job_ended(self, job: str, end: EventEnd) -> None:
        ours = self.runs.is_of_this_photo(job)
        if isinstance(end, Finished) and isinstance(end.answer, SwapDone):
            self.editor.run.job_over(well=True)
            if ours:
                self.result.show_done(end.answer, photo=self.session.photo, prompt=self.runs.prompt_of(job))
            sentence = self.tr("The result is saved: {name}").format(name=Path(end.answer.picture.output).name)
            if ours and not self._busy_hands and self.window.page in WATCHED:
                self.window.go("result")
            elif ours:
                said = self.tr("The result is saved: {name}. Ctrl+2 shows it.")
                sentence = said.format(name=Path(end.answer.picture.output).name)
            self.window.say(sentence)
            self.attention.over(self.tr("The new outfit is ready"), sentence, wanted=self.settings.values.notify)
        else:
            self.editor.run.job_over()
            problem = getattr(end, "problem", None)
            if problem is None:
                self.window.say(self.tr("Cancelled; nothing was left behind."))
            else:
                self._job_refused(job, problem, ours=ours)
        self.attention.progress(None)
        self.credits.job_over()

    def _job_refused(self, job: str, problem: Problem, *, ours: bool) -> None:
        self.attention.over(
            self.tr("A job ended without a result"), problem.message, wanted=self.settings.values.notify
        )
        asks_consent = problem.reason == "consent_needed"
        if ours and (asks_consent or problem.reason == "adult_attestation_needed"):
            if self._ask_consent(reason=problem.message, needs_consent=asks_consent):
                self.runs.order_again(job)
            return
        if not self.credits.tells(problem):
            self.window.tell(problem)

    # Results and history

    def _use_result(self, output: Path, _sha256: str) -> None:
        """Work on with a result: it keeps the root of its chain, which the gates look up by its marks."""
        self.open_photo(Path(output))

    def _remake(self, entry_id: int) -> None:
        self.runs.entry(entry_id, self._remake_from)

    def _remake_from(self, entry: Any) -> None:
        if entry is None or entry.photo is None or not entry.photo.is_file():
            self.window.say(self.tr("The photo of this result is not there any more."))
            return
        outfit = self.session.outfit
        self.open_photo(entry.photo)
        self.session.wish(entry.zone)
        self.editor.outfit.set_outfit(self.runs.outfit_of(entry, outfit))

    def _open_entry(self, entry: Any) -> None:
        photo = self.session.photo
        same = photo is not None and photo.sha256 == entry.photo_sha256
        self.result.show_entry(entry, photo=photo if same else None)
        self.window.go("result")

    def _show_entry(self, entry_id: int) -> None:
        self.window.go("history")
        self._built["history"].show_entry(entry_id)  # type: ignore[attr-defined]

    def _show_result_of(self, entry_id: int) -> None:
        self.runs.entry(entry_id, lambda entry: self._open_entry(entry) if entry is not None else None)

    # Dialogs

    def show_settings(self) -> None:
        """Settings, applied as they are changed."""
        from outfitswap_desktop.ui.pages.settings import SettingsDialog

        dialog = SettingsDialog(self.settings, self.window.language, self.window)
        dialog.changed.connect(self.window.apply_settings)
        dialog.recent_forgotten.connect(self.recents.show)
        dialog.open()

    def show_weights(self) -> None:
        """The Models page."""
        from outfitswap_desktop.ui.pages.weights import WeightsPage
        from outfitswap_desktop.ui.pages.weights_work import WeightsWork

        if self._weights is None:  # it outlives the page: a download goes on when that is closed
            self._weights = WeightsWork(self)
            self._weights.ended.connect(lambda *_: self.installed.refresh())
        self.in_dialog(self.tr("Models"), WeightsPage(work=self._weights))

    def show_help(self) -> None:
        """Help and shortcuts."""
        from outfitswap_desktop.ui.pages.help import HelpPage

        self.in_dialog(self.tr("Help"), HelpPage(self.window.actions_, menus=titles()))

    def show_report(self) -> None:
        """Report a problem."""
        from outfitswap_desktop.ui.pages.report import ReportDialog

        ReportDialog(self.desk, self.window).open()

    def show_machine(self) -> None:
        """What this machine can do."""
        from outfitswap_desktop.ui.pages.machine import MachinePanel

        self.in_dialog(self.tr("What this machine can do"), MachinePanel(self.desk))

    def show_about(self) -> None:
        """Version and licences."""
        from outfitswap_desktop.ui.pages.about import AboutDialog

        AboutDialog(self.window).open()

    def in_dialog(self, title: str, page: QWidget) -> QDialog:
        """Show a page in a dialog of its own, with a button that closes it."""
        dialog = QDialog(self.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(title)
        dialog.resize(860, 620)
        column = QVBoxLayout(dialog)
        column.addWidget(page)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, dialog)
        buttons.rejected.connect(dialog.reject)
        column.addWidget(buttons)
        dialog.open()
        return dialog

    # Joining

    def _connect(self) -> None:
        session, editor, runs, window = self.session, self.editor, self.runs, self.window
        session.changed.connect(self.autosave.changed)
        session.changed.connect(self._hands_on)
        session.opened.connect(self._photo_opened)
        session.refused.connect(self._photo_refused)
        session.notice.connect(window.say)
        editor.run_asked.connect(self.run)
        editor.cancel_asked.connect(runs.cancel_running)
        editor.open_asked.connect(window.browse)
        editor.import_asked.connect(self.import_mask)
        editor.export_asked.connect(self.export_mask)
        editor.outfit.preset_kept.connect(runs.keep_preset)
        editor.outfit.preset_dropped.connect(runs.drop_preset)
        editor.outfit.models_asked.connect(self.show_weights)
        self.installed.changed.connect(self._show_installed)
        runs.presets_changed.connect(editor.outfit.show_own)
        runs.started.connect(lambda _job: editor.run.job_started())
        runs.progressed.connect(self._progressed)
        runs.ended.connect(self._job_ended)
        runs.said.connect(window.say)
        window.appearance.changed.connect(self._theme_changed)

    def _show_installed(self, engines: frozenset[str]) -> None:
        self.editor.outfit.show_installed(engines)
        self._built["history"].side.engines = engines | {FABRIC}  # type: ignore[attr-defined]

    def _theme_changed(self, _theme: object) -> None:
        self.editor.canvas.viewport().update()

    def _progressed(self, _job: str, progress: Any) -> None:
        self.editor.run.job_progressed(progress)
        self.attention.progress(progress.fraction)

    def _photo_opened(self, photo: PhotoOpened) -> None:
        self.window.offered()
        height, width = photo.pixels.shape[:2]
        self.window.say(f"{self.session.name}: {width} × {height}, {width * height / 1e6:.1f} MP", stays=True)
        self.window.setWindowTitle(f"{self.session.name} – OutfitSwap")
        if self.session.path is not None and self.session.path != paths.sample_photo():
            self.recents.add(self.session.path, photo)
        self.runs.warm()

    def _photo_refused(self, problem: Problem) -> None:
        if self.session.photo is None:
            self.window.go("start")
        self.window.tell(problem, self.tr("This photo cannot be used"))
        self.window.say(problem.sentence)
