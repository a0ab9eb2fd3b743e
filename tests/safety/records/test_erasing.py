"""Everything that the safety room keeps is listed, erased on the typed word, and receipted; what is not ours stays."""

import contextlib
import json
import os
import sqlite3
from datetime import datetime

import pytest

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety.records import erasing
from outfitswap_desktop.safety.records.erasing import erase_all, list_all
from outfitswap_desktop.safety.records.keys import SAFETY
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.records.conftest import DAY, event, evidence, none_there, sha
from tests.safety.records.test_consents import LOOK, consent


def erase(folder, backend=None):
    return erase_all(folder, "erase", find_backend=lambda: backend)


def listed(folder, backend=None):
    return list_all(folder, find_backend=lambda: backend)


def full(folder, clock, backend=None):
    ledger = Ledger(folder, clock=clock, find_backend=lambda: backend)
    ledger.give(consent())
    ledger.released(sha(1), sha(2), b"123456", evidence(3))
    ledger.keys.store("leaf-certificate", b"certificate")
    return ledger


def test_the_list_names_everything_and_changes_nothing(folder, clock, keyring):
    with full(folder, clock) as ledger:
        before = {path.name for path in (folder / SAFETY).iterdir()}
        found = {one.name: one for one in listed(folder)}
        assert {path.name for path in (folder / SAFETY).iterdir()} >= before
        assert set(found) >= {
            "key.json",
            "anchor.json",
            "audit.db",
            "audit.db-wal",
            "audit.db-shm",
            "leaf-certificate.sealed",
        }
        assert found["audit.db"].as_json() == {
            "name": "audit.db", "what": "log", "where": "file", "bytes": found["audit.db"].bytes, "entries": 3, "consents": 1,
        }  # fmt: skip
        assert found["key.json"].as_json() == {
            "name": "key.json", "what": "key", "where": "file", "bytes": (folder / SAFETY / "key.json").stat().st_size,
        }  # fmt: skip
        assert found["anchor.json"].what == "anchor"
        assert found["key.lock"].what == "lock"
        assert ledger.verify().ok


def test_nothing_is_listed_where_nothing_is(folder, keyring):
    assert listed(folder) == ()
    assert listed(folder, keyring) == ()
    assert not folder.exists()


@pytest.mark.parametrize("typed", ["", "yes", "Erase", "erase ", "ERASE"])
def test_another_word_erases_nothing(folder, clock, typed):
    full(folder, clock).close()
    before = {path.name: path.read_bytes() for path in (folder / SAFETY).iterdir()}
    with pytest.raises(UsageProblem) as refusal:
        erase_all(folder, typed, find_backend=none_there)
    assert refusal.value.reason == "not_confirmed"
    assert {path.name: path.read_bytes() for path in (folder / SAFETY).iterdir()} == before


def test_erased_it_is_all_gone_and_receipted(folder, clock):
    full(folder, clock).close()
    with contextlib.closing(sqlite3.connect(folder / SAFETY / "audit.db")) as connection:
        connection.execute("SELECT count(*) FROM log").fetchone()
        names = {one.name for one in listed(folder)}
        receipt = erase(folder)
    assert not (folder / SAFETY).exists()
    assert {one["name"] for one in receipt["erased"]} >= names
    assert receipt["erased"][0]["what"] == "key", "first the keys, without which the rest says nothing"
    assert receipt["left"] == []
    assert receipt["out_of_reach"] == list(erasing.OUT_OF_REACH)
    datetime.fromisoformat(receipt["erased_at"])
    json.dumps(receipt)
    again = erase(folder)
    assert again["erased"] == []
    assert listed(folder) == ()


def test_the_keyring_entries_go_too(folder, clock, keyring):
    full(folder, clock, keyring).close()
    found = [one for one in listed(folder, keyring) if one.where == "keyring"]
    assert [(one.name, one.what, one.bytes) for one in found] == [
        ("seed", "key", 32),
        ("anchor", "anchor", found[1].bytes),
    ]
    keyring.entries["OutfitSwap Desktop", "other-folder:seed"] = "AAAA"
    receipt = erase(folder, keyring)
    assert list(keyring.entries) == [("OutfitSwap Desktop", "other-folder:seed")]
    assert [one["name"] for one in receipt["erased"] if one["where"] == "keyring"] == ["seed", "anchor"]
    assert receipt["erased"][0] == {"name": "seed", "what": "key", "where": "keyring"}
    assert erase(folder, keyring)["erased"] == []


def test_a_keyring_that_does_not_let_go_is_told(folder, clock, keyring):
    full(folder, clock, keyring).close()
    keyring.broken = ("delete",)
    receipt = erase(folder, keyring)
    assert [(one["name"], one["why"]) for one in receipt["left"]] == [
        ("seed", "the keyring did not let it go"),
        ("anchor", "the keyring did not let it go"),
    ]
    keyring.broken = ("get",)
    assert [one for one in listed(folder, keyring) if one.where == "keyring"] == []


def test_a_damaged_keyring_entry_is_listed_and_erased(folder, clock, keyring):
    full(folder, clock, keyring).close()
    for entry in keyring.entries:
        keyring.entries[entry] = "***"
    assert [one.bytes for one in listed(folder, keyring) if one.where == "keyring"] == [0, 0]
    erase(folder, keyring)
    assert keyring.entries == {}


def test_after_erasing_one_begins_anew(folder, clock, keyring):
    for backend in (None, keyring):
        full(folder, clock, backend).close()
        erase(folder, backend)
        clock.seconds += DAY
        with Ledger(folder, clock=clock, find_backend=lambda backend=backend: backend) as ledger:
            assert ledger.verify().ok
            assert ledger.consent_for(sha(1), LOOK) is None
            assert ledger.root_of(file_sha256=sha(1), pixels_sha256=sha(2), mark=b"123456") is None
            assert ledger.log(event()) == 2
            assert ledger.verify().ok
        erase(folder, backend)


def test_what_is_not_ours_stays_and_links_are_not_followed(folder, clock, tmp_path):
    full(folder, clock).close()
    home = folder / SAFETY
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    (home / "notes.txt").write_text("mine")
    (home / "extra.sealed").symlink_to(outside)
    os.link(outside, home / "hard.sealed")
    (home / "audit.db.damaged-0a1b").write_bytes(b"x")
    (home / "audit.db.damaged-0a1b-wal").write_bytes(b"x")
    (home / "key.json.old-0a1b").write_bytes(b"x")
    (home / ".key.json.1234.part").write_bytes(b"x")
    (home / "folder.sealed").mkdir()
    receipt = erase(folder)
    assert outside.read_text() == "precious"
    assert sorted(path.name for path in home.iterdir()) == ["folder.sealed", "notes.txt"]
    assert {(one["name"], one["why"]) for one in receipt["left"]} == {
        ("notes.txt", "not a file of this program"),
        ("folder.sealed", "a folder in the place of a file"),
    }


def test_a_linked_folder_is_not_followed(folder, clock, tmp_path):
    full(tmp_path / "elsewhere", clock).close()
    folder.mkdir()
    (folder / SAFETY).symlink_to(tmp_path / "elsewhere" / SAFETY)
    assert listed(folder) == ()
    assert erase(folder)["erased"] == []
    assert (tmp_path / "elsewhere" / SAFETY / "key.json").exists()


def test_a_file_that_cannot_be_taken_away_is_told(folder, clock, monkeypatch):
    full(folder, clock).close()
    real = erasing.Path.unlink

    def unlink(self, missing_ok=False):
        if self.name == "audit.db":
            raise PermissionError(13, "Permission denied")
        if self.name == "anchor.json":
            raise FileNotFoundError
        real(self, missing_ok)

    monkeypatch.setattr(erasing.Path, "unlink", unlink)
    receipt = erase(folder)
    assert [(one["name"], one["why"]) for one in receipt["left"]] == [("audit.db", "Permission denied")]
    assert set((folder / SAFETY / "audit.db").read_bytes()) == {0}, "its bytes are gone all the same"


def test_what_was_written_is_overwritten_before_it_goes(folder, clock, monkeypatch):
    full(folder, clock).close()
    seen = {}
    real = erasing.Path.unlink

    def unlink(self, missing_ok=False):
        seen[self.name] = self.read_bytes()
        real(self, missing_ok)

    monkeypatch.setattr(erasing.Path, "unlink", unlink)
    erase(folder)
    assert {"key.json", "audit.db"} <= set(seen)
    assert not any(any(content) for content in seen.values())


def test_a_damaged_log_is_listed_without_counts(folder, clock):
    full(folder, clock).close()
    (folder / SAFETY / "audit.db").write_bytes(b"x" * 9000)
    (found,) = [one for one in listed(folder) if one.name == "audit.db"]
    assert (found.entries, found.consents, found.bytes) == (0, 0, 9000)
