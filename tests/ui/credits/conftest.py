"""Credits work on a stand-in for the account, closed at the end of a test."""

import pytest
from PySide6.QtCore import QLocale

from outfitswap_desktop.ui.credits.work import CreditsWork
from tests.ui.credits.fake import FakeLicensing


@pytest.fixture
def face():
    return FakeLicensing()


@pytest.fixture
def work(qtbot, face):
    made = CreditsWork(lambda: face)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture(autouse=True)
def american():
    """Numbers, money and days as they are written there, whatever the machine's language."""
    before = QLocale()
    QLocale.setDefault(QLocale("en_US"))
    yield
    QLocale.setDefault(before)
