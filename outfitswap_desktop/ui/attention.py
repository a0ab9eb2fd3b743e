"""Telling somebody who works in another window: progress in the task bar, and a notification when a job is over."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

if TYPE_CHECKING:
    from PySide6.QtGui import QIcon

DESKTOP_FILE: Final = "outfitswap.desktop"
_UNITY: Final = ("/com/outfitswap/desktop", "com.canonical.Unity.LauncherEntry", "Update")
_TASKBAR_CLASS: Final = "{56FDF344-FD6D-11D0-958A-006097C9A090}"
_TASKBAR_3: Final = "{EA1AFB91-9E28-4B86-90E9-9E9F8A5EEFAF}"
_NO_PROGRESS, _NORMAL = 0, 2


class Attention(QObject):
    """Task-bar progress where the platform has it (Linux launchers that speak Unity's protocol, Windows), notifications."""

    def __init__(self, window: QWidget, icon: QIcon) -> None:
        super().__init__(window)
        self._window = window
        self._tray = QSystemTrayIcon(icon, self) if QSystemTrayIcon.isSystemTrayAvailable() else None
        self._taskbar: _WindowsTaskbar | None = None
        self._shown: int | None = None

    def progress(self, fraction: float | None) -> None:
        """Show 0..1 of the running job, None for no job; whole percents only, so that nothing is flooded."""
        percent = None if fraction is None else round(100 * min(1.0, max(0.0, fraction)))
        if percent == self._shown:
            return
        self._shown = percent
        if sys.platform == "win32":
            if self._taskbar is None:
                self._taskbar = _WindowsTaskbar(int(self._window.winId()))
            self._taskbar.show(percent)
        elif sys.platform.startswith("linux"):
            _tell_launcher(percent)

    def over(self, title: str, sentence: str, *, wanted: bool = True) -> None:
        """A job is over: say so, unless the user is looking at the window anyway."""
        if not wanted or self._window.isActiveWindow():
            return
        if self._tray is not None:
            self._tray.show()
            self._tray.showMessage(title, sentence, self._tray.icon())
        QApplication.alert(self._window)

    def close(self) -> None:
        """Take progress and tray icon away."""
        self.progress(None)
        if self._tray is not None:
            self._tray.hide()


def _tell_launcher(percent: int | None) -> None:
    """Unity's LauncherEntry signal, which GNOME's dock, KDE's task bar and others read; nobody need listen."""
    from PySide6.QtDBus import QDBusConnection, QDBusMessage

    bus = QDBusConnection.sessionBus()
    if not bus.isConnected():
        return
    message = QDBusMessage.createSignal(*_UNITY)
    shown = percent is not None
    message.setArguments(
        [f"application://{DESKTOP_FILE}", {"progress": (percent or 0) / 100, "progress-visible": shown}]
    )
    bus.send(message)


class _WindowsTaskbar:
    """ITaskbarList3 through ctypes: SetProgressValue and SetProgressState (learn.microsoft.com, shobjidl_core.h)."""

    _SET_VALUE, _SET_STATE = 9, 10  # places in the interface's table

    def __init__(self, window: int) -> None:
        self._window = window
        self._interface: Any = None

    def show(self, percent: int | None) -> None:
        """Show whole percents, None for nothing; quiet where the task bar cannot be reached."""
        import ctypes

        if self._interface is None:
            self._interface = self._made()
        if not self._interface:
            return
        if percent is None:
            self._call(self._SET_STATE, ctypes.c_int(_NO_PROGRESS))
            return
        self._call(self._SET_STATE, ctypes.c_int(_NORMAL))
        self._call(self._SET_VALUE, ctypes.c_ulonglong(percent), ctypes.c_ulonglong(100))

    def _call(self, place: int, *values: Any) -> None:
        import ctypes

        table = ctypes.cast(self._interface, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
        kinds: list[Any] = [ctypes.c_void_p, ctypes.c_void_p, *(type(value) for value in values)]
        ctypes.CFUNCTYPE(ctypes.c_long, *kinds)(table[place])(self._interface, self._window, *values)

    @staticmethod
    def _made() -> Any:
        import ctypes

        ole32: Any = ctypes.WinDLL("ole32")  # type: ignore[attr-defined,unused-ignore]
        ole32.CoInitialize(None)
        found, wanted, interface = (ctypes.c_byte * 16)(), (ctypes.c_byte * 16)(), ctypes.c_void_p()
        ole32.CLSIDFromString(_TASKBAR_CLASS, found)
        ole32.CLSIDFromString(_TASKBAR_3, wanted)
        failed = ole32.CoCreateInstance(found, None, 1, wanted, ctypes.byref(interface))
        return interface if not failed else None
