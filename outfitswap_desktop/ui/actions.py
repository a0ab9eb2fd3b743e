"""Every action of the window, once: menus, shortcuts, tool buttons and the command palette all read this registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QIcon, QKeySequence

_CJK_MNEMONIC: Final = re.compile(r"\s*\(&\w\)")


def plain(text: str) -> str:
    """The text without its mnemonic: "&Open" and "打开(&O)" lose it, "Cut && paste" keeps its sign."""
    return _CJK_MNEMONIC.sub("", text).replace("&&", "\0").replace("&", "").replace("\0", "&")


@dataclass(frozen=True, slots=True)
class Spec:
    """How an action shows: `name` is stable ("mask.invert"), `menu` a key of MENUS or "" (palette and shortcut only).

    `text`, `tip` are translated already; `keys` are shortcuts in Qt's portable text ("Ctrl+I"), the first one is shown.
    """

    name: str
    text: str
    menu: str = ""
    keys: tuple[str, ...] = ()
    tip: str = ""
    icon: str = ""
    checkable: bool = False


FURTHER_KEYS: Final[Mapping[str, str]] = {
    "file.sample": "Ctrl+Shift+O",
    "help.about": "Ctrl+F1",
    "help.machine": "Shift+F1",
    "help.report": "Ctrl+Shift+F1",
    "history.open": "Ctrl+Alt+O",
    "history.details": "Ctrl+Alt+D",
    "history.family": "Ctrl+Alt+L",
    "history.use": "Ctrl+Alt+U",
    "history.remake": "Ctrl+Alt+M",
    "history.export": "Ctrl+Alt+E",
    "history.reveal": "Ctrl+Alt+R",
    "history.restore": "Ctrl+Alt+Z",
    "history.empty": "Ctrl+Shift+Del",
    "outfit.drop": "Ctrl+Shift+D",
    "queue.again": "Ctrl+Alt+A",
    "queue.clear": "Ctrl+Alt+C",
    "result.slider": "Ctrl+Alt+1",
    "result.side": "Ctrl+Alt+2",
    "result.alone": "Ctrl+Alt+3",
    "result.history": "Ctrl+H",
    "result.remake": "Ctrl+M",
    "view.credits": "Ctrl+Shift+B",
    "view.mode.overlay": "Alt+1",
    "view.mode.onion": "Alt+2",
    "view.mode.outline": "Alt+3",
    "view.mode.mask": "Alt+4",
    "view.mode.original": "Alt+5",
    "view.weights": "Ctrl+Shift+W",
}
"""Keys of actions that are used less: every action has one."""


class Actions(QObject):
    """The registry. `add` makes a QAction that calls `run`; checkable ones call it with their new state."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._actions: dict[str, QAction] = {}
        self._specs: dict[str, Spec] = {}

    def add(self, spec: Spec, run: Callable[..., object], *, icon: QIcon | None = None) -> QAction:
        """Register an action; raises ValueError for a name or a shortcut that is taken."""
        if not spec.keys and spec.name in FURTHER_KEYS:
            spec = replace(spec, keys=(FURTHER_KEYS[spec.name],))
        if spec.name in self._actions:
            raise ValueError(f"the action {spec.name} is there already")
        taken = {key for other in self._specs.values() for key in other.keys} & set(spec.keys)
        if taken:
            raise ValueError(f"{spec.name} wants shortcuts that are taken: {', '.join(sorted(taken))}")
        action = QAction(spec.text, self)
        action.setObjectName(spec.name)
        action.setIconText(plain(spec.text).rstrip("…"))
        action.setCheckable(spec.checkable)
        action.setShortcuts([QKeySequence(key) for key in spec.keys])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        shown = f" ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})" if spec.keys else ""
        action.setToolTip((spec.tip or plain(spec.text)) + shown)
        action.setStatusTip(spec.tip)
        if icon is not None:
            action.setIcon(icon)
        if spec.checkable:
            action.toggled.connect(run)
        else:
            action.triggered.connect(lambda _checked=False: run())
        self._actions[spec.name] = action
        self._specs[spec.name] = spec
        return action

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def __iter__(self) -> Iterator[QAction]:
        return iter(self._actions.values())

    def spec(self, name: str) -> Spec:
        """How an action was registered."""
        return self._specs[name]

    def of_menu(self, menu: str) -> list[QAction]:
        """The actions of one menu, in the order in which they were added."""
        return [self._actions[name] for name, spec in self._specs.items() if spec.menu == menu]
