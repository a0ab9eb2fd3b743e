"""The credits' file: all or nothing, decided once, told once, and only the dead are settled by others."""

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from outfitswap_desktop.errors import KnownError, NotAvailable
from outfitswap_desktop.store.lease_journal import Hold, LeaseJournal, StoredLease
from outfitswap_desktop.store.owner import Owner

LEASE = StoredLease("L1", "OSL1.a.b", "open", "{}", "mac")
HOLD = Hold("H1", None, "job", "sdxl", 2, "asked", 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "licence.db"


@pytest.fixture
def journal(path):
    with LeaseJournal(path) as opened:
        yield opened


def test_facts_are_kept_and_taken_away(journal, path):
    with journal.writing() as tx:
        tx.set_facts({"server": "https://a", "account": "x"})
        tx.set_facts({"account": None, "never": None})
    assert journal.facts() == {"server": "https://a"}
    with LeaseJournal(path) as other:
        assert other.facts() == {"server": "https://a"}


def test_a_transaction_that_fails_leaves_nothing(journal):
    def fail():
        with journal.writing() as tx:
            tx.add_lease(LEASE)
            tx.add_receipt("L1", 1, "r")
            tx.add_hold(replace(HOLD, lease_id="L1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert journal.lease() is None
    assert journal.receipts("L1") == ()
    assert journal.undecided(of_dead=False) == ()


def test_there_is_one_live_lease(journal):
    with journal.writing() as tx:
        tx.add_lease(LEASE)
    for state in ("open", "closing"):
        with journal.writing() as tx:
            tx.set_lease("L1", state)
        with journal.writing() as tx:
            assert not tx.add_lease(replace(LEASE, id="L2"))
    with journal.writing() as tx:
        tx.set_lease("L1", "closed")
        assert not tx.add_lease(LEASE)
        assert tx.add_lease(replace(LEASE, id="L0"))
    assert journal.lease() == replace(LEASE, id="L0")
    assert journal.last_lease() == replace(LEASE, id="L0")


def test_a_receipt_has_its_number_alone(journal):
    with journal.writing() as tx:
        tx.add_lease(LEASE)
        for seq in (1, 2, 3):
            tx.add_receipt("L1", seq, f"r{seq}")
    with pytest.raises(sqlite3.IntegrityError), journal.writing() as tx:
        tx.add_receipt("L1", 3, "another")
    with journal.writing() as tx:
        tx.receipts_told("L1", 2)
    assert journal.receipts("L1") == ("r1", "r2", "r3")
    assert journal.receipts("L1", after=1, limit=1) == ("r2",)
    assert journal.receipts("L1", untold=True) == ("r3",)


@pytest.mark.parametrize("decision", ["committed", "voided"])
def test_a_hold_is_decided_once(journal, decision):
    other = {"committed": "voided", "voided": "committed"}[decision]
    with journal.writing() as tx:
        tx.add_hold(HOLD)
        assert tx.granted("H1")
        assert tx.decide("H1", decision, output_sha256="ab", reason="r" * 200)
        assert not tx.decide("H1", decision)
        assert not tx.decide("H1", other)
        assert not tx.granted("H1")
    hold = journal.hold("H1")
    assert (hold.state, hold.output_sha256, hold.reason, hold.told) == (decision, "ab", "r" * 80, False)
    assert journal.untold() == (hold,)
    with journal.writing() as tx:
        tx.told("H1")
    assert journal.untold() == ()


def test_the_decision_on_a_hold_of_a_lease_is_told_by_its_receipts(journal):
    with journal.writing() as tx:
        tx.add_lease(LEASE)
        tx.add_hold(replace(HOLD, lease_id="L1", state="held"))
        assert tx.decide("H1", "committed", output_sha256="ab")
    assert journal.untold() == ()


def test_only_holds_of_dead_programs_are_for_others(path):
    mine, dead, running = Owner(1, "a"), Owner(2, "b"), Owner(3, "c")
    for owner, name in ((mine, "H1"), (dead, "H2"), (running, "H3")):
        with LeaseJournal(path, owner=owner) as journal, journal.writing() as tx:
            tx.add_hold(replace(HOLD, id=name))
    with LeaseJournal(path, owner=mine, alive=lambda owner: owner == running) as journal:
        assert [hold.id for hold in journal.undecided()] == ["H2"]
        assert [hold.id for hold in journal.undecided(of_dead=False)] == ["H1", "H2", "H3"]


def test_threads_of_one_process_and_others_take_turns(path):
    """Every one of 4 x 25 numbers is given once, by two connections."""

    def work(journal):
        for _ in range(25):
            with journal.writing() as tx:
                number = int(tx.fact("next") or 0) + 1
                tx.set_facts({"next": str(number)})

    with LeaseJournal(path) as first, LeaseJournal(path) as second:
        threads = [threading.Thread(target=work, args=(journal,)) for journal in (first, second, first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert first.facts() == {"next": "100"}


def test_what_was_told_is_forgotten_in_the_end(journal, monkeypatch):
    monkeypatch.setattr("outfitswap_desktop.store.lease_journal.KEPT_ENDED", 3)
    for number in range(6):
        with journal.writing() as tx:
            tx.add_hold(replace(HOLD, id=f"H{number}", at=number))
            tx.decide(f"H{number}", "voided")
            if number != 0:
                tx.told(f"H{number}")
    assert [hold.id for hold in journal.untold()] == ["H0"]
    assert journal.hold("H1") is None
    assert journal.hold("H5") is not None


def test_a_damaged_file_is_moved_aside_and_told(path):
    with LeaseJournal(path) as journal, journal.writing() as tx:
        tx.set_facts({"a": "b"})
    path.write_bytes(b"not a database" * 1000)
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    with LeaseJournal(path) as journal:
        assert journal.facts() == {}
        assert "moved to" in journal.notes[0]


def test_a_file_of_a_newer_program_is_left_alone(path):
    with LeaseJournal(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('outfitswap.licence', '9_new', '')"
        )
    with pytest.raises(KnownError) as caught:
        LeaseJournal(path)
    assert caught.value.reason == "history_newer"


KILLED = """
import os, sys
from pathlib import Path
from outfitswap_desktop.store.lease_journal import Hold, LeaseJournal
journal = LeaseJournal(Path(sys.argv[1]))
with journal.writing() as tx:
    tx.add_hold(Hold("H1", None, "job", "sdxl", 2, "asked", 1))
with journal.writing() as tx:
    tx.granted("H1")
    tx.set_facts({"half": "done"})
    os.kill(os.getpid(), 9)
"""


def test_a_kill_leaves_whole_transactions(path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert done.returncode == -9
    with LeaseJournal(path) as journal:
        assert journal.facts() == {}
        (hold,) = journal.undecided()
        assert (hold.id, hold.state) == ("H1", "asked")


def test_the_history_knows_the_result_that_credits_were_set_aside_for(history, tmp_path):
    from outfitswap_desktop.safety import writing
    from outfitswap_desktop.store.entry import Record

    record = Record(
        photo=None, photo_sha256="0" * 64, prompt="p", zone="top", engine="sdxl", segmenter="s", seed=1, hold="H1"
    )
    planned = writing.plan(tmp_path / "out.png")
    entry = history.begin([planned])
    staged = writing.stage(b"bytes", planned)
    history.commit(entry, record, [staged])
    with pytest.raises(NotAvailable) as caught:
        history.made_with("H1")
    assert caught.value.reason == "still_publishing"
    writing.publish(staged)
    history.finish(entry)
    history.trash([entry])
    assert history.made_with("H1") == staged.sha256
    assert history.made_with("H2") is None
