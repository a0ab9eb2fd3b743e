"""Bad files: one clear sentence each, quickly, without memory, and nothing but PhotoUnreadable."""

from __future__ import annotations

import re
import tempfile
import time

import pytest

from outfitswap_desktop.core.photo import read_photo
from outfitswap_desktop.errors import PhotoUnreadable
from tests.core.bad_images import Bad, all_bad

BAD = all_bad()
SENTENCE = re.compile(r"The photo [^\n]*[^.\n]\.")


def test_there_are_enough_bad_files() -> None:
    assert len({bad.name for bad in BAD}) == len(BAD) >= 250


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_file_is_refused_in_one_sentence(bad: Bad) -> None:
    data = bad.make()
    started = time.process_time()
    with pytest.raises(PhotoUnreadable) as caught:
        read_photo(data)
    assert time.process_time() - started <= 2
    refused = caught.value
    assert refused.reason in bad.reasons, refused.message
    assert SENTENCE.fullmatch(refused.message)
    assert re.fullmatch(r"[^\n]*[^.\n]\.", refused.hint)
    assert tempfile.gettempdir() not in refused.message + refused.hint
    assert refused.exit_code == 3
