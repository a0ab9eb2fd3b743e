"""The room's small face for the command line and the window: what it says of words, records, archives, and what it erases."""

import contextlib
import hashlib
import sqlite3
from datetime import UTC, datetime

import pytest

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.safety import api
from outfitswap_desktop.safety.records.consent import Consent
from outfitswap_desktop.safety.records.ledger import Ledger


@pytest.fixture
def folder(tmp_path):
    """A data folder whose safety room knows one consent and one decision."""
    with Ledger(tmp_path) as ledger:
        ledger.give(Consent("a" * 64, 5, "self", datetime.now(UTC), None, True))
    return tmp_path


def test_words_are_judged_like_the_gate_does():
    first, second = api.check_prompts(["navy linen shirt", "nude"])
    assert first.allowed
    assert (second.allowed, second.category) == (False, "nudity")
    assert api.check_prompts([]) == []


def test_records_that_are_whole_pass(folder):
    said = api.records_test(folder)
    assert (said.name, said.passed, said.hint) == ("audit_log", True, "")
    assert said.detail
    with Ledger(folder) as ledger:
        assert said.detail.startswith(ledger.verify().sentence)
        assert said.detail.endswith(ledger.notice)


def test_records_that_were_changed_do_not_pass_and_say_where_to_look(folder):
    (file,) = (folder / "safety").glob("audit*.db")
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        assert database.execute("DELETE FROM log").rowcount > 0
    said = api.records_test(folder)
    assert not said.passed
    assert said.detail
    assert said.hint == "See `outfitswap audit verify`."


def test_records_that_cannot_be_opened_do_not_pass(tmp_path, monkeypatch):
    def gone(*_):
        raise NotAvailable("The audit log is locked.", reason="audit_busy", hint="Close the other program.")

    monkeypatch.setattr("outfitswap_desktop.safety.records.ledger.Ledger", gone)
    said = api.records_test(tmp_path)
    assert said == api.CheckResult("audit_log", False, "The audit log is locked.", "Close the other program.")


def test_what_would_be_erased_is_listed_and_nothing_is_touched(folder):
    before = {path: path.read_bytes() for path in (folder / "safety").iterdir()}
    few, everything = (api.list_records(folder, everything=whole) for whole in (False, True))
    assert few[0].startswith("1 statements of consent")
    assert len(few) == 2
    assert everything[0] == "the audit log, all statements of consent and the keys:"
    assert everything[-1].startswith("After that")
    assert len(everything) > 3
    assert all("bytes" in line for line in everything[1:-1])
    assert {path: path.read_bytes() for path in before} == before


def test_consents_are_erased_and_the_log_is_kept(folder):
    assert api.erase_records(folder, everything=False) == {"consents": 1}
    assert api.erase_records(folder, everything=False) == {"consents": 0}
    assert api.list_records(folder, everything=False)[0].startswith("0 statements")
    with Ledger(folder) as ledger:
        assert ledger.consent_for("a" * 64, 5) is None
        assert ledger.verify().ok


def test_everything_is_erased(folder):
    receipt = api.erase_records(folder, everything=True)
    assert set(receipt) == {"records", "left"}
    assert receipt["records"]
    assert not receipt["left"]
    assert not [path for path in (folder / "safety").glob("*") if path.name in receipt["records"]]


def test_an_archive_gets_its_name_when_it_is_whole(tmp_path):
    final = tmp_path / "new" / "history.zip"
    with api.archive_place(final) as place:
        place.part.write_bytes(b"zip")
        assert not final.exists()
        api.publish_archive(place)
    assert final.read_bytes() == b"zip"
    assert not place.part.exists()
    assert api.withdraw(final, hashlib.sha256(b"zip").hexdigest())
    assert not final.exists()


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_an_archive_that_fails_leaves_nothing(tmp_path, problem):
    final = tmp_path / "new" / "history.zip"

    def half():
        with api.archive_place(final) as place:
            place.part.write_bytes(b"half")
            raise problem

    with pytest.raises(problem):
        half()
    assert list(tmp_path.iterdir()) == []


def test_an_archive_goes_nowhere_odd(tmp_path):
    with pytest.raises(UsageProblem), api.archive_place(tmp_path):
        pass
