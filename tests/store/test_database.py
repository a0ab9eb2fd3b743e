"""Files that are damaged, newer, locked or out of reach: one sentence, nothing lost in silence, and the next start works."""

import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import time

import pytest

from outfitswap_desktop.errors import KnownError, NotAvailable
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store import database
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.owner import Owner, is_alive, this_process
from tests.store.jobs import assert_whole, plan, write_one


def filled(path, rows=40):
    with History(path) as history:
        for number in range(rows):
            write_one(history, path.parent / "out", f"r{number}", number, prompt=f"prompt {number} " + "velvet " * 40)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@pytest.mark.parametrize("how", ["zeros", "text", "cut", "header"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path, how):
    path = tmp_path / "history.db"
    filled(path, 5)
    whole = path.read_bytes()
    damaged = {
        "zeros": b"\0" * len(whole),
        "text": b"not a database" * 1000,
        "cut": whole[: len(whole) // 3],
        "header": b"\xff" * 100 + whole[100:],
    }[how]
    path.write_bytes(damaged)
    with History(path) as history:
        assert len(history.notes) == 1
        assert "moved" in history.notes[0]
        assert history.count() == 0
        entry_id = write_one(history, tmp_path / "new", "r", 1)
        assert history.thumbnail(entry_id) == b"thumb 1", "an old thumbnail must not show for a new entry"
    moved = list(tmp_path.glob("history.db.damaged-*"))
    assert len([file for file in moved if not file.name.endswith(("-wal", "-shm"))]) == 1
    assert moved[0].read_bytes()[:100] == damaged[:100]
    with History(path) as history:
        assert history.notes == ()
        assert history.count() == 1


def test_flips_never_show_more_than_a_sentence(tmp_path):
    path = tmp_path / "history.db"
    filled(path)
    whole = path.read_bytes()
    rng = random.Random(5)
    noticed, reasons = 0, set()
    for _ in range(60):
        for old in tmp_path.glob("history.db*"):
            old.unlink()
        broken = bytearray(whole)
        start = rng.randrange(100, len(broken) - 400)
        broken[start : start + 400] = rng.randbytes(400)
        path.write_bytes(bytes(broken))
        try:
            with History(path) as history:
                noticed += bool(history.notes)
                history.recover(writing)
                history.list(limit=500)
                history.count(text="velvet")
        except KnownError as problem:
            reasons.add(problem.reason)
            noticed += 1
            with History(path) as history:
                history.list(limit=500)
                write_one(history, tmp_path / "again", "r", 1)
    assert reasons == {"history_damaged"}
    assert noticed > 5


def test_a_damaged_text_index_is_made_anew_from_the_entries(tmp_path):
    path = tmp_path / "history.db"
    filled(path, 3)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE entries_text_data SET block = x'00112233445566' WHERE id > 10")
    connection.commit()
    connection.close()
    with History(path) as history, pytest.raises(NotAvailable) as caught:
        history.list(text="velvet")
    assert caught.value.reason == "history_damaged"
    with History(path) as history:
        assert history.notes == ()
        assert len(history.list(text="velvet")) == 3
        assert_whole(history, tmp_path / "out")


def test_damaged_thumbnails_cost_the_thumbnails_alone(tmp_path):
    path = tmp_path / "history.db"
    filled(path, 3)
    (tmp_path / "thumbs.db").write_bytes(b"x" * 5000)
    for beside in tmp_path.glob("thumbs.db-*"):
        beside.unlink()
    with History(path) as history:
        assert len(history.notes) == 1
        assert "thumbnails" in history.notes[0]
        assert history.count() == 3
        assert history.thumbnail(1) is None


@pytest.mark.parametrize("name", ["history.db", "thumbs.db"])
def test_a_newer_file_is_left_as_it_is(tmp_path, name):
    path = tmp_path / "history.db"
    filled(path, 2)
    kind = "outfitswap.history" if name == "history.db" else "outfitswap.thumbnails"
    connection = sqlite3.connect(tmp_path / name)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, '9_from_the_future', 'then')",
        (kind,),
    )
    connection.commit()
    connection.close()
    before = (tmp_path / name).read_bytes()
    with pytest.raises(NotAvailable) as caught:
        History(path)
    assert caught.value.reason == "history_newer"
    assert "newer version" in caught.value.message
    assert (tmp_path / name).read_bytes() == before
    assert not list(tmp_path.glob("*.damaged-*"))


def test_a_locked_file_is_told_after_a_wait(tmp_path, monkeypatch):
    path = tmp_path / "history.db"
    filled(path, 1)
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 200)
    holder = sqlite3.connect(path)
    with History(path) as history:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(NotAvailable) as caught:
            history.begin(plan(tmp_path / "out", "x"))
        assert caught.value.reason == "history_busy"
        assert time.monotonic() - began < 5
        assert history.count() == 1, "reading goes on"
        holder.rollback()
        history.abandon(history.begin(plan(tmp_path / "out", "x")), writing)
    holder.close()


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "history.db", tmp_path):
        with pytest.raises(NotAvailable) as caught:
            History(path)
        assert caught.value.reason == "history_unreadable"


def test_a_disk_without_space_is_told(tmp_path):
    path = tmp_path / "history.db"
    with History(path) as history:
        write_one(history, tmp_path / "out", "a", 1)
        pages = history._db.conn.execute("PRAGMA page_count").fetchone()[0]
        history._db.conn.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(NotAvailable) as caught:  # noqa: PT012 - one of the writes finds it full
            for number in range(200):
                write_one(history, tmp_path / "out", f"b{number}", number, prompt="long " * 500)
        assert caught.value.reason == "disk_full"


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    with History(tmp_path / "history.db") as history:
        with pytest.raises(RuntimeError), history._write(durable=True) as connection:  # noqa: PT012
            connection.execute("INSERT INTO journal (state, pid, started, created) VALUES ('preparing', 1, '', '')")
            raise RuntimeError
        assert not history._db.conn.in_transaction
        assert_whole(history, tmp_path / "nothing")
        assert history._db.conn.execute("PRAGMA synchronous").fetchone()[0] == 1


def first_start(path, barrier):
    barrier.wait()
    for _ in range(3):
        with History(path) as history:
            history.count()


def test_two_programs_begin_the_same_file_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    starters = [context.Process(target=first_start, args=(tmp_path / "history.db", barrier)) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
        assert starter.exitcode == 0


def test_a_process_is_told_from_a_later_one_with_its_number():
    us = this_process()
    assert us.pid == os.getpid()
    assert is_alive(us)
    assert this_process() == us
    assert not is_alive(Owner(us.pid, "another start"))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    from outfitswap_desktop.store import owner

    theirs = Owner(child.pid, owner._started(child.pid) or "")
    assert is_alive(theirs)
    child.kill()
    deadline = time.monotonic() + 10
    while is_alive(theirs) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(theirs), "a dead process that nobody has waited for counts as dead"
    child.communicate()
    assert not is_alive(theirs)


def test_what_cannot_be_told_counts_as_running(monkeypatch):
    import psutil

    def denied(pid):
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", denied)
    assert is_alive(Owner(1, "some start"))
    assert this_process().started == "unknown"


def test_a_file_that_lost_a_table_is_damaged(tmp_path):
    path = tmp_path / "history.db"
    filled(path, 2)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE journal_files")
    connection.commit()
    connection.close()
    with History(path) as history:
        assert len(history.notes) == 1
        write_one(history, tmp_path / "new", "r", 1)


def test_values_that_cannot_be_read_do_not_hide_the_other_entries(tmp_path):
    path = tmp_path / "history.db"
    filled(path, 3)
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE entries SET created = 'yesterday', seed = 'many', receipt = '{', mask = 7, prompt = CAST(x'ff41' AS TEXT) "
        "WHERE id = 2"
    )
    connection.commit()
    connection.close()
    with History(path) as history:
        newest, odd, oldest = history.list()
        assert (newest.id, odd.id, oldest.id) == (3, 2, 1)
        assert odd.created.year == 1970
        assert odd.seed == 0
        assert str(odd.mask) == "7"
        with pytest.raises(NotAvailable) as caught:
            _ = odd.receipt
        assert caught.value.reason == "history_damaged"
        assert newest.receipt["seed"] == 2


def test_two_damaged_files_in_one_second_are_both_kept(tmp_path):
    path = tmp_path / "history.db"
    for content in (b"first" * 500, b"second" * 500, b"third" * 500):
        for beside in tmp_path.glob("history.db-*"):
            beside.unlink()
        path.write_bytes(content)
        with History(path) as history:
            assert len(history.notes) == 1
    kept = {file.read_bytes()[:5] for file in tmp_path.glob("history.db.damaged-*") if file.stat().st_size > 1000}
    assert {b"first", b"secon", b"third"} <= kept


def test_a_file_that_another_program_has_begun_anew_is_not_moved(tmp_path):
    path = tmp_path / "history.db"
    path.write_bytes(b"x" * 4000)
    looked_at = database._identity(path)
    path.rename(tmp_path / "old")
    filled(path, 1)
    assert database._move_aside(path, looked_at) is None
    assert path.exists()


def test_a_damaged_file_that_cannot_be_moved_is_told(tmp_path, monkeypatch):
    path = tmp_path / "history.db"
    path.write_bytes(b"x" * 4000)

    def denied(self, target):
        raise PermissionError("in use")

    monkeypatch.setattr(type(path), "replace", denied)
    with pytest.raises(NotAvailable) as caught:
        History(path)
    assert caught.value.reason == "history_damaged"
    assert path.exists()
