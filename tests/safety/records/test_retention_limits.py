"""How long records may be kept: shorter than a year, never longer, and no folder less than not at all."""

from datetime import timedelta
from pathlib import Path

import pytest

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety.records.retention import KEPT, Sweeper, SweptFolder

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize("keep", [timedelta(0), timedelta(days=30), KEPT])
@pytest.mark.parametrize("files", [timedelta(0), timedelta(days=700)])
def test_a_year_at_most(ledger, keep, files):
    assert timedelta(days=365) == KEPT
    Sweeper(ledger, keep=keep, folders=(SweptFolder(Path("previews"), files),))


@pytest.mark.parametrize(("keep", "files"), [
    (KEPT + MOMENT, timedelta(0)), (-MOMENT, timedelta(0)), (KEPT, -MOMENT), (KEPT + MOMENT, -MOMENT),
])  # fmt: skip
def test_neither_longer_nor_less_than_nothing(ledger, keep, files):
    for folders in ((SweptFolder(Path("previews"), files),), *([()] if keep != KEPT else [])):
        with pytest.raises(UsageProblem) as caught:
            Sweeper(ledger, keep=keep, folders=folders)
        assert caught.value.reason == "retention"
