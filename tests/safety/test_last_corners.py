"""Corners of the newest ways: another copy of a result, consent on record, the trash, words offered, two roots at once."""

import hashlib
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.errors import GateRefused, InputRefused, NotAvailable
from outfitswap_desktop.safety import again, api, roots, statements
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.marks import xmp
from outfitswap_desktop.safety.records import database
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.pictures import middle, planned, raw, script


@pytest.fixture
def own(tmp_path):
    with Ledger(None) as ledger:
        yield script(SafetyKernel(ledger)), ledger


@pytest.fixture
def photo(tmp_path, astronaut_file):
    return astronaut_file


def test_a_released_file_without_its_name_in_the_metadata_is_not_copied(own, photo, tmp_path, monkeypatch):
    kernel, ledger = own
    released = kernel.release(raw(kernel, kernel.open_photo(photo)))
    file = tmp_path / "result.png"
    file.write_bytes(kernel.encode(released, "PNG"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    said = xmp.read(again.photo_of(file, digest, ledger=ledger).xmp)
    monkeypatch.setattr(again.xmp, "read", lambda _packet: replace(said, result=None))
    with pytest.raises(InputRefused) as refused:
        again.take(file, digest, label=False, ledger=ledger)
    assert refused.value.reason == "result_unknown"


def test_consent_on_record_is_known_and_only_for_that_photo(own, photo):
    kernel, ledger = own
    source = kernel.open_photo(photo)
    assert not kernel.is_agreed(source)
    assert statements.recorded(source, ledger=ledger) is None
    planned(kernel, source)  # the statement is kept once a plan has passed
    assert kernel.is_agreed(source)
    with pytest.raises((TypeError, GateRefused)):
        kernel.is_agreed(kernel.open_garment(photo))


def test_words_are_offered_from_the_vocabulary_alone():
    offered = api.complete_word("vel", limit=3)
    assert 0 < len(offered) <= 3
    assert all(word.startswith("vel") for word in offered)
    assert all(answer.category != "unknown_word" for answer in api.check_prompts([f"navy {word}" for word in offered]))
    assert api.complete_word("qqqq") == ()


@pytest.fixture
def bin_(monkeypatch):
    moved = []
    module = types.ModuleType("send2trash")
    module.send2trash = lambda path: (moved.append(path), path.unlink())
    monkeypatch.setitem(sys.modules, "send2trash", module)
    return module, moved


def test_only_the_file_that_was_made_goes_to_the_trash(bin_, tmp_path):
    _, moved = bin_
    made = tmp_path / "result.png"
    made.write_bytes(b"pixels")
    right = hashlib.sha256(b"pixels").hexdigest()
    assert not api.to_trash(made, hashlib.sha256(b"others").hexdigest())
    assert not api.to_trash(tmp_path / "none.png", right)
    assert moved == []
    assert api.to_trash(made, right)
    assert moved == [made]


def test_a_place_without_a_trash_is_said_and_nothing_is_lost(bin_, tmp_path):
    module, _ = bin_

    def refuse(_path):
        raise OSError("no trash here")

    module.send2trash = refuse
    made = tmp_path / "result.png"
    made.write_bytes(b"pixels")
    with pytest.raises(NotAvailable) as caught:
        api.to_trash(made, hashlib.sha256(b"pixels").hexdigest())
    assert caught.value.reason == "no_trash"
    assert made.read_bytes() == b"pixels"


def test_a_damaged_log_finds_nothing_that_looks_alike(own, monkeypatch):
    _, ledger = own

    def damaged(_looks, _alike):
        raise database.LogDamagedError("A row is damaged.", reason="log_damaged")

    monkeypatch.setattr(ledger.lineage._audit, "most_like", damaged)
    with pytest.raises(GateRefused) as caught:
        ledger.lineage.root_like(bytes(32))
    assert "changed or lost" in caught.value.message


def test_what_two_roots_know_of_people_counts_once_each(own, photo):
    kernel, _ = own
    plan = planned(kernel, kernel.open_photo(photo))
    document = plan.subject.as_json()
    root = replace(plan.root, subjects=(document,))
    same = roots._both(root, root)
    assert [dict(one) for one in same.subjects] == [document]
    bare = replace(root, subjects=())
    assert [dict(one) for one in roots._both(bare, root).subjects] == [document]
    assert roots._both(root, bare).subjects == root.subjects
    elsewhere = {
        name: tuple(tuple((x + 480, y) for x, y in ring) for ring in rings)
        for name, rings in plan.subject.areas.items()
    }
    stranger = replace(plan.subject, areas=elsewhere)
    assert not stranger.same_person(plan.subject)
    both = roots._both(root, replace(root, subjects=(stranger.as_json(),)))
    assert len(both.subjects) == 2
    closer = replace(plan.subject, bare=dict.fromkeys(plan.subject.bare, 0.0))
    assert closer.same_person(plan.subject)
    tightened = roots._both(root, replace(root, subjects=(closer.as_json(),)))
    assert len(tightened.subjects) == 1


def test_the_log_says_whether_a_file_carries_the_invisible_mark(own, astronaut, tmp_path, monkeypatch):
    kernel, _ = own
    photo = tmp_path / "large.png"
    Image.fromarray(astronaut).resize((1024, 1024)).save(photo)
    said = []
    real = roots.decision
    monkeypatch.setattr(roots, "decision", lambda *given, **known: said.append(known) or real(*given, **known))
    source = kernel.open_photo(photo)
    for mask in (None, middle(source.pixels.shape) & _corner(source.pixels.shape)):
        released = kernel.release(raw(kernel, source, mask=mask))
        kernel.encode(released, "PNG")
        marked = [known["marked"] for known in said if "marked" in known][-1]
        assert marked is (released.origin.payload is not None)
    assert {known["marked"] for known in said if "marked" in known} == {True, False}


def _corner(shape):
    """All but a small piece in the middle is nothing."""
    piece = np.zeros(shape[:2], np.uint8)
    piece[220:300, 220:300] = 255
    return piece
