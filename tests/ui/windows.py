"""A main window for tests: the terms agreed, engine processes with scripted steps (or the real ones), closed at the end."""

from contextlib import contextmanager
from datetime import date

from outfitswap_desktop import app, paths
from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.ui.joining import make_window
from outfitswap_desktop.ui.pages.agreed import keep_agreed
from tests.engine.scripted import small_road


@contextmanager
def main_window(qtbot, *, real=False, agreed=True, photo=None, licensing=None):
    """Yields a window whose workshop is built; afterwards nothing of it is left."""
    if agreed:
        keep_agreed(paths.data_dir(), today=date(2026, 1, 1))
    clients = None if real else (lambda name: EngineClient(factory=small_road, name=name))
    window = make_window(app.make_application(), clients=clients, licensing=licensing)
    window.resize(1360, 860)
    window.settings.change(confirm_close=False)
    window.show()
    window.start(photo)
    try:
        qtbot.waitUntil(lambda: window._workshop is not None, timeout=20_000)
        yield window
    finally:
        window.close()
        window.shut_down()
        window.deleteLater()


def open_photo(qtbot, window, path, **stated):
    """Open a photo and wait until its garments are found."""
    shop = window.workshop
    with qtbot.waitSignal(shop.session.found, timeout=60_000):
        shop.open_photo(path, **stated)
    return shop


def run(qtbot, window, words="navy"):
    """Run what the window holds and wait for its end."""
    shop = window.workshop
    shop.editor.outfit.words.set_text(words)
    with qtbot.waitSignal(shop.runs.ended, timeout=120_000) as ended:
        shop.run()
    return ended.args
