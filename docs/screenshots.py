"""Pictures of every page and dialog of the window, made by the window itself: light, dark, 4K at scale 2, narrow, languages.

    uv run python docs/screenshots.py DIR [--only NAME ...]

Each look is a process of its own, offscreen, with a home of its own; the photo is the sample that comes along.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"theme": "light", "size": (1360, 860)},
    "dark": {"theme": "dark", "size": (1360, 860)},
    "4k": {"theme": "dark", "size": (1920, 1080), "scale": "2"},
    "narrow": {"theme": "light", "size": (780, 560)},
    "zh": {"theme": "light", "size": (1360, 860), "language": "zh"},
    "ja": {"theme": "dark", "size": (1360, 860), "language": "ja"},
    "de": {"theme": "light", "size": (1360, 860), "language": "de"},
}
WAIT_SECONDS = 90.0
ROOT = Path(__file__).resolve().parent.parent


def take(look: str, folder: Path) -> None:
    """Take all pictures of one look in this process."""
    sys.path.insert(0, str(ROOT))
    from PySide6.QtWidgets import QApplication, QDialog

    from outfitswap_desktop import app, paths
    from outfitswap_desktop.store.settings import SettingsStore
    from outfitswap_desktop.ui.joining import make_window
    from outfitswap_desktop.ui.pages.agreed import keep_agreed

    chosen = LOOKS[look]
    store = SettingsStore(paths.data_dir() / "settings.db")
    store.change(theme=chosen["theme"], language=chosen.get("language", "en"), confirm_close=False)
    store.close()
    application = app.make_application()

    def wait(until: Callable[[], object]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not until() and time.monotonic() < end:
            application.processEvents()
            time.sleep(0.01)

    def rest(seconds: float) -> None:
        end = time.monotonic() + seconds
        wait(lambda: time.monotonic() > end)

    def keep(name: str, widget: Any) -> None:
        rest(0.3)
        widget.grab().save(str(folder / f"{look}-{name}.png"))

    window = make_window(application, licensing=stand_in("online"))
    window.resize(*chosen["size"])
    window.show()
    window.start(None)
    wait(lambda: window._workshop is not None)
    shop = window.workshop
    page: Any = window.pages.currentWidget()
    wait(lambda: getattr(page, "machine", None) is None or page.machine._rows)
    keep("first-run", window)
    keep_agreed(paths.data_dir(), today=date(2026, 1, 1))
    window.leave_gate()
    keep("start", window)
    shop.open_sample()
    wait(lambda: shop.session.garments is not None)
    panel = shop.editor.outfit
    for words in ("red and green tartan wool", "emerald velvet", "navy pinstripe wool"):
        panel.words.set_text(words)
        wait(lambda: panel.words.answer is not None)
        if words.startswith("navy"):
            keep("edit", window)
        shop.run()
        wait(lambda: window.page == "result" and not shop.result.is_busy)
        rest(1.0)
        if words.startswith("navy"):
            keep("result", window)
            window.actions_["result.difference"].trigger() if "result.difference" in _names(window) else None
            keep("difference", window)
        window.go("edit")
    panel.words.set_text("navy see-through linnen")
    wait(lambda: panel.words.answer is not None)
    keep("refused", window)
    shop.editor.show_mask()
    keep("mask", window)
    window.go("history")
    rest(1.0)
    keep("history", window)
    window.go("queue")
    keep("queue", window)
    for name, show in (
        ("settings", shop.show_settings),
        ("models", shop.show_weights),
        ("credits", shop.credits.show_page),
        ("help", shop.show_help),
        ("about", shop.show_about),
        ("report", shop.show_report),
        ("machine", shop.show_machine),
        ("palette", window._show_palette),
    ):
        show()
        rest(2.0 if name in {"report", "machine", "credits"} else 0.5)
        dialogs = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]
        for dialog in dialogs:
            keep(name, dialog)
            dialog.close()
    take_credits(keep, rest, window)
    window.close()
    window.shut_down()


def stand_in(state: str) -> Callable[[], Any]:
    """An account for the pictures, the one that the tests have: nothing of it leaves the process."""
    from tests.ui.credits import fake

    return lambda: fake.FakeLicensing(getattr(fake, state.upper()))


def take_credits(keep: Callable[[str, Any], None], rest: Callable[[float], None], window: Any) -> None:
    """The credits' page in its other states, and what is opened from it."""
    from outfitswap_desktop.ui.credits.along import AlongDialog
    from outfitswap_desktop.ui.credits.buy import BuyDialog
    from outfitswap_desktop.ui.credits.page import CreditsPage
    from outfitswap_desktop.ui.credits.work import CreditsWork

    for state in ("none", "signed_out", "leased", "offline", "stuck"):
        work = CreditsWork(stand_in(state))
        work.look()
        rest(0.3)
        page = CreditsPage(work)
        page.resize(860, 620)
        page.show()
        rest(1.0)
        keep(f"credits-{state}", page)
        if state == "signed_out":
            work.sign_in_with_code()
            rest(0.5)
            keep("credits-code", page)
        page.close()
        work.close()
    work = window.workshop.credits.work
    for name, dialog in (("buy", BuyDialog(work, window)), ("along", AlongDialog(118, work.status.prices, window))):
        dialog.show()
        rest(0.5)
        keep(f"credits-{name}", dialog)
        dialog.close()


def _names(window: Any) -> set[str]:
    return {action.objectName() for action in window.actions_}


def main() -> None:
    """Take the pictures of every look that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(LOOKS), default=list(LOOKS))
    parser.add_argument("--child", choices=list(LOOKS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if chosen.child:
        take(chosen.child, chosen.folder)
        return
    for look in chosen.only:
        with tempfile.TemporaryDirectory() as home:
            env = {
                **os.environ,
                "OUTFITSWAP_HOME": home,
                "QT_QPA_PLATFORM": "offscreen",
                "QT_SCALE_FACTOR": LOOKS[look].get("scale", "1"),
                "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            }
            subprocess.run([sys.executable, __file__, str(chosen.folder), "--child", look], env=env, check=True)


if __name__ == "__main__":
    main()
