"""The heads of the log's parts: each signed by a known key, numbered without a gap, each behind the one before."""

from types import SimpleNamespace

import pytest

from outfitswap_desktop.safety.records import examining


def head(segment, first, seq, *, pruned=0, public=b"k", signed=True):
    return SimpleNamespace(
        segment=segment, first=first, seq=seq, pruned=pruned, public=public, is_signed=lambda: signed
    )


def problems(*heads):
    found = examining._Findings()
    examining._judge_heads(list(heads), {b"k": None}, found)
    return list(found.problems)


@pytest.mark.parametrize(("heads", "said"), [
    ((head(1, 1, 5),), []),
    ((head(1, 1, 5), head(2, 6, 9)), []),
    ((head(1, 1, 5), head(2, 8, 9)), []),
    ((head(2, 6, 9, pruned=5),), []),
    ((head(2, 6, 9, pruned=6),), []),
    ((head(2, 6, 9, pruned=4),), ["missing"]),
    ((head(2, 6, 9), head(3, 10, 12, pruned=5)), []),
    ((head(2, 6, 9, pruned=5), head(3, 10, 12, pruned=4)), ["missing"]),
    ((head(1, 1, 5), head(3, 6, 9)), ["missing"]),
    ((head(1, 1, 5), head(1, 6, 9)), ["missing"]),
    ((head(1, 1, 5), head(2, 5, 9)), ["missing"]),
    ((head(1, 1, 5, signed=False),), ["head"]),
    ((head(1, 1, 5, public=b"other"),), ["key_unknown"]),
])  # fmt: skip
def test_heads(heads, said):
    assert problems(*heads) == said
