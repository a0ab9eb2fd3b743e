"""Identical, near or impossible, and every reason said once."""

import copy
import hashlib

import pytest

from outfitswap_desktop.core.receipt import versions
from outfitswap_desktop.core.regions import HAND_DRAWN
from outfitswap_desktop.ui.history.reproduce import Found, Machine, compare, look
from tests.ui.history.entries import receipt

HERE = Machine(versions(), frozenset({"fabric"}))
THERE = Found("f" * 64)


def changed(**parts):
    document = copy.deepcopy(receipt(1))
    for path, value in parts.items():
        *way, last = path.split("__")
        place = document
        for name in way:
            place = place[name]
        place[last] = value
    return document


def test_everything_there_is_identical():
    assert compare(receipt(1), THERE, HERE) == type(compare(receipt(1), THERE, HERE))("identical", ())


@pytest.mark.parametrize(
    ("document", "found", "machine", "kind", "word"),
    [
        (changed(), Found(None), HERE, "impossible", "astronaut.png"),
        (changed(), Found("0" * 64), HERE, "impossible", "changed"),
        (changed(made__engine="sdxl"), THERE, HERE, "impossible", "sdxl"),
        (changed(garment={"name": "coat.jpg", "sha256": "1" * 64}), THERE, HERE, "impossible", "coat.jpg"),
        (changed(garment={"name": "coat.jpg", "sha256": "1" * 64}), Found("f" * 64, "2" * 64), HERE, "impossible", "changed"),
        (changed(request__mask_sha256="3" * 64), THERE, HERE, "near", "drawn"),
        (changed(request__mask_sha256="3" * 64), Found("f" * 64, None, "4" * 64), HERE, "near", "drawn"),
        (changed(made__segmenter=HAND_DRAWN), THERE, HERE, "near", "drawn"),
        (changed(versions__numpy="1.0.0"), THERE, HERE, "near", "numpy 1.0.0"),
        (changed(versions__outfitswap="0.0.1"), THERE, HERE, "near", "this program"),
        (changed(versions={}), THERE, HERE, "near", "versions"),
        (changed(made__plan={"batch": 4}), THERE, HERE, "near", "variations"),
        (changed(schema=7), THERE, HERE, "impossible", "receipt"),
        (changed(made=None), THERE, HERE, "impossible", "receipt"),
        ({}, THERE, HERE, "impossible", "receipt"),
    ],
)  # fmt: skip
def test_each_thing_that_is_missing_is_said(document, found, machine, kind, word):
    answer = compare(document, found, machine)
    assert answer.kind == kind
    assert len(answer.reasons) == 1
    assert word in answer.reasons[0]


def test_a_drawn_mask_that_is_there_is_as_good_as_none():
    found = Found("f" * 64, None, "3" * 64)
    assert compare(changed(request__mask_sha256="3" * 64), found, HERE).kind == "identical"


def test_reasons_add_up_and_the_worst_decides():
    document = changed(made__engine="klein", versions__numpy="0", request__mask_sha256="3" * 64)
    answer = compare(document, Found(None), HERE)
    assert answer.kind == "impossible"
    assert len(answer.reasons) == 4


def test_unknown_engines_are_no_reason():
    assert compare(changed(made__engine="sdxl"), THERE, Machine(versions())).kind == "identical"


def test_files_are_looked_at_as_they_are(tmp_path):
    photo = tmp_path / "a.png"
    photo.write_bytes(b"photo")
    assert look(photo, mask=tmp_path / "none") == Found(hashlib.sha256(b"photo").hexdigest(), None, None)


def test_sentences_can_be_translated():
    answer = compare(changed(), Found(None), HERE, say=lambda text: "DE " + text)
    assert answer.reasons[0].startswith("DE The photo astronaut.png")
