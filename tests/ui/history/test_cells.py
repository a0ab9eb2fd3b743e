"""The view of cells: where they lie, where keys lead, what is selected, and that it costs the same with many rows."""

import pytest
from PySide6.QtCore import QAbstractListModel, QModelIndex, QPoint, Qt
from PySide6.QtTest import QTest

from outfitswap_desktop.ui.history.cells import ROW_HEIGHT, CellView


class Numbers(QAbstractListModel):
    """Counts how often it is asked for its length, and gives more rows when asked."""

    def __init__(self, rows, most):
        super().__init__()
        self.rows, self.most, self.asked = rows, most, 0

    def rowCount(self, parent=None):
        self.asked += 1
        return self.rows

    def data(self, index, role=Qt.ItemDataRole.DisplayRole):
        return str(index.row()) if role == Qt.ItemDataRole.DisplayRole else None

    def canFetchMore(self, parent):
        return self.rows < self.most

    def fetchMore(self, parent):
        self.beginInsertRows(QModelIndex(), self.rows, self.rows + 199)
        self.rows += 200
        self.endInsertRows()


@pytest.fixture
def view(qtbot):
    shown = CellView()
    qtbot.addWidget(shown)
    shown.numbers = Numbers(100, 100)
    shown.setModel(shown.numbers)
    shown.resize(800, 600)
    shown.show()
    shown.setFocus()
    return shown


def current(view):
    return view.currentIndex().row()


def selected(view):
    return sorted(index.row() for index in view.selectionModel().selectedIndexes())


def test_keys_lead_through_the_grid(view):
    columns = view.columns
    assert columns == 4
    QTest.keyClick(view, Qt.Key.Key_Home)
    steps = (
        (Qt.Key.Key_Right, 1), (Qt.Key.Key_Down, 5), (Qt.Key.Key_Left, 4), (Qt.Key.Key_Up, 0), (Qt.Key.Key_Up, 0),
        (Qt.Key.Key_Left, 0), (Qt.Key.Key_End, 99), (Qt.Key.Key_Down, 99), (Qt.Key.Key_Right, 99), (Qt.Key.Key_Home, 0),
    )  # fmt: skip
    for key, expected in steps:
        QTest.keyClick(view, key)
        assert current(view) == expected
        assert view.viewport().rect().contains(view.visualRect(view.currentIndex()).adjusted(1, 1, -1, -1))
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    assert current(view) == 2 * columns


def test_down_from_a_full_line_reaches_a_short_last_one(view):
    view.numbers.beginResetModel()
    view.numbers.rows = view.numbers.most = 6
    view.numbers.endResetModel()
    view.setCurrentIndex(view.model().index(3, 0))
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert current(view) == 5
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert current(view) == 5


def test_shift_selects_all_in_between_and_a_click_beside_nothing(view):
    cells = [view.visualRect(view.model().index(row, 0)).center() for row in range(8)]
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=cells[6])
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, cells[1])
    assert selected(view) == [1, 2, 3, 4, 5, 6]
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, cells[3])
    assert selected(view) == [1, 2, 4, 5, 6]
    QTest.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(selected(view)) == 100
    view.numbers.beginResetModel()
    view.numbers.rows = view.numbers.most = 2
    view.numbers.endResetModel()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=cells[0])
    assert selected(view) == [0]
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=cells[7])
    assert selected(view) == []


def test_what_is_at_a_point_is_what_lies_there(view):
    view.verticalScrollBar().setValue(333)
    for row in (8, 11, 13):
        index = view.model().index(row, 0)
        assert view.indexAt(view.visualRect(index).center()) == index
    assert not view.indexAt(QPoint(799, 10)).isValid() or view.columns * view._cell()[0] > 799


def test_rows_are_as_wide_as_the_view(view):
    view.setCurrentIndex(view.model().index(50, 0))
    view.show_cards(False)
    place = view.visualRect(view.model().index(50, 0))
    assert (place.width(), place.height()) == (view.viewport().width(), ROW_HEIGHT)
    assert view.viewport().rect().contains(place.center()), "the current entry stays in sight"


def test_older_ones_are_asked_for_before_the_end(view, qtbot):
    view.numbers.most = 5000
    view.updateGeometries()
    bar = view.verticalScrollBar()
    while view.numbers.rows < 2000:
        before = view.numbers.rows
        bar.setValue(bar.maximum() - 2 * view.viewport().height())
        assert view.numbers.rows >= before + 200


def test_a_repaint_does_not_ask_more_with_more_rows(view, qtbot):
    def asked():
        qtbot.wait(20)
        view.numbers.asked = 0
        view.verticalScrollBar().setValue(view.verticalScrollBar().value() + 50)
        view.viewport().repaint()
        return view.numbers.asked

    few = asked()
    view.numbers.beginInsertRows(QModelIndex(), 100, 99_999)
    view.numbers.rows = 100_000
    view.numbers.endInsertRows()
    assert asked() <= few + 20
