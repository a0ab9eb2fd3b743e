"""In place of PyInstaller's own hook of this name: of Qt's plugins only those that the window uses, and with them less of Qt.

Left out, above all: the GTK theme (it would bring this machine's GLib and Pango to the user's GTK), screens without a
window system, the on-screen keyboard and QtQuick with it. Names are patterns below plugins/, without "lib" and ending.
"""

from pathlib import PurePath

from PyInstaller.utils.hooks.qt import add_qt6_dependencies

KEPT = (
    *("platforms/qxcb", "platforms/qwayland", "platforms/qoffscreen", "platforms/qwindows", "platforms/qcocoa"),
    *("platformthemes/qxdgdesktopportal", "iconengines/*", "styles/*"),
    *("imageformats/qjpeg", "imageformats/qsvg", "imageformats/qwebp", "imageformats/qico"),
    *("platforminputcontexts/compose*", "platforminputcontexts/ibus*", "xcbglintegrations/*"),
    *("wayland-decoration-client/*", "wayland-graphics-integration-client/*", "wayland-shell-integration/xdg-shell"),
)

hiddenimports, binaries, datas = add_qt6_dependencies(__file__)


def _used(file: str) -> bool:
    path = PurePath(file)
    if "plugins" not in path.parts:
        return True
    plain = PurePath(path.parent.name, path.name.removeprefix("lib").partition(".")[0])
    return any(plain.match(pattern) for pattern in KEPT)


binaries = [entry for entry in binaries if _used(entry[0])]
