"""The mask that is being edited: what was painted, the live parameters on top of it, what is protected, and one undo for all.

Painting never waits: the parameters are worked out again on another thread once the pen is up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QRect, Signal

from outfitswap_desktop.core import mask as arithmetic
from outfitswap_desktop.core.adjust import MaskParameters
from outfitswap_desktop.core.arrays import Alpha, Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.strokes import Brush, MaskCanvas
from outfitswap_desktop.core.undo import EMPTY, UndoPatch, around
from outfitswap_desktop.errors import InputRefused, UsageProblem
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.canvas.areas import Area, free_of
from outfitswap_desktop.ui.canvas.change import Change, Facts, Saved, read, written


class MaskModel(QObject):
    """The mask of one photo of `height` x `width` pixels; blank until `detected` or painting.

    Everything here is called on the GUI thread. `close` ends the thread behind it.
    """

    changed = Signal(QRect)
    """What `shown` shows has changed within this rectangle."""
    edited_changed = Signal(bool)
    history_changed = Signal(bool, bool)
    """Whether there is something to undo, and to redo."""
    parameters_changed = Signal(object)
    protected_changed = Signal()
    settled = Signal()
    """The parameters are worked out: `shown` is what `effective` gives."""
    stepped = Signal()
    """A step was done, undone or redone: a moment to autosave."""

    def __init__(self, height: int, width: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shape = (height, width)
        self._canvas = MaskCanvas(np.zeros((height, width), np.uint8), pack_at_once=False)
        self._facts = Facts()
        self._start: Area | None = None
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._edited = False
        self._adjusted: Alpha | None = None
        self._dirty: Box = EMPTY
        self._painted_state = 0
        self._erasing = False
        self._before_slide: Facts | None = None
        self._at_work = False
        self._background = Background(self)

    # what is there

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the photo."""
        return self._shape

    @property
    def shown(self) -> Alpha:
        """The mask to look at (H, W), read-only, at once: may lag behind `effective` while the parameters are worked out."""
        view = (self._canvas.pixels if self._adjusted is None else self._adjusted).view()
        view.setflags(write=False)
        return view

    @property
    def painted(self) -> Mask:
        """What was painted (H, W), before the parameters; read-only and live."""
        return self._canvas.pixels

    @property
    def parameters(self) -> MaskParameters:
        return self._facts.parameters

    @property
    def protected(self) -> Mapping[str, Area]:
        """The areas that are never in the mask, by name."""
        return self._facts.protected

    @property
    def keep(self) -> Mask | None:
        """255 where the mask may be, 0 where it is protected (H, W); None when nothing is. Not to be written to."""
        return self._canvas.keep

    @property
    def base(self) -> Area | None:
        """The mask of the last detection."""
        return self._facts.base

    @property
    def edited(self) -> bool:
        """Whether the user changed anything since the last detection."""
        return self._edited

    @property
    def drawing(self) -> bool:
        return self._canvas.drawing

    @property
    def busy(self) -> bool:
        """Whether the parameters are still being worked out."""
        return self._dirty != EMPTY

    @property
    def can_undo(self) -> bool:
        return bool(self._done) and not self.drawing

    @property
    def can_redo(self) -> bool:
        return bool(self._undone) and not self.drawing

    @property
    def undo_bytes(self) -> int:
        """Memory that undo and redo take together, in bytes."""
        return self._canvas.undo_bytes

    def effective(self) -> Alpha:
        """The mask to use (H, W) 0..255, a read-only copy; works the parameters out now where they are not yet."""
        if self._dirty != EMPTY and not self.drawing:
            self._take(self._dirty, self.parameters.apply(self.painted, self.keep), whole=True)
        result = self.shown.copy()
        result.setflags(write=False)
        return result

    # strokes

    def begin(self, brush: Brush) -> None:
        """Pen down. Raises UsageProblem while another stroke is running."""
        self._canvas.begin(brush)
        self._erasing = brush.erase

    def move(self, x: float, y: float, pressure: float = 1.0) -> Box:
        """Paint on to (x, y) in photo pixels; returns what was touched."""
        box = self._canvas.move(x, y, pressure)
        if box != EMPTY:
            self._painted_state += 1
            if self._adjusted is not None:
                self._show_running(box)
            self._emit(box)
        return box

    def end(self) -> bool:
        """Pen up: one step of undo; False when the stroke changed nothing."""
        patch = self._canvas.end()
        self._repaint(patch.box)
        return self._push("stroke", patch)

    def abandon(self) -> None:
        """Take the running stroke back as if it had never begun."""
        if not self.drawing:
            return
        box = self._canvas.abandon()
        self._painted_state += 1
        self._repaint(box)
        self._emit(box)

    # changes of the whole mask; each is one step of undo

    def detected(self, base: Mask, protected: Mapping[str, Mask] | None = None) -> None:
        """Start anew from a detection: `base` (H, W) is its mask, `protected` its areas by name (None: as they were).

        The very first one is where undo ends; a later one can be undone. The parameters stay.
        """
        self.abandon()
        areas = self._facts.protected
        if protected is not None:
            areas = {name: area for name, mask in protected.items() if (area := Area.of(mask)).pixels.size}
        first = not self._done and not self._undone and self._facts.base is None
        facts = replace(self._facts, base=Area.of(base), protected=areas)
        if protected is None:
            patch = self._canvas.replace(base)
        else:
            patch = self._canvas.limit(free_of(areas.values(), self._shape), base)
        self._after("detection", (patch,), facts)
        if first:
            self._forget_steps()

    def replace(self, mask: Mask, *, kind: str = "replace") -> None:
        """Put `mask` (H, W) uint8 in place of what was painted: an import, a refined mask ..."""
        self.abandon()
        self._after(kind, (self._canvas.replace(mask),), self._facts)

    def combine(self, area: Mask, *, x: int, y: int, erase: bool = False, kind: str = "area") -> None:
        """Add `area` (h, w) 0..255 with its first pixel at (x, y) to what was painted, or take it away."""
        self.abandon()
        self._after(kind, (self._canvas.combine(area, x=x, y=y, erase=erase),), self._facts)

    def invert(self) -> None:
        """What was out is in; protected areas stay out."""
        self.replace(arithmetic.invert(self.painted), kind="invert")

    def clear(self) -> None:
        """Nothing is in the mask."""
        self.replace(np.zeros(self._shape, np.uint8), kind="clear")

    def reset(self) -> None:
        """Back to the detection, parameters too; blank when there was none."""
        self.abandon()
        base = self._facts.base
        mask = np.zeros(self._shape, np.uint8) if base is None else base.whole(self._shape)
        self._after("reset", (self._canvas.replace(mask),), replace(self._facts, parameters=MaskParameters()))

    # parameters

    def set_parameters(self, parameters: MaskParameters, *, final: bool = True) -> None:
        """Change the live parameters. A slider that is being dragged passes `final=False`; all until the next final call

        are one step of undo.
        """
        self.abandon()
        before = self._before_slide or self._facts
        if parameters != self._facts.parameters:
            self._facts = replace(self._facts, parameters=parameters)
            self._repaint_all()
            self.parameters_changed.emit(parameters)
        self._before_slide = None if final else before
        if final and before.parameters != parameters:
            self._done.append(Change("parameters", (), before, self._facts))
            self._forget_redo()
            self._tell()

    # undo

    def undo(self) -> bool:
        """Take the last step back; False when there is none."""
        if not self.can_undo:
            return False
        change = self._done.pop()
        self._undone.append(change)
        box = EMPTY
        for _ in change.patches:
            box = around(box, self._canvas.undo())
        self._restore(change.before, box)
        return True

    def redo(self) -> bool:
        """Do again what was last undone; False when there is nothing."""
        if not self.can_redo:
            return False
        change = self._undone.pop()
        self._done.append(change)
        box = EMPTY
        for _ in change.patches:
            box = around(box, self._canvas.redo())
        self._restore(change.after, box)
        return True

    # autosave

    def as_values(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The mask with its whole history: JSON values, and blobs by name. A blob keeps name and bytes while it is in use, so

        that a save writes only what is new. A running stroke is left out. Cheap: everything is deflated already, as a rule.
        """
        changes = (*self._done, *reversed(self._undone))
        return written(Saved(self._shape, self._start, self._facts, changes, len(self._done)))

    def restore(self, values: Mapping[str, Any], blobs: Mapping[str, bytes]) -> bool:
        """Put back what `as_values` gave, undo and redo included; False, and nothing is changed, when it is damaged

        or belongs to a photo of another size.
        """
        try:
            saved = read(values, blobs)
            if saved.shape != self._shape:
                return False
            painted = saved.painted()
        except InputRefused:
            return False
        self.abandon()
        self._canvas = MaskCanvas(painted, pack_at_once=False)
        self._canvas.limit(free_of(saved.now.protected.values(), self._shape))
        done, undone = saved.changes[: saved.done], saved.changes[saved.done :]
        self._canvas.resume(_patches(done), reversed(_patches(undone)))
        self._done, self._undone = list(done), list(reversed(undone))
        self._start, self._facts, self._adjusted = saved.start, saved.now, None
        self._painted_state += 1
        self._repaint_all()
        self._emit((0, 0, self._shape[1], self._shape[0]))
        self.protected_changed.emit()
        self.parameters_changed.emit(self.parameters)
        self._tell()
        return True

    def close(self) -> None:
        """End the thread; the model can still be read."""
        self._background.close()

    # inside

    def _restore(self, facts: Facts, box: Box) -> None:
        former, self._facts = self._facts, facts
        self._painted_state += 1
        if facts.protected is not former.protected:
            self._canvas.limit(free_of(facts.protected.values(), self._shape))
        self._follow(former, box)
        self._tell()

    def _after(self, kind: str, patches: tuple[UndoPatch, ...], facts: Facts) -> None:
        box = EMPTY
        for patch in patches:
            box = around(box, patch.box)
        former, self._facts = self._facts, facts
        self._painted_state += 1
        self._follow(former, box)
        self._push(kind, *patches, before=former)

    def _follow(self, former: Facts, box: Box) -> None:
        """The facts were `former` before, and what was painted has changed within `box`."""
        facts = self._facts
        protects = facts.protected is not former.protected
        if protects or facts.parameters != former.parameters:
            self._repaint_all()
        else:
            self._repaint(box)
        if protects:
            self.protected_changed.emit()
        if facts.parameters != former.parameters:
            self.parameters_changed.emit(facts.parameters)
        self._emit(box)

    def _push(self, kind: str, *patches: UndoPatch, before: Facts | None = None) -> bool:
        made = [patch for patch in patches if patch.blocks]
        before = before or self._facts
        if not made and before is self._facts:
            return False
        change = Change(kind, tuple(made), before, self._facts)
        self._done.append(change)
        self._forget_redo()
        self._background.run(change.pack, lambda _packed: None)
        self._tell()
        return True

    def _forget_redo(self) -> None:
        self._undone.clear()
        self._canvas.forget_redo()

    def _forget_steps(self) -> None:
        self._done.clear()
        self._undone.clear()
        self._canvas.resume((), ())
        self._start = start = Area.of(self.painted)
        self._background.run(lambda: [area.pack() for area in (start, *self._areas())], lambda _packed: None)
        self._tell()

    def _areas(self) -> list[Area]:
        """The areas of the present facts."""
        facts = self._facts
        return [*([facts.base] if facts.base is not None else []), *facts.protected.values()]

    def _tell(self) -> None:
        edited = False
        for change in reversed(self._done):
            if change.kind in {"detection", "reset"}:
                break
            edited = True
        if edited != self._edited:
            self._edited = edited
            self.edited_changed.emit(edited)
        self.history_changed.emit(self.can_undo, self.can_redo)
        self.stepped.emit()

    def _emit(self, box: Box) -> None:
        if box != EMPTY:
            self.changed.emit(QRect(box[0], box[1], box[2] - box[0], box[3] - box[1]))

    def _show_running(self, box: Box) -> None:
        """Let the running stroke be seen on top of the adjusted mask, until the parameters are worked out again."""
        assert self._adjusted is not None
        view = self._adjusted[box[1] : box[3], box[0] : box[2]]
        cover = self._canvas.stroke_cover(box)
        if self._erasing:
            np.minimum(view, np.subtract(np.uint8(255), cover), out=view)
            return
        if self.keep is not None:
            cover &= self.keep[box[1] : box[3], box[0] : box[2]]
        np.maximum(view, cover, out=view)

    def _repaint_all(self) -> None:
        self._repaint((0, 0, self._shape[1], self._shape[0]))

    def _repaint(self, box: Box) -> None:
        """What was painted has changed within `box`, or the parameters have."""
        if self.parameters.neutral:
            was, self._adjusted, self._dirty = self._adjusted, None, EMPTY
            if was is not None:
                self._emit((0, 0, self._shape[1], self._shape[0]))
            return
        self._dirty = around(self._dirty, box)
        self._work()

    def _work(self) -> None:
        if self._at_work or self._dirty == EMPTY or self.drawing:
            return
        self._at_work = True
        parameters, state, dirty = self.parameters, self._painted_state, self._dirty
        painted, keep = self.painted, self.keep
        everything = self._adjusted is None or dirty == (0, 0, self._shape[1], self._shape[0])

        def work() -> tuple[Box, Alpha]:
            if everything:
                return (0, 0, painted.shape[1], painted.shape[0]), parameters.apply(painted, keep)
            return parameters.apply_within(painted, keep, dirty)

        def then(answer: tuple[Box, Alpha]) -> None:
            self._at_work = False
            if state == self._painted_state and not self.parameters.neutral:
                if parameters == self.parameters and dirty == self._dirty:
                    self._take(answer[0], answer[1], whole=answer[1].shape == self._shape)
                elif answer[1].shape == self._shape:
                    self._put(answer[0], answer[1], whole=True)
            self._work()

        self._background.run(work, then)

    def _take(self, box: Box, pixels: Alpha, *, whole: bool) -> None:
        self._dirty = EMPTY
        self._put(box, pixels, whole=whole)
        self.settled.emit()

    def _put(self, box: Box, pixels: Alpha, *, whole: bool) -> None:
        if whole:
            self._adjusted = np.require(pixels, requirements="W")
            self._emit((0, 0, self._shape[1], self._shape[0]))
            return
        if self._adjusted is None:
            raise UsageProblem("A part of the mask came before the whole.", reason="mask_order")
        self._adjusted[box[1] : box[3], box[0] : box[2]] = pixels
        self._emit(box)


def _patches(changes: Iterable[Change]) -> list[UndoPatch]:
    return [patch for change in changes for patch in change.patches]
