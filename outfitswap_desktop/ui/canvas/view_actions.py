"""The canvas' actions: tools, undo, zoom and view modes, for menus, shortcuts and the command palette."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction, QActionGroup

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.canvas.look import ViewMode
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.options import TOOLS

if TYPE_CHECKING:
    from outfitswap_desktop.ui.canvas.view import CanvasView

ZOOM_STEP = 1.25


def tool_words(name: str) -> tuple[str, str, str, str]:
    """Name, what it does, key and icon of a tool."""
    words = {
        "brush": (
            QCoreApplication.translate("Canvas", "Brush"),
            QCoreApplication.translate("Canvas", "Paint into the mask. Shift: straight lines. Right button: erase."),
            "B",
            "brush",
        ),
        "eraser": (
            QCoreApplication.translate("Canvas", "Eraser"),
            QCoreApplication.translate("Canvas", "Take away from the mask. Shift: straight lines."),
            "E",
            "eraser",
        ),
        "lasso": (
            QCoreApplication.translate("Canvas", "Lasso"),
            QCoreApplication.translate("Canvas", "Draw around what belongs to the mask. Alt: take it away."),
            "L",
            "lasso",
        ),
        "polygon": (
            QCoreApplication.translate("Canvas", "Polygon"),
            QCoreApplication.translate(
                "Canvas", "Click corners, double-click to close. Alt with the first: take away."
            ),
            "P",
            "polygon",
        ),
        "wand": (
            QCoreApplication.translate("Canvas", "Magic wand"),
            QCoreApplication.translate("Canvas", "Add what has this colour. Shift: everywhere. Alt: take it away."),
            "W",
            "wand",
        ),
        "box": (
            QCoreApplication.translate("Canvas", "Fit a box"),
            QCoreApplication.translate("Canvas", "Draw a box around a garment; the mask is fitted to its edges."),
            "R",
            "box",
        ),
        "click": (
            QCoreApplication.translate("Canvas", "Fit by click"),
            QCoreApplication.translate("Canvas", "Click on a garment to add it. Alt or right button: take it away."),
            "K",
            "click",
        ),
        "pan": (
            QCoreApplication.translate("Canvas", "Move the photo"),
            QCoreApplication.translate("Canvas", "Drag the photo, or choose a person. Hold Space with any other tool."),
            "H",
            "hand",
        ),
    }
    return words[name]


def mode_words(mode: ViewMode) -> str:
    """The name of a view mode."""
    words = {
        ViewMode.OVERLAY: QCoreApplication.translate("Canvas", "Mask as colour"),
        ViewMode.ONION: QCoreApplication.translate("Canvas", "Dim what stays"),
        ViewMode.OUTLINE: QCoreApplication.translate("Canvas", "Outline"),
        ViewMode.MASK: QCoreApplication.translate("Canvas", "Black and white"),
        ViewMode.ORIGINAL: QCoreApplication.translate("Canvas", "Photo alone"),
    }
    return words[mode]


def add_view_actions(view: CanvasView, actions: Actions) -> None:
    """Register what the canvas can do; undo and redo are enabled as the mask has steps."""
    _add_undo(view, actions)
    _add_tools(view, actions)
    _add_zoom(view, actions)
    _add_modes(view, actions)


def _add_undo(view: CanvasView, actions: Actions) -> None:
    say = QCoreApplication.translate
    undo = actions.add(
        Spec(
            "edit.undo",
            say("Canvas", "&Undo"),
            "edit",
            ("Ctrl+Z",),
            say("Canvas", "Take the last change of the mask back"),
        ),
        view.undo,
        icon=icons.icon("undo"),
    )
    redo = actions.add(
        Spec("edit.redo", say("Canvas", "&Redo"), "edit", ("Ctrl+Shift+Z", "Ctrl+Y")),
        view.redo,
        icon=icons.icon("redo"),
    )

    def enable(can_undo: bool, can_redo: bool) -> None:
        undo.setEnabled(can_undo)
        redo.setEnabled(can_redo)

    def follow(model: MaskModel | None) -> None:
        if model is not None:
            model.history_changed.connect(enable)
        enable(model is not None and model.can_undo, model is not None and model.can_redo)

    view.model_changed.connect(follow)
    follow(view.model)


def _add_tools(view: CanvasView, actions: Actions) -> None:
    say = QCoreApplication.translate
    group = QActionGroup(view)
    made: dict[str, QAction] = {}
    for name in TOOLS:
        text, tip, key, icon = tool_words(name)
        spec = Spec(f"tool.{name}", text, "edit", (key,), tip, checkable=True)
        made[name] = actions.add(spec, partial(_take, view, name), icon=icons.icon(icon))
        group.addAction(made[name])
    made[view.tool].setChecked(True)
    view.tool_changed.connect(lambda name: made[name].setChecked(True))
    options = view.options
    actions.add(
        Spec("tool.swap", say("Canvas", "Swap brush and eraser"), "edit", ("X",)),
        lambda: view.set_tool("brush" if view.tool == "eraser" else "eraser"),
    )
    actions.add(Spec("tool.smaller", say("Canvas", "Smaller brush"), "edit", ("[",)), lambda: options.resize(-1))
    actions.add(Spec("tool.larger", say("Canvas", "Larger brush"), "edit", ("]",)), lambda: options.resize(1))
    actions.add(
        Spec("tool.softer", say("Canvas", "Softer brush"), "edit", ("Shift+[", "{")), lambda: options.harden(-1)
    )
    actions.add(Spec("tool.harder", say("Canvas", "Harder brush"), "edit", ("Shift+]", "}")), lambda: options.harden(1))


def _take(view: CanvasView, name: str, on: bool) -> None:
    if on:
        view.set_tool(name)


def _add_zoom(view: CanvasView, actions: Actions) -> None:
    say = QCoreApplication.translate
    zooms: tuple[tuple[str, str, tuple[str, ...], Callable[[], None], str], ...] = (
        ("view.fit", say("Canvas", "&Fit the photo"), ("Ctrl+0",), view.fit, "fit"),
        ("view.full_size", say("Canvas", "Full size (100 %)"), ("Ctrl+Alt+0",), view.full_size, ""),
        ("view.zoom_in", say("Canvas", "Zoom &in"), ("Ctrl++", "Ctrl+="), lambda: view.zoom_by(ZOOM_STEP), "plus"),
        ("view.zoom_out", say("Canvas", "Zoom &out"), ("Ctrl+-",), lambda: view.zoom_by(1 / ZOOM_STEP), "minus"),
    )
    for name, text, keys, run, icon in zooms:
        actions.add(Spec(name, text, "view", keys), run, icon=icons.icon(icon) if icon else None)


def _add_modes(view: CanvasView, actions: Actions) -> None:
    say = QCoreApplication.translate
    actions.add(
        Spec("view.mode", say("Canvas", "Next view of the mask"), "view", ("F",)),
        view.next_mode,
        icon=icons.icon("eye"),
    )
    group = QActionGroup(view)
    made: dict[ViewMode, QAction] = {}
    for mode in ViewMode:
        spec = Spec(f"view.mode.{mode.value}", mode_words(mode), "view", checkable=True)
        made[mode] = actions.add(spec, partial(_look, view, mode))
        group.addAction(made[mode])
    made[view.mode].setChecked(True)
    view.mode_changed.connect(lambda mode: made[mode].setChecked(True))
    protected = actions.add(
        Spec("view.protected", say("Canvas", "Always show protected areas"), "view", ("Shift+H",), checkable=True),
        view.set_always_protected,
    )
    view.look_changed.connect(lambda: protected.setChecked(view.always_protected))


def _look(view: CanvasView, mode: ViewMode, on: bool) -> None:
    if on:
        view.set_mode(mode)
