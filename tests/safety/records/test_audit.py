"""The log as it is written: chained, sealed, signed, shared by programs, never begun anew and never lost in silence."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import sqlite3
import stat
import threading
import time
from datetime import timedelta

import pytest

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.safety.records import audit as audit_module
from outfitswap_desktop.safety.records import database, report, schema
from outfitswap_desktop.safety.records.audit import AuditLog
from outfitswap_desktop.safety.records.chain import Head, Row, entry_hash
from outfitswap_desktop.safety.records.keys import ANCHOR_FILE, KEY_FILE, SAFETY, Anchor, Keys, Secret, fingerprint
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.records.conftest import DAY, START, event, none_there


def file_of(folder):
    return folder / SAFETY / "audit.db"


@contextlib.contextmanager
def opened(folder):
    connection = sqlite3.connect(file_of(folder), isolation_level=None)
    yield connection
    connection.close()


def rows(folder, what="*"):
    with opened(folder) as connection:
        return connection.execute(f"SELECT {what} FROM log ORDER BY seq").fetchall()


def filled(ledger, count=5):
    for number in range(count):
        ledger.log(event(number))
    ledger.close()


# --- what an entry is ---


def test_an_entry_is_what_the_page_says(ledger, folder):
    assert ledger.log(event(3)) == 2, "the first entry says how the log began"
    ledger.close()
    (first, second) = rows(folder, "seq, body, hash")
    assert json.loads(first[1]) == {
        "kind": "segment", "reason": "first", "before_seq": 0, "before_hash": "00" * 32, "at": int(START * 1000),
        "key": fingerprint(ledger.keys.secret().public),
    }  # fmt: skip
    assert json.loads(second[1]) == {**event(3), "at": int(START * 1000)}
    assert second[1] == json.dumps(json.loads(second[1]), sort_keys=True, separators=(",", ":")).encode()
    prev = bytes(32)
    for seq, body, hashed in (first, second):
        assert hashed == hashlib.sha256(prev + seq.to_bytes(8, "big") + body).digest()
        prev = hashed


def test_the_file_is_private_and_durable(ledger, folder):
    ledger.log(event())
    assert stat.S_IMODE(file_of(folder).stat().st_mode) == 0o600
    connection = ledger.audit._connection
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert connection.execute("PRAGMA secure_delete").fetchone()[0] == 1


def test_what_does_not_fit_is_not_logged(ledger):
    ledger.log(event())
    for bad in (
        {"kind": "decision", "prompt": "x"},
        {"kind": "segment", "reason": "first", "before_seq": 0, "before_hash": "00" * 32},
    ):
        with pytest.raises(schema.EventRefusedError):
            ledger.log(bad)
    assert ledger.verify().rows == 2


def test_an_empty_log_is_whole(ledger, folder):
    report = ledger.verify()
    assert (report.ok, report.rows, report.first_bad, report.segments) == (True, 0, None, ())
    assert report.sentence == "The audit log is empty: nothing was logged yet."
    assert not file_of(folder).exists(), "looking makes no log"


def test_a_whole_log_says_so(ledger, reopen):
    ledger.log(event())
    assert ledger.verify().sentence == "The audit log is whole: 2 entries since 2027-01-15."
    ledger.close()
    ledger.close()
    other = reopen()
    document = other.verify().as_json()
    assert document["ok"] is True
    assert document["entries"] == 2
    assert document["pruned"] == 0
    assert document["since"] == "2027-01-15"
    assert document["first_bad"] is None
    assert document["problems"] == []
    (segment,) = document["segments"]
    assert len(segment.pop("key")) == 16
    assert segment == {
        "number": 1, "first": 1, "last": 2, "entries": 2, "verifiable": True, "whole": True, "begun_because": "first",
    }  # fmt: skip
    json.dumps(document)
    assert other.log(event()) == 3
    assert other.verify().ok


def test_in_memory_it_works_alike(clock):
    with Ledger(None, clock=clock, find_backend=none_there) as ledger:
        assert ledger.verify().rows == 0
        for number in range(40):
            ledger.log(event(number))
        assert ledger.verify().ok
        assert ledger.verify().rows == 41
        assert ledger.audit.check().ok
        ledger.audit._connection.execute("DELETE FROM log WHERE seq = 7")
        assert ledger.verify().first_bad == 7


def test_not_even_the_records_themselves_write_what_does_not_fit(ledger):
    for bad in ({"kind": "segment", "reason": "first"}, {"kind": "consent_erased", "consent": "Anna", "why": "asked"}):
        with pytest.raises(schema.EventRefusedError):
            ledger.audit.write(lambda writer, bad=bad: writer.add(bad))
    assert ledger.verify().rows == 0


def test_how_things_are_bound_does_not_change():
    """Fixed values: a change would leave every log of every installation unverifiable."""
    secret = Secret(bytes(range(32)))
    row = Row(7, 2, 1234, b"{}", entry_hash(b"p" * 32, 7, b"{}"), b"", None, b"r" * 32, b"", b"123456").sealed(secret)
    assert row.hash.hex() == "00c4926d85226d42ff8534ed50fce86079c1e52798dd6c0c57ac94064a028144"
    assert row.mac.hex() == "fc8d4a6fd080aa9d5be6018f965f9841bf47a74c3ccfdc55d95e908c570a7582"
    assert row.follows(b"p" * 32)
    assert not row.follows(b"p" * 31)
    head = Head(2, secret.public, 3, 7, row.hash, 1, b"q" * 32).signed(secret)
    assert head.signature.hex() == (
        "56e2ca3fb5d03c2c10e6b6211f51ab5eb12bafe4e7cc4fb912764b5566cd350e"
        "d8440665b98f40472bc13d3564dd6969f822a6719a27e535b8047c25504d3b03"
    )
    assert head.is_signed()


def test_threads_share_a_log(ledger):
    def work():
        for number in range(20):
            ledger.log(event(number))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = ledger.verify()
    assert seen.ok
    assert seen.rows == 81


def _log_many(folder, count):
    with Ledger(folder, find_backend=none_there) as ledger:
        for number in range(count):
            ledger.log(event(number))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the programs are forked")
def test_programs_share_a_log(folder, reopen):
    context = multiprocessing.get_context("fork")
    programs = [context.Process(target=_log_many, args=(folder, 25)) for _ in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(120)
        assert program.exitcode == 0
    seen = reopen().verify()
    assert seen.ok, seen.sentence
    assert seen.rows == 101
    assert len(seen.segments) == 1


# --- it cannot be written ---


def test_a_log_that_is_locked_for_long_is_told(ledger, folder, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    ledger.log(event())
    with opened(folder) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotAvailable) as refusal:
            ledger_with(folder).log(event())
        assert refusal.value.reason == "audit_unavailable"
        assert not isinstance(refusal.value, database.LogDamagedError)
        other.execute("ROLLBACK")
    assert ledger.log(event()) == 3


def ledger_with(folder):
    return Ledger(folder, find_backend=none_there, clock=lambda: START)


def test_how_long_is_waited():
    assert database.BUSY_SECONDS == 5.0


def test_a_full_disk_is_told_and_nothing_is_half_written(ledger, folder):
    ledger.log(event())
    connection = ledger.audit._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(NotAvailable) as refusal:
        filled(ledger, 500)
    assert refusal.value.reason == "audit_unavailable"
    assert "full" in refusal.value.message
    assert ledger.verify().ok
    assert ledger.log(event()) == ledger.verify().rows


def test_a_folder_that_cannot_be_written_is_told(ledger, folder, monkeypatch):
    filled(ledger)

    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(database.os, "open", denied)
    with pytest.raises(NotAvailable) as refusal:
        ledger.log(event())
    assert refusal.value.reason == "audit_unavailable"
    monkeypatch.undo()
    assert ledger.verify().rows == 6


def test_a_read_only_log_is_told_and_can_be_verified(ledger, folder, reopen, monkeypatch):
    filled(ledger)
    real = database._connect
    monkeypatch.setattr(
        database, "_connect", lambda address: real(f"{address}?mode=ro" if "?" not in address else address)
    )
    with pytest.raises(NotAvailable) as refusal:
        reopen().log(event())
    assert refusal.value.reason == "audit_unavailable"
    assert reopen().verify().ok


def test_a_failure_that_is_not_the_files_moves_nothing_aside(ledger, folder):
    ledger.log(event())

    def failing(writer):
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(NotAvailable):
        ledger.audit.write(failing)
    assert not database.has_damaged(file_of(folder))
    assert ledger.verify().ok
    assert ledger.log(event()) == 3


def test_work_that_raises_leaves_no_trace(ledger):
    ledger.log(event())

    def failing(writer):
        writer.add(event())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ledger.audit.write(failing)
    assert ledger.log(event()) == 3
    assert ledger.verify().ok


@pytest.mark.parametrize("kind", ["link", "folder", "device", "dangling"])
def test_what_is_no_plain_file_is_refused(folder, ledger, tmp_path, kind):
    (folder / SAFETY).mkdir(parents=True)
    file = file_of(folder)
    if kind == "link":
        (tmp_path / "elsewhere.db").write_bytes(b"")
        file.symlink_to(tmp_path / "elsewhere.db")
    elif kind == "dangling":
        file.symlink_to(tmp_path / "missing.db")
    elif kind == "device":
        file.symlink_to("/dev/null")
    else:
        file.mkdir()
    with pytest.raises(NotAvailable, match="plain file"):
        ledger.log(event())
    report = ledger.verify()
    assert not report.ok
    assert report.problems == ("unreachable",)
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(NotAvailable):
        ledger.audit.check()


def test_a_newer_file_is_left_alone(ledger, folder):
    filled(ledger)
    with opened(folder) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = file_of(folder).read_bytes()
    with pytest.raises(NotAvailable, match="newer"):
        ledger.log(event())
    assert file_of(folder).read_bytes() == before
    assert not database.has_damaged(file_of(folder))


# --- it is damaged or gone ---


def test_a_damaged_file_is_kept_aside_and_the_new_log_says_so(ledger, folder, reopen):
    filled(ledger)
    file_of(folder).write_bytes(b"not a database" * 500)
    assert reopen().verify().problems == ("unreadable",)
    with pytest.raises(database.LogDamagedError), reopen().audit.reading():
        pass
    other = reopen()
    assert other.log(event()) == 8, "numbers go on where the key store has heard of the end"
    seen = other.verify()
    assert not seen.ok
    assert "log_damaged" in seen.problems
    assert "kept aside" in seen.sentence
    assert seen.segments[0].reason == "log_damaged"
    assert [path.read_bytes()[:14] for path in (folder / SAFETY).glob("audit.db.damaged-*")] == [b"not a database"]
    other.close()
    again = reopen()
    again.log(event())
    assert len(again.verify().segments) == 1
    assert not again.verify().ok, "it is never forgotten"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log WHERE seq = new.seq; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE other (x)",
        "DROP INDEX log_mark",
        "ALTER TABLE log ADD COLUMN more TEXT",
        "DROP TABLE consents",
    ],
)
def test_foreign_tables_are_damage(ledger, folder, reopen, statement):
    filled(ledger)
    with opened(folder) as connection:
        connection.execute(statement)
    assert reopen().verify().problems == ("unreadable",)
    other = reopen()
    other.log(event())
    assert database.has_damaged(file_of(folder))
    assert not other.verify().ok


def test_damage_that_shows_while_writing_is_moved_aside_too(ledger, folder, reopen):
    for number in range(200):
        ledger.log(event(number))
    ledger.close()
    content = bytearray(file_of(folder).read_bytes())
    size = int.from_bytes(content[16:18], "big")
    for page in range(12, len(content) // size):
        content[page * size : page * size + 8] = b"\xff" * 8
    file_of(folder).write_bytes(bytes(content))
    assert not reopen().verify().ok
    other = reopen()
    other.log(event())
    assert database.has_damaged(file_of(folder))
    assert not other.verify().ok
    assert other.verify().rows == 2


def test_a_deleted_log_is_missed(ledger, folder, reopen):
    filled(ledger)
    for path in (folder / SAFETY).glob("audit.db*"):
        path.unlink()
    seen = reopen().verify()
    assert (seen.ok, seen.problems, seen.first_bad, seen.rows) == (False, ("log_missing",), 1, 0)
    assert "deleted" in seen.sentence
    other = reopen()
    assert other.log(event()) == 8
    assert "log_missing" in other.verify().problems
    assert other.verify().segments[0].reason == "log_missing"


def test_an_emptied_file_is_a_deleted_log(ledger, folder, reopen):
    filled(ledger)
    file_of(folder).write_bytes(b"")
    assert reopen().verify().problems == ("log_missing",)
    with reopen() as other:
        assert other.log(event()) == 8
        assert "log_missing" in other.verify().problems


def test_a_program_that_died_before_the_first_entry_left_nothing_to_mend(folder, reopen):
    reopen().keys.secret()
    file_of(folder).touch()
    seen = reopen().verify()
    assert (seen.ok, seen.rows) == (True, 0)
    with reopen() as other:
        assert other.log(event()) == 2
        assert other.verify().ok


def test_a_log_that_is_deleted_under_a_running_program_is_missed_at_once(ledger, folder):
    ledger.log(event())
    ledger.audit._anchor_end(forced=False)
    for path in (folder / SAFETY).glob("audit.db*"):
        path.unlink()
    ledger.log(event())
    assert "log_missing" in ledger.verify().problems


def test_a_log_set_back_is_found(ledger, folder, reopen):
    filled(ledger)
    older = file_of(folder).read_bytes()
    with reopen() as other:
        filled(other)
    file_of(folder).write_bytes(older)
    seen = reopen().verify()
    assert (seen.ok, seen.problems, seen.first_bad) == (False, ("rolled_back",), 7)
    other = reopen()
    assert other.log(event()) == 13, "no number is given twice"
    seen = other.verify()
    assert "rolled_back" in seen.problems
    assert [segment.reason for segment in seen.segments] == ["first", "rolled_back"]
    other.close()
    again = reopen()
    again.log(event())
    assert len(again.verify().segments) == 2, "said once"


def test_a_log_set_back_and_continued_without_the_key_store_is_found(ledger, folder, reopen):
    """An attacker who can run the program between: the anchor disagrees although the log is long enough again."""
    filled(ledger, 3)
    older = file_of(folder).read_bytes()
    with reopen() as other:
        filled(other, 3)
    anchor = (folder / SAFETY / ANCHOR_FILE).read_bytes()
    file_of(folder).write_bytes(older)
    (folder / SAFETY / ANCHOR_FILE).write_text(json.dumps({"seq": 0, "hash": "00" * 32, "at": 0, "key": ""}))
    with reopen() as other:
        for number in range(9):
            other.log(event(900 + number))
    (folder / SAFETY / ANCHOR_FILE).write_bytes(anchor)
    seen = reopen().verify()
    assert seen.problems == ("rolled_back",)
    assert seen.first_bad == 7


def test_a_lost_anchor_is_told(ledger, folder, reopen):
    filled(ledger)
    (folder / SAFETY / ANCHOR_FILE).unlink()
    assert reopen().verify().problems == ("anchor_missing",)
    with reopen() as other:
        other.log(event())
        assert other.verify().segments[-1].reason == "anchor_missing"
    with reopen() as other:
        other.log(event())
        assert len(other.verify().segments) == 2
    (folder / SAFETY / ANCHOR_FILE).unlink()
    for path in (folder / SAFETY).glob("audit.db*"):
        path.unlink()
    assert reopen().verify().problems == ("anchor_missing",)


@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_with_its_key_gone_the_old_part_is_kept_and_said_to_be_unverifiable(ledger, folder, reopen, what):
    filled(ledger)
    before = rows(folder)
    if what == "missing":
        (folder / SAFETY / KEY_FILE).unlink()
    else:
        (folder / SAFETY / KEY_FILE).write_text("{}")
    seen = reopen().verify()
    assert (seen.ok, seen.problems, seen.damaged) == (False, ("key_unknown",), False)
    assert "cannot be verified" in seen.sentence
    assert "unbroken" in seen.sentence
    other = reopen()
    other.log(event())
    seen = other.verify()
    assert (seen.ok, seen.problems, seen.damaged) == (False, ("key_unknown",), False)
    assert [(one.reason, one.verifiable, one.whole) for one in seen.segments] == [
        ("first", False, True),
        ("key_changed", True, True),
    ]
    other.close()
    assert rows(folder)[: len(before)] == before
    with opened(folder) as connection:
        connection.execute("UPDATE log SET body = CAST(replace(body, 'passed', 'failed') AS BLOB) WHERE seq = 3")
    assert reopen().verify().first_bad == 3


def test_with_the_older_key_still_in_the_keyring_both_parts_are_verified(folder, keyring, clock):
    def run(backend):
        return Ledger(folder, clock=clock, find_backend=lambda: backend)

    with run(keyring) as ledger:
        filled(ledger)
    with run(None) as ledger:
        filled(ledger)
        assert not ledger.verify().ok
    with run(keyring) as ledger:
        seen = ledger.verify()
        assert seen.ok
        assert [one.reason for one in seen.segments] == ["first", "key_changed"]
        assert all(one.verifiable for one in seen.segments)


def test_a_whole_log_of_another_key_is_no_changed_key(ledger, folder, tmp_path, reopen, clock):
    """Swapped for a log that is whole under a key of the attacker's own."""
    filled(ledger)
    with Ledger(tmp_path / "attacker", clock=clock, find_backend=none_there) as other:
        filled(other)
    file_of(folder).write_bytes(file_of(tmp_path / "attacker").read_bytes())
    seen = reopen().verify()
    assert {"head", "rolled_back"} <= set(seen.problems)
    assert seen.damaged
    anchor = json.loads((folder / SAFETY / ANCHOR_FILE).read_text())
    theirs = json.loads((tmp_path / "attacker" / SAFETY / ANCHOR_FILE).read_text())
    (folder / SAFETY / ANCHOR_FILE).write_text(json.dumps({**theirs, "key": anchor["key"]}))
    with reopen() as other:
        assert other.verify().damaged
        other.log(event())
        assert [one.reason for one in other.verify().segments] == ["first", "head_damaged"]


def test_a_damaged_end_is_kept_and_the_next_part_says_so(ledger, folder, reopen):
    filled(ledger)
    for statement, bad in (
        ("DELETE FROM log WHERE seq >= 5", 5),
        ("UPDATE heads SET seq = seq - 1", None),
        ("UPDATE heads SET signature = zeroblob(64)", None),
        ("UPDATE log SET mac = zeroblob(32) WHERE seq = (SELECT max(seq) FROM log)", None),
        ("DELETE FROM heads", None),
        ("DELETE FROM log", 1),
    ):
        whole = file_of(folder).read_bytes()
        anchor = (folder / SAFETY / ANCHOR_FILE).read_bytes()
        with opened(folder) as connection:
            connection.execute(statement)
        with reopen() as other:
            assert not other.verify().ok, statement
            if bad:
                assert other.verify().first_bad == bad
            other.log(event())
            seen = other.verify()
            assert seen.damaged
            assert seen.segments[-1].reason in ("head_damaged", "rolled_back"), statement
            assert seen.segments[-1].whole
        for path in (folder / SAFETY).glob("audit.db-*"):
            path.unlink()
        file_of(folder).write_bytes(whole)
        (folder / SAFETY / ANCHOR_FILE).write_bytes(anchor)
    assert reopen().verify().ok


# --- the anchor keeps up ---


def anchored(folder):
    return json.loads((folder / SAFETY / ANCHOR_FILE).read_text())["seq"]


def test_the_key_store_hears_at_the_start_now_and_then_and_at_the_end(folder, reopen, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(audit_module.time, "monotonic", lambda: now[0])
    ledger = reopen()
    ledger.log(event())
    assert anchored(folder) == 2
    for _ in range(audit_module.ANCHOR_EVERY):
        ledger.log(event())
    assert anchored(folder) == 2
    ledger.log(event())
    assert anchored(folder) == 2 + audit_module.ANCHOR_EVERY
    now[0] += audit_module.ANCHOR_SECONDS - 0.1
    ledger.log(event())
    assert anchored(folder) == 18
    now[0] += 0.2
    ledger.log(event())
    assert anchored(folder) == 20
    ledger.close()
    assert anchored(folder) == 21
    with reopen() as other:
        other.log(event())
        assert anchored(folder) == 21
        assert other.verify().ok


def test_how_far_the_anchor_may_be_behind():
    assert audit_module.ANCHOR_EVERY == 16
    assert audit_module.ANCHOR_SECONDS == 30.0


def test_a_key_store_that_falls_silent_does_not_stop_a_running_program(folder, keyring, clock):
    with Ledger(folder, clock=clock, find_backend=lambda: keyring) as ledger:
        ledger.log(event())
        keyring.broken = ("get", "set")
        for _ in range(40):
            ledger.log(event())
    keyring.broken = ()
    with Ledger(folder, clock=clock, find_backend=lambda: keyring) as ledger:
        assert ledger.verify().ok
        keyring.broken = ("set",)
        assert ledger.log(event()) == 43
        keyring.broken = ("get",)
        assert ledger.verify().problems == ("unreachable",)


def test_closing_does_not_cover_up_a_log_that_was_set_back(ledger, folder, reopen):
    for _ in range(3):
        ledger.log(event())
    with reopen() as other:
        filled(other, 5)
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq > 6")
    ledger.close()
    assert anchored(folder) == 9
    assert not reopen().verify().ok


def test_closing_keeps_an_anchor_that_disagrees(ledger, folder):
    ledger.log(event())
    ledger.keys.set_anchor(Anchor(50, b"h" * 32, 1, "x"))
    ledger.close()
    assert anchored(folder) == 50
    assert ledger.verify().problems == ("rolled_back",)


def test_closing_an_untouched_log_needs_nothing(folder):
    ledger = ledger_with(folder)
    ledger.close()
    assert not folder.exists()
    ledger.audit._anchor_end(forced=True)


# --- time ---


def test_time_in_the_log_never_goes_back(ledger, clock, folder, reopen):
    ledger.log(event())
    clock.seconds -= DAY
    ledger.log(event())
    clock.seconds -= 1
    ledger.log(event())
    assert ledger.audit.now() == START * 1000
    clock.seconds = START + 5
    ledger.log(event())
    assert ledger.audit.now() == (START + 5) * 1000
    ledger.close()
    bodies = [json.loads(body) for (body,) in rows(folder, "body")]
    assert [body["at"] - START * 1000 for body in bodies] == [0, 0, 0, 0, 5000]
    assert [body.get("clock") for body in bodies] == [None, None, None, (START - DAY - 1) * 1000, None]
    assert reopen().verify().ok


def test_time_does_not_go_back_with_a_deleted_log(ledger, clock, folder, reopen):
    filled(ledger)
    file_of(folder).unlink()
    clock.seconds -= 400 * DAY
    with reopen() as other:
        other.log(event())
        assert other.audit.now() == START * 1000


def test_a_clock_before_1970_is_1970(clock, reopen):
    clock.seconds = -5.0
    with reopen() as other:
        other.log(event())
        assert other.audit.now() == 0
        assert other.verify().ok


# --- pruning ---


def test_old_entries_are_pruned_behind_a_checkpoint(ledger, clock, folder, reopen):
    for number in range(4):
        ledger.log(event(number))
        clock.seconds += DAY
    clock.seconds = START + 366 * DAY
    assert ledger.audit.prune() == 2, "the beginning and one entry are over twelve months old; the next is not quite"
    kinds = [json.loads(body) for (body,) in rows(folder, "body")]
    assert [body["kind"] for body in kinds] == ["decision", "decision", "decision", "checkpoint"]
    checkpoint = kinds[-1]
    assert (checkpoint["pruned_to"], checkpoint["rows"], checkpoint["whole"]) == (2, 2, True)
    seen = ledger.verify()
    assert seen.ok, seen.sentence
    assert (seen.rows, seen.pruned) == (4, 2)
    assert "2 older ones were pruned" in seen.sentence
    assert ledger.audit.prune() == 0, "twice is once"
    assert ledger.verify().rows == 4
    ledger.close()
    with reopen() as other:
        other.log(event())
        assert other.verify().ok
        assert len(other.verify().segments) == 1


def test_an_entry_of_exactly_twelve_months_stays(ledger, clock):
    ledger.log(event())
    clock.seconds += 365 * DAY
    assert ledger.audit.prune() == 0
    clock.seconds += 0.001
    assert ledger.audit.prune() == 2
    assert ledger.verify().ok


def test_shorter_is_allowed_longer_is_not(ledger, clock):
    ledger.log(event())
    clock.seconds += 2 * DAY
    ledger.log(event())
    assert ledger.audit.prune(timedelta(days=1)) == 2
    assert ledger.audit.prune(timedelta(0)) == 0
    clock.seconds += 1
    assert ledger.audit.prune(timedelta(0)) == 2
    assert ledger.verify().ok
    for keep in (timedelta(days=365, milliseconds=1), timedelta(milliseconds=-1)):
        with pytest.raises(UsageProblem) as refusal:
            ledger.audit.prune(keep)
        assert refusal.value.reason == "retention"
    assert timedelta(days=365) == audit_module.KEPT


def test_pruning_an_empty_log_makes_none(ledger, folder):
    assert ledger.audit.prune() == 0
    assert not file_of(folder).exists()


def test_pruning_damaged_entries_is_remembered(ledger, clock, folder, reopen):
    for number in range(4):
        ledger.log(event(number))
    clock.seconds += 200 * DAY
    ledger.log(event())
    ledger.close()
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq = 3")
    clock.seconds += 200 * DAY
    with reopen() as other:
        assert other.audit.prune() == 4
        seen = other.verify()
        assert seen.problems == ("pruned_damaged",)
        assert not seen.ok


def test_damage_behind_what_is_pruned_stays_where_it_is(ledger, clock, folder, reopen):
    for number in range(4):
        ledger.log(event(number))
    clock.seconds += 200 * DAY
    for number in range(4):
        ledger.log(event(number))
    ledger.close()
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq = 7")
    clock.seconds += 200 * DAY
    with reopen() as other:
        assert other.audit.prune() == 5
        seen = other.verify()
        assert (seen.problems, seen.first_bad) == (("missing", "edited"), 7) or seen.first_bad == 7
        assert "pruned_damaged" not in seen.problems


def test_whole_parts_are_pruned(ledger, clock, folder, reopen):
    filled(ledger)
    (folder / SAFETY / KEY_FILE).unlink()
    with reopen() as other:
        filled(other)
        assert other.verify().problems == ("key_unknown",)
    clock.seconds += 366 * DAY
    with reopen() as other:
        other.log(event())
        other.audit.prune()
        seen = other.verify()
        assert seen.ok, seen.sentence
        assert [one.number for one in seen.segments] == [2]
        assert seen.segments[0].reason == "pruned"
        other.audit.prune(timedelta(0))
        assert other.verify().ok
    with opened(folder) as connection:
        assert connection.execute("SELECT count(*) FROM heads").fetchone()[0] == 1


def test_the_anchor_of_a_pruned_entry_still_agrees(ledger, clock, folder, reopen):
    filled(ledger)
    anchor = (folder / SAFETY / ANCHOR_FILE).read_bytes()
    clock.seconds += 400 * DAY
    with reopen() as other:
        other.audit.prune()
        other.log(event())
    (folder / SAFETY / ANCHOR_FILE).write_bytes(anchor)
    assert reopen().verify().ok, "the last pruned entry is the one that the key store knows"
    document = json.loads(anchor)
    (folder / SAFETY / ANCHOR_FILE).write_text(json.dumps({**document, "hash": "11" * 32}))
    assert reopen().verify().problems == ("rolled_back",)
    (folder / SAFETY / ANCHOR_FILE).write_text(json.dumps({**document, "seq": 3}))
    assert reopen().verify().ok, "what was pruned cannot be compared any more"


def test_pruned_entries_that_come_back_are_found(ledger, clock, folder, reopen):
    filled(ledger)
    old = rows(folder)
    clock.seconds += 400 * DAY
    with reopen() as other:
        other.audit.prune()
        other.log(event())
    with opened(folder) as connection:
        connection.execute(f"INSERT INTO log VALUES ({', '.join('?' * 10)})", old[2])
    seen = reopen().verify()
    assert seen.problems == ("out_of_place",)
    assert seen.first_bad == 3


def test_pruned_bytes_are_gone_from_the_disk(ledger, clock, folder):
    ledger.log({**event(), "picture": "ab" * 32})
    clock.seconds += 400 * DAY
    ledger.audit.prune()
    for path in (folder / SAFETY).glob("audit.db*"):
        assert b"ab" * 32 not in path.read_bytes()


# --- quick checks ---


def test_a_check_looks_at_what_is_new_alone(ledger, folder, reopen, monkeypatch):
    filled(ledger)
    other = reopen()
    assert other.audit.check().ok
    seen = []
    real = audit_module.examine

    def watched(connection, known, anchor, **options):
        seen.append(real(connection, known, anchor, **options))
        return seen[-1]

    monkeypatch.setattr(audit_module, "examine", watched)
    assert other.audit.check().ok
    assert seen == []
    other.log(event())
    with reopen() as third:
        third.log(event())
    assert other.audit.check().ok
    assert [one.rows for one in seen] == [2]
    other.log(event())
    other.log(event())
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq = 9")
    assert other.audit.check().damaged
    assert other.audit.check().damaged, "damage does not go away"


def test_a_check_survives_pruning_by_another_program(ledger, clock, reopen):
    for number in range(3):
        ledger.log(event(number))
    assert ledger.audit.check().ok
    clock.seconds += 400 * DAY
    with reopen() as other:
        other.audit.prune()
        other.log(event())
    assert ledger.audit.check().ok
    assert not ledger.audit.check().damaged


def test_a_check_of_a_damaged_file(ledger, folder, reopen):
    filled(ledger)
    file_of(folder).write_bytes(b"x" * 5000)
    other = reopen()
    assert other.audit.check().problems == ("unreadable",)
    file_of(folder).unlink()
    assert other.audit.check().problems == ("log_missing",)


def test_looking_up_needs_a_column_of_ours(ledger):
    with pytest.raises(ValueError, match="looked up"):
        ledger.audit.find("body", b"x")
    assert ledger.audit.find("ref", b"x") is None
    ledger.log(event())
    assert ledger.audit.find("ref", b"x") is None


def test_without_a_file_nothing_is_genuine(ledger, folder):
    ledger.log(event())
    row = None
    with ledger.audit.reading() as connection:
        row = audit_module.read_row(connection, 2)
    assert ledger.audit.is_genuine(row)
    assert ledger.audit.secret_of(row) is not None
    ledger.close()
    file_of(folder).unlink()
    assert not ledger.audit.is_genuine(row)
    assert ledger.audit.secret_of(row) is None
    assert ledger.audit.now() == START * 1000


def test_reading_waits_for_nobody(ledger, folder, reopen):
    filled(ledger)
    with opened(folder) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert reopen().verify().ok


def test_reading_where_nothing_can_be_written(ledger, folder, reopen, monkeypatch):
    filled(ledger)
    real = database._connect

    def connect(address):
        if "mode=rw" in address:
            raise sqlite3.OperationalError("unable to open database file")
        return real(address)

    monkeypatch.setattr(database, "_connect", connect)
    assert reopen().verify().ok
    (folder / SAFETY / "audit.db-wal").write_bytes(b"")
    assert reopen().verify().problems == ("unreachable",), "what is in a WAL cannot be left out"


def test_two_programs_make_the_tables_at_once(folder, monkeypatch):
    (folder / SAFETY).mkdir(parents=True)
    database.open_writable(file_of(folder)).close()
    real = database._tables
    answers = iter([set()])
    monkeypatch.setattr(database, "_tables", lambda connection: next(answers, real(connection)))
    connection = database.open_writable(file_of(folder))
    assert real(connection) == set(database.SCHEMA)
    connection.close()


def test_tables_that_cannot_be_made_leave_none(folder, monkeypatch):
    monkeypatch.setattr(database, "SCHEMA", (*database.SCHEMA, "CREATE TABLE log (x INTEGER) STRICT"))
    with pytest.raises(NotAvailable):
        ledger_with(folder).log(event())
    monkeypatch.undo()
    with opened(folder) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0


def test_a_file_that_another_program_holds_alone(folder, monkeypatch):
    (folder / SAFETY).mkdir(parents=True)
    with opened(folder) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("DROP TABLE x")
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
        started = time.monotonic()
        with pytest.raises(NotAvailable) as refusal:
            ledger_with(folder).log(event())
        assert time.monotonic() - started < 5
        assert refusal.value.reason == "audit_unavailable"
        other.execute("ROLLBACK")
    with contextlib.closing(ledger_with(folder)) as ledger:
        assert ledger.log(event()) == 2


class Busy:
    """A connection whose file others hold for some tries, or that fails for another reason."""

    def __init__(self, tries, code=sqlite3.SQLITE_BUSY):
        self.tries, self.code = tries, code

    def execute(self, statement):
        assert statement == "PRAGMA journal_mode = WAL"
        if self.tries:
            self.tries -= 1
            problem = sqlite3.OperationalError("locked")
            problem.sqlite_errorcode = self.code
            raise problem


def test_the_switch_to_wal_waits_its_turn(monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    database._to_wal(Busy(3))
    database._to_wal(Busy(1, sqlite3.SQLITE_BUSY | 0x200))
    with pytest.raises(sqlite3.OperationalError):
        database._to_wal(Busy(10_000))
    with pytest.raises(sqlite3.OperationalError):
        database._to_wal(Busy(1, sqlite3.SQLITE_READONLY))


def test_what_is_looked_up_is_found_by_an_index(ledger):
    ledger.log(event())
    for column in ("ref", "result", "pixels", "mark"):
        with ledger.audit.reading() as connection:
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN {audit_module.NEWEST.format(column=column)}", (b"x",)
            ).fetchone()[3]
        assert f"INDEX log_{column}" in plan


def test_only_the_file_that_was_looked_at_is_moved_aside(ledger, folder, monkeypatch):
    filled(ledger)
    file = file_of(folder)
    database.move_aside(file, (0, 0))
    database.move_aside(file, None)
    assert not database.has_damaged(file)

    def stuck(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(database.Path, "replace", stuck)
    with pytest.raises(NotAvailable):
        database.move_aside(file, database.identity(file))


def test_work_that_finds_damage_twice_gives_up(ledger, folder):
    ledger.log(event())
    runs = []

    def damaged(writer):
        runs.append(1)
        raise database.ForeignTablesError("x")

    with pytest.raises(database.LogDamagedError):
        ledger.audit.write(damaged)
    assert len(runs) == 2
    assert len(list((folder / SAFETY).glob("audit.db.damaged-????????"))) == 1


def test_in_memory_nothing_is_moved_aside(clock):
    with Ledger(None, clock=clock, find_backend=none_there) as ledger:

        def damaged(writer):
            raise database.ForeignTablesError("x")

        with pytest.raises(NotAvailable):
            ledger.audit.write(damaged)


def test_pruning_that_another_program_has_done_already(ledger):
    ledger.log(event())
    assert ledger.audit.write(lambda writer: ledger.audit._prune(writer, 5)) == 0
    assert ledger.verify().ok


def test_a_gap_does_not_stop_pruning(ledger, clock, folder, reopen):
    filled(ledger)
    clock.seconds += 200 * DAY
    with reopen() as other:
        filled(other)
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq = 6")
    clock.seconds += 200 * DAY
    with reopen() as other:
        assert other.audit.prune() == 5
        assert other.verify().damaged


def test_an_old_time_in_the_middle_prunes_nothing(ledger, clock, folder, reopen):
    filled(ledger)
    with opened(folder) as connection:
        connection.execute("UPDATE log SET at = 5 WHERE seq = 3")
    with reopen() as other:
        assert other.audit.prune() == 0
        assert other.verify().first_bad == 3


def test_closing_over_an_emptied_log(ledger, folder):
    ledger.log(event())
    with opened(folder) as connection:
        connection.execute("DELETE FROM log")
        connection.execute("DELETE FROM heads")
    ledger.close()
    assert anchored(folder) == 2
    assert not ledger.verify().ok


def test_a_check_sees_the_entry_change_that_it_stopped_at(ledger, folder, reopen):
    filled(ledger)
    other = reopen()
    assert other.audit.check().ok
    with opened(folder) as connection:
        connection.execute("UPDATE log SET hash = zeroblob(32) WHERE seq = 6")
    seen = other.audit.check()
    assert seen.damaged
    assert seen.first_bad == 6


def test_a_check_sees_that_the_entry_that_it_stopped_at_is_gone(ledger, folder, reopen):
    filled(ledger)
    other = reopen()
    assert other.audit.check().ok
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq = 6")
    seen = other.audit.check()
    assert "missing" in seen.problems
    assert seen.first_bad == 6


def test_the_oldest_part_cannot_be_taken_away_whole(ledger, folder, reopen):
    filled(ledger)
    (folder / SAFETY / KEY_FILE).unlink()
    with reopen() as other:
        filled(other)
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE segment = 1")
        connection.execute("DELETE FROM heads WHERE segment = 1")
    seen = reopen().verify()
    assert "missing" in seen.problems
    assert seen.first_bad == 1


def test_a_part_in_the_middle_cannot_be_taken_away(ledger, folder, reopen):
    filled(ledger)
    for _ in range(2):
        (folder / SAFETY / KEY_FILE).unlink()
        with reopen() as other:
            filled(other)
    with opened(folder) as connection:
        connection.execute("DELETE FROM heads WHERE segment = 2")
    seen = reopen().verify()
    assert {"missing", "out_of_place"} <= set(seen.problems)


@pytest.mark.parametrize(
    "body", [b"[]", b"\xff", b"{", b'{"kind":"decision"}', b'{"kind":"segment"}', b'{"kind":"segment","reason":"x"}']
)
def test_a_beginning_that_is_none(ledger, folder, reopen, body):
    filled(ledger)
    with opened(folder) as connection:
        connection.execute("UPDATE log SET body = ? WHERE seq = 1", (body,))
    seen = reopen().verify()
    assert seen.first_bad == 1
    assert "edited" in seen.problems


def test_rows_that_break_the_rules_of_their_table_are_unreadable(ledger):
    ledger.log(event())
    loose = sqlite3.connect(":memory:")
    for statement in database.SCHEMA:
        if "TABLE" in statement:
            loose.execute(statement.replace(" NOT NULL", "").replace(") STRICT", ")"))
    with ledger.audit.reading() as connection:
        for head in connection.execute("SELECT * FROM heads"):
            loose.execute("INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", head)
        for row in connection.execute("SELECT * FROM log"):
            loose.execute(f"INSERT INTO log VALUES ({', '.join('?' * 10)})", row)
    known = ledger.keys.known()
    assert audit_module.examine(loose, known, ledger.keys.anchor()).ok
    loose.execute("UPDATE log SET hash = NULL WHERE seq = 1")
    assert audit_module.examine(loose, known, ledger.keys.anchor()).problems == ("unreadable",)
    loose.close()


def test_a_folder_that_cannot_be_made_is_told(folder, monkeypatch):
    def denied(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(database.Path, "mkdir", denied)
    with pytest.raises(NotAvailable) as refusal:
        ledger_with(folder).log(event())
    assert refusal.value.reason == "audit_unavailable"


# --- the report ---


def test_every_problem_has_words():
    for word in report.SAID:
        made = report.made(rows=3, first_bad=2, problems={word})
        assert not made.ok
        assert report.SAID[word] in made.sentence
        assert made.sentence.endswith("First at entry 2.")
        assert made.damaged == (word != "key_unknown")
    with pytest.raises(ValueError, match="words"):
        report.made(rows=0, first_bad=None, problems={"unheard"})
    assert report.made(rows=1, first_bad=None, problems={"edited", "key_unknown"}).sentence == (
        "The audit log (1 entry) is not whole: an entry was changed; the key of a part of it is not on this machine any more, "
        "so that part cannot be verified."
    )
    assert report.made(rows=1, first_bad=None, problems=set()).sentence == "The audit log is whole: 1 entry."


def test_a_day_that_no_calendar_holds():
    assert report.day(0) == "1970-01-01"
    assert report.day(2**62) == "?"


def test_a_log_with_keys_of_its_own(tmp_path, clock):
    log = AuditLog(tmp_path / "a" / "audit.db", Keys(tmp_path, find_backend=none_there), clock=clock)
    assert log.append(event()) == 2
    log.close()
    assert log.verify().ok
