"""What is under "More": engines that are there or not, and what only engines for a graphics card heed."""

from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QScrollArea

from outfitswap_desktop.engine.messages import CheckPrompt, CompleteWord, PromptChecked
from outfitswap_desktop.ui.outfit.outfit import ENGINES, SPANS, Outfit, heeded
from outfitswap_desktop.ui.outfit.panel import OutfitPanel
from outfitswap_desktop.ui.tab_order import in_order
from tests.ui.desks import FakeDesk

ALL = frozenset(ENGINES) - {"fabric"}
FULL = Outfit("green velvet", ("Matte",), None, "sd15", 9, True, 4, 12, "fast", 0.8, 6.5, 0.0, 0.3, 1.1)


@pytest.fixture
def panel(qtbot):
    made = OutfitPanel(FakeDesk({CheckPrompt: PromptChecked("", True), CompleteWord: ()}))
    qtbot.addWidget(made)
    made.resize(420, 1300)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def more(panel):
    """What is under "More", opened, with all engines installed."""
    panel.show_installed(ALL)
    panel._more.setChecked(True)
    return panel.advanced


@pytest.fixture
def said(panel):
    heard = []
    panel.changed.connect(heard.append)
    return heard


def choose(more, engine):
    more.engine.setCurrentIndex(more.engine.findData(engine))


def can_be_chosen(more):
    items = more.engine.model()
    return {more.engine.itemData(at) for at in range(more.engine.count()) if items.item(at).isEnabled()}


def test_nobody_has_to_see_it(qtbot, panel):
    assert panel.advanced.isHidden()
    panel._more.setFocus()
    qtbot.keyClick(panel._more, Qt.Key.Key_Space)
    assert panel.advanced.isVisible()
    assert panel.outfit == Outfit(words="")


def test_engines_without_weights_are_there_but_grey(panel):
    more = panel.advanced
    assert [more.engine.itemData(at) for at in range(more.engine.count())] == ["auto", *ENGINES]
    assert can_be_chosen(more) == {"auto", "fabric"}
    at = more.engine.findData("sdxl")
    assert more.engine.itemText(at) == "Stable Diffusion XL (8 to 12 GB)"
    assert "Models page" in more.engine.itemData(at, Qt.ItemDataRole.ToolTipRole)
    panel.show_installed(["sdxl"])
    assert can_be_chosen(more) == {"auto", "fabric", "sdxl"}
    assert not more.engine.itemData(at, Qt.ItemDataRole.ToolTipRole)


def test_arrow_keys_pass_over_engines_that_are_not_there(qtbot, panel, more):
    panel.show_installed(["klein"])
    choose(more, "fabric")
    qtbot.keyClick(more.engine, Qt.Key.Key_Down)
    assert panel.outfit.engine == "klein"


def test_an_outfit_of_an_engine_that_is_gone_keeps_it_and_says_so(panel, more):
    panel.show_installed(())
    panel.set_outfit(Outfit("navy", engine="sdxl"))
    assert panel.outfit.engine == "sdxl"
    assert more._missing.isVisible()
    panel.show_installed(["sdxl"])
    assert not more._missing.isVisible()


def test_the_way_to_more_engines(qtbot, panel, more):
    with qtbot.waitSignal(panel.models_asked):
        qtbot.mouseClick(more.models, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
def test_what_an_engine_does_not_heed_is_grey(more, engine):
    choose(more, engine)
    recipe = more.recipe
    enabled = {
        name for name, part in {"mode": recipe.mode, "steps": recipe.steps, **recipe.rows}.items() if part.isEnabled()
    }
    assert enabled == heeded(engine)
    assert recipe.reset.isEnabled() == bool(enabled)
    assert recipe._why.text()


def test_auto_without_any_engine_says_that_it_is_for_nothing(panel, more):
    panel.show_installed(())
    assert "None of these engines is installed" in more.recipe._why.text()
    panel.show_installed(["sd15"])
    assert "installed" not in more.recipe._why.text()


def test_a_whole_outfit_is_shown_with_one_change_and_comes_back(panel, more, said):
    panel.set_outfit(FULL)
    assert said == [FULL]
    panel.set_outfit(Outfit())
    assert panel.outfit == Outfit()


def test_each_mode_has_its_sentence(panel, more, said):
    sentences = set()
    for at in range(more.recipe.mode.count()):
        more.recipe.mode.setCurrentIndex(at)
        sentences.add(more.recipe._mode_says.text())
    assert panel.outfit.mode == "fast"
    assert [one.mode for one in said] == ["balanced", "fast"]
    assert len(sentences) == 3
    assert all(sentences)


def test_steps_are_the_recipes_own_until_a_number_is_typed(qtbot, panel, more, said):
    steps = more.recipe.steps
    assert steps.text() == "recipe's own"
    steps.setFocus()
    steps.selectAll()
    qtbot.keyClicks(steps, "24")
    qtbot.keyClick(steps, Qt.Key.Key_Return)
    assert [one.steps for one in said] == [24]
    steps.setValue(0)
    assert panel.outfit.steps is None


@pytest.mark.parametrize("name", list(SPANS))
def test_a_number_by_the_sliders_keys(qtbot, panel, more, said, name):
    row, (low, high) = more.recipe.rows[name], SPANS[name]
    row.slider.setFocus()
    qtbot.keyClick(row.slider, Qt.Key.Key_Right)
    qtbot.keyClick(row.slider, Qt.Key.Key_End)
    qtbot.keyClick(row.slider, Qt.Key.Key_Home)
    assert [getattr(one, name) for one in said] == [low, high, None]
    assert row.number.text() == "recipe's own"


@pytest.mark.parametrize(("typed", "value"), [("0.37", 0.37), ("1", 1.0), ("0", 0.0)])
def test_a_number_that_is_typed(qtbot, panel, more, said, typed, value):
    row = more.recipe.rows["strength"]
    row.number.setFocus()
    row.number.selectAll()
    qtbot.keyClicks(row.number, typed)
    qtbot.keyClick(row.number, Qt.Key.Key_Return)
    assert [one.strength for one in said] == [value]
    assert row.slider.value() == round(value / 0.05)


def test_what_is_typed_below_the_least_becomes_the_least(qtbot, panel, more):
    row = more.recipe.rows["guidance"]
    row.number.setValue(0.8)
    assert panel.outfit.guidance == 1.0
    row.number.setValue(0.5)
    assert panel.outfit.guidance is None


def test_all_is_left_to_the_recipe_again(qtbot, panel, more, said):
    panel.set_outfit(FULL)
    qtbot.mouseClick(more.recipe.reset, Qt.MouseButton.LeftButton)
    plain = Outfit()
    left = {name: getattr(plain, name) for name in ("mode", "steps", *SPANS)}
    assert said[-1] == replace(FULL, **left) == panel.outfit


def test_the_wheel_turns_nothing_that_has_no_focus(qtbot, panel, more):
    more.seed.setFocus()
    before = panel.outfit
    for part in (more.engine, more.variations, more.recipe.mode, more.recipe.steps, more.recipe.rows["pose"].slider):
        turn(part)
    assert panel.outfit == before
    more.recipe.steps.setFocus()
    turn(more.recipe.steps)
    assert panel.outfit.steps == 1


def test_tab_goes_through_it_from_top_to_bottom(qtbot, panel, more):
    in_order(*panel.stops)
    stops = more.stops
    stops[0].setFocus()
    for one, next_one in pairwise(stops):
        assert one.hasFocus(), one.accessibleName()
        assert one.mapTo(panel, QPoint()).y() <= next_one.mapTo(panel, QPoint()).y() + next_one.height() // 2
        qtbot.keyClick(one, Qt.Key.Key_Tab)
    assert stops[-1].hasFocus()


def test_every_control_says_what_it_is(more):
    for part in more.stops:
        name = part.accessibleName() or (part.text() if isinstance(part, QAbstractButton) else "")
        assert name, part
        assert part.toolTip() or part is more.seed, name


def test_what_opens_below_the_edge_is_brought_up(qtbot):
    panel = OutfitPanel(FakeDesk())
    area = QScrollArea()
    qtbot.addWidget(area)
    area.setWidget(panel)
    area.setWidgetResizable(True)
    area.resize(400, 500)
    area.show()
    qtbot.waitExposed(area)
    panel._more.setChecked(True)
    qtbot.waitUntil(lambda: panel.advanced.seed.visibleRegion().boundingRect().height() > 0)
    assert panel._more.visibleRegion().boundingRect().height() > 0


def turn(part):
    place = QPointF(part.rect().center())
    event = QWheelEvent(
        place,
        QPointF(part.mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(part, event)
