"""The mask that is edited: one undo for everything, live parameters, protected areas, autosave."""

import json

import numpy as np
import pytest

from outfitswap_desktop.core.adjust import MaskParameters
from outfitswap_desktop.core.strokes import Brush
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.ui.canvas.mask_model import MaskModel

from .conftest import H, W

STRONG = MaskParameters(grow=5, smooth=6, feather=4)


def stroke(model, *points, size=14.0, erase=False, hardness=1.0):
    model.begin(Brush(size, hardness=hardness, erase=erase))
    for x, y in points:
        model.move(x, y)
    model.end()


def every_kind_of_change(model, base):
    """One call for each kind of step."""
    other = np.roll(base, 30, axis=1)
    return [
        lambda: stroke(model, (20, 20), (60, 150)),
        lambda: stroke(model, (50, 80), (120, 140), erase=True, hardness=0.2),
        model.invert,
        lambda: model.set_parameters(MaskParameters(grow=3)),
        lambda: model.combine(np.full((30, 40), 255, np.uint8), x=60, y=110),
        lambda: model.combine(np.full((30, 40), 200, np.uint8), x=-5, y=180, erase=True),
        lambda: model.detected(other, {"hands": np.roll(base, 90, axis=1)}),
        lambda: stroke(model, (150, 70), (150, 160)),
        lambda: model.detected(base),
        lambda: model.replace(np.roll(base, 40, axis=0), kind="import"),
        lambda: model.set_parameters(MaskParameters(smooth=5, fill=True, largest=True)),
        model.reset,
        model.clear,
    ]


def state(model):
    return model.painted.tobytes(), model.effective().tobytes(), model.parameters, tuple(sorted(model.protected))


def test_the_detection_is_where_undo_ends(model, base, head):
    assert np.array_equal(model.effective(), np.where(head > 0, 0, base))
    assert not model.can_undo
    assert not model.edited


def test_each_change_is_one_step_and_undo_and_redo_give_every_state_back(model, base):
    states = [state(model)]
    for change in every_kind_of_change(model, base):
        change()
        states.append(state(model))
    assert len(set(states)) == len(states)
    for wanted in reversed(states[:-1]):
        assert model.undo()
        assert state(model) == wanted
    assert not model.undo()
    for wanted in states[1:]:
        assert model.redo()
        assert state(model) == wanted
    assert not model.redo()


def test_a_new_change_forgets_what_was_undone(model, qtbot):
    stroke(model, (20, 20), (60, 150))
    model.undo()
    with qtbot.waitSignal(model.history_changed) as told:
        model.set_parameters(MaskParameters(grow=1))
    assert told.args == [True, False]
    assert not model.redo()


def test_nothing_protected_is_ever_in_the_mask(model, base, head, settled):
    inside = head > 0
    for change in every_kind_of_change(model, base)[:6]:
        change()
        assert not model.painted[inside].any()
        assert not model.effective()[inside].any()
    model.set_parameters(MaskParameters(grow=40))
    settled(model)
    assert model.shown.any()
    assert not model.shown[inside].any()
    model.begin(Brush(60))
    model.move(150, 70)
    assert not model.shown[inside].any()
    model.end()


def test_undoing_a_detection_protects_again_what_was_protected_before(model, base, head):
    model.detected(base, {})
    stroke(model, (150, 70))
    assert model.effective()[70, 150] == 255
    model.undo()
    model.undo()
    stroke(model, (150, 70))
    assert model.effective()[70, 150] == 0


def test_parameters_are_worked_out_as_core_says(model, settled):
    model.set_parameters(STRONG)
    settled(model)
    assert np.array_equal(model.shown, STRONG.apply(model.painted, model.keep))
    assert np.array_equal(model.shown, model.effective())


def test_after_a_stroke_only_its_surroundings_are_worked_out_again_with_the_same_result(model, settled, qtbot):
    model.set_parameters(STRONG)
    settled(model)
    boxes = []
    stroke(model, (220, 150), (230, 155))
    model.changed.connect(boxes.append)
    settled(model)
    assert np.array_equal(model.shown, STRONG.apply(model.painted, model.keep))
    assert boxes
    assert all(rect.width() < 120 and rect.height() < 120 for rect in boxes)


def test_a_stroke_does_not_wait_for_the_parameters_and_they_come_right_in_the_end(model, settled):
    model.set_parameters(STRONG)
    assert model.busy
    stroke(model, (20, 20), (60, 150))
    model.begin(Brush(20, erase=True))
    model.move(80, 120)
    assert model.drawing
    model.end()
    settled(model)
    assert np.array_equal(model.shown, STRONG.apply(model.painted, model.keep))


def test_the_running_stroke_is_seen_on_top_of_the_parameters(model, settled):
    model.set_parameters(MaskParameters(grow=2))
    settled(model)
    model.begin(Brush(20))
    model.move(250, 170)
    assert model.shown[170, 250] == 255
    model.abandon()
    settled(model)
    assert model.shown[170, 250] == 0
    model.begin(Brush(20, erase=True))
    model.move(90, 120)
    assert model.shown[120, 90] == 0
    model.abandon()
    settled(model)
    assert model.shown[120, 90] == 255


def test_effective_is_right_at_once(model):
    model.set_parameters(STRONG)
    assert model.busy
    assert np.array_equal(model.effective(), STRONG.apply(model.painted, model.keep))
    assert not model.busy


def test_a_dragged_slider_is_one_step(model):
    for grow in range(1, 9):
        model.set_parameters(MaskParameters(grow=grow), final=False)
    assert not model.can_undo
    model.set_parameters(MaskParameters(grow=8))
    assert model.can_undo
    model.undo()
    assert model.parameters == MaskParameters()
    assert not model.can_undo


def test_a_slider_that_is_put_back_is_no_step(model):
    model.set_parameters(MaskParameters(grow=5), final=False)
    model.set_parameters(MaskParameters())
    assert not model.can_undo


def test_edited_says_whether_the_user_changed_the_detection(model, base):
    told = []
    model.edited_changed.connect(told.append)
    stroke(model, (20, 20))
    model.undo()
    model.redo()
    model.detected(np.roll(base, 9, axis=1))
    assert told == [True, False, True, False]
    model.set_parameters(MaskParameters(feather=2))
    assert model.edited
    model.reset()
    assert not model.edited


def test_abandoning_leaves_no_trace(model):
    before = state(model)
    model.begin(Brush(40))
    model.move(30, 30)
    model.move(80, 150)
    model.abandon()
    assert state(model) == before
    assert not model.can_undo


def test_a_stroke_that_changes_nothing_is_no_step(model):
    stroke(model, (80, 130))
    assert not model.can_undo


def test_undo_waits_for_the_pen(model):
    stroke(model, (20, 20))
    model.begin(Brush(10))
    model.move(200, 150)
    assert not model.undo()
    model.end()
    assert model.undo()


def test_a_mask_of_another_size_is_refused(model):
    with pytest.raises(UsageProblem):
        model.replace(np.zeros((H, W + 1), np.uint8))


# --- autosave


def saved(model):
    values, blobs = model.as_values()
    return json.loads(json.dumps(values)), dict(blobs)


def test_what_was_saved_comes_back_with_its_whole_history(model, base, qtbot):
    states = [state(model)]
    for change in every_kind_of_change(model, base):
        change()
        states.append(state(model))
    for _ in range(4):
        model.undo()
    values, blobs = saved(model)
    other = MaskModel(H, W)
    assert other.restore(values, blobs)
    at = len(states) - 5
    assert state(other) == states[at]
    assert other.edited == model.edited
    for wanted in states[at + 1 :]:
        assert other.redo()
        assert state(other) == wanted
    for wanted in reversed(states[:-1]):
        assert other.undo()
        assert state(other) == wanted
    assert not other.undo()
    other.close()


def test_a_later_save_keeps_the_blobs_of_the_earlier_one(model, base):
    for change in every_kind_of_change(model, base)[:5]:
        change()
    _, before = saved(model)
    stroke(model, (200, 180), (260, 190), erase=True)
    _, after = saved(model)
    new = {name for name in after if after[name] != before.get(name)}
    assert len(new) == 1
    model.undo()
    assert saved(model)[1] == after


def test_painting_without_a_detection_is_saved_too(qtbot):
    model, other = MaskModel(H, W), MaskModel(H, W)
    stroke(model, (30, 30), (90, 90))
    assert other.restore(*saved(model))
    assert state(other) == state(model)
    model.close()
    other.close()


@pytest.mark.parametrize("harm", ["missing", "cut", "flipped", "values", "version"])
def test_a_damaged_save_changes_nothing(model, harm, base):
    stroke(model, (30, 30), (90, 90))
    values, blobs = saved(model)
    name = "mask.step.0"
    if harm == "missing":
        del blobs[name]
    elif harm == "cut":
        blobs[name] = blobs[name][:-5]
    elif harm == "flipped":
        blobs[name] = blobs[name][:30] + bytes([blobs[name][30] ^ 255]) + blobs[name][31:]
    elif harm == "values":
        values["steps"] = "none"
    else:
        values["version"] = 99
    other = MaskModel(H, W)
    other.detected(base)
    before = state(other)
    assert not other.restore(values, blobs)
    assert state(other) == before
    other.close()


def test_a_save_of_another_photo_is_not_taken(model, qtbot):
    other = MaskModel(H + 1, W)
    assert not other.restore(*saved(model))
    other.close()
