"""Someone edits the log's file behind our back: every time it is found. Nobody here has the key; the kinds are in TAMPERS."""

import hashlib
import os
import random
import shutil
import sqlite3

import pytest

from outfitswap_desktop.safety.records.chain import entry_hash
from outfitswap_desktop.safety.records.keys import ANCHOR_FILE, SAFETY, Secret
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.records.conftest import START, Clock, event, evidence, none_there, sha

ENTRIES = 40
SEEDS = 8


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A log of ENTRIES and more, closed, and older copies of its file."""
    folder = tmp_path_factory.mktemp("original") / "data"
    clock = Clock()
    copies = []
    for part in range(4):
        with Ledger(folder, clock=clock, find_backend=none_there) as ledger:
            for number in range(ENTRIES // 4):
                clock.seconds += 60
                seq = part * 100 + number
                if number % 3:
                    ledger.log(event(seq))
                else:
                    ledger.released(sha(seq), sha(seq + 1000), number.to_bytes(6, "big"), evidence(seq))
        copies.append((folder / SAFETY / "audit.db").read_bytes())
    with Ledger(folder, clock=clock, find_backend=none_there) as ledger:
        assert ledger.verify().ok
    return folder, copies[:-1]


class Case:
    """One tampering: a connection to a copy of the log, its entries, and dice."""

    def __init__(self, folder, copies, seed):
        self.file = folder / SAFETY / "audit.db"
        self.copies = copies
        self.dice = random.Random(seed)
        self.db = sqlite3.connect(self.file, isolation_level=None)
        self.last = self.db.execute("SELECT max(seq) FROM log").fetchone()[0]

    def pick(self, low=2, high=None):
        return self.dice.randint(low, high or self.last)

    def row(self, seq):
        return self.db.execute("SELECT body, hash FROM log WHERE seq = ?", (seq,)).fetchone()

    def put(self, where, **values):
        names = ", ".join(f"{name} = ?" for name in values)
        assert self.db.execute(f"UPDATE log SET {names} WHERE seq = ?", (*values.values(), where)).rowcount == 1

    def changed(self, data: bytes) -> bytes:
        """One byte other than it was."""
        at = self.dice.randrange(len(data))
        return data[:at] + bytes([data[at] ^ self.dice.randint(1, 255)]) + data[at + 1 :]

    def rehash(self, start):
        """Chain everything from entry `start` on anew, and tell the head."""
        (prev,) = self.db.execute("SELECT hash FROM log WHERE seq = ?", (start - 1,)).fetchone()
        for seq, body in self.db.execute("SELECT seq, body FROM log WHERE seq >= ? ORDER BY seq", (start,)).fetchall():
            prev = entry_hash(prev, seq, body)
            self.put(seq, hash=prev)
        self.db.execute("UPDATE heads SET hash = ?", (prev,))


def edit_body(case):
    seq = case.pick()
    case.put(seq, body=case.changed(case.row(seq)[0]))
    return seq


def soften_a_refusal(case):
    """A readable change that keeps the length: a score becomes another."""
    seq = case.pick(3)
    body = case.row(seq)[0]
    case.put(seq, body=body.replace(b'"at":18', b'"at":17'))
    return seq


def edit_and_hash_that_entry(case):
    seq = case.pick()
    body = case.changed(case.row(seq)[0])
    case.put(seq, body=body, hash=entry_hash(case.row(seq - 1)[1], seq, body))
    return seq


def edit_and_rehash_all(case):
    seq = case.pick()
    case.put(seq, body=case.changed(case.row(seq)[0]))
    case.rehash(seq)
    return seq


def edit_rehash_and_sign_with_another_key(case):
    seq = case.pick()
    case.put(seq, body=case.changed(case.row(seq)[0]))
    case.rehash(seq)
    _sign_as_another(case)
    return None


def _sign_as_another(case):
    from outfitswap_desktop.safety.records.chain import HEAD, ROW, Head, Row

    secret = Secret(case.dice.randbytes(32))
    (head,) = [Head(*row) for row in case.db.execute(f"SELECT {HEAD} FROM heads")]
    from dataclasses import replace

    head = replace(head, public=secret.public).signed(secret)
    case.db.execute("UPDATE heads SET public = ?, signature = ?", (head.public, head.signature))
    for row in [Row.read(row) for row in case.db.execute(f"SELECT {ROW} FROM log")]:
        case.put(row.seq, mac=row.sealed(secret).mac)


def delete_in_the_middle(case):
    seq = case.pick(1, case.last - 1)
    case.db.execute("DELETE FROM log WHERE seq = ?", (seq,))
    return seq


def delete_several(case):
    seq = case.pick(2, case.last - 6)
    case.db.execute("DELETE FROM log WHERE seq BETWEEN ? AND ?", (seq, seq + case.dice.randint(1, 5)))
    return seq


def delete_and_close_the_gap(case):
    """The later entries move up and are chained anew."""
    seq = case.pick(2, case.last - 1)
    case.db.execute("DELETE FROM log WHERE seq = ?", (seq,))
    for later in range(seq + 1, case.last + 1):
        case.put(later, seq=later - 1)
    case.db.execute("UPDATE heads SET seq = seq - 1")
    case.rehash(seq)
    return seq


def delete_the_tail(case):
    seq = case.pick(2)
    case.db.execute("DELETE FROM log WHERE seq >= ?", (seq,))
    return seq


def delete_the_tail_and_tell_the_head(case):
    seq = case.pick(3)
    case.db.execute("DELETE FROM log WHERE seq >= ?", (seq,))
    case.db.execute("UPDATE heads SET seq = ?, hash = ?", (seq - 1, case.row(seq - 1)[1]))
    return None


def delete_everything(case):
    case.db.execute("DELETE FROM log")
    return 1


def delete_everything_and_the_head(case):
    case.db.execute("DELETE FROM log")
    case.db.execute("DELETE FROM heads")
    return None


def swap_an_older_head_in(case):
    """A head that was once right, with its signature, and the tail cut to fit: known by the anchor alone."""
    older = case.dice.choice(case.copies)
    case.db.close()
    old = case.file.with_name("older.db")
    old.write_bytes(older)
    source = sqlite3.connect(old)
    head = source.execute("SELECT * FROM heads").fetchone()
    source.close()
    old.unlink()
    case.db = sqlite3.connect(case.file, isolation_level=None)
    case.db.execute(f"INSERT OR REPLACE INTO heads VALUES ({', '.join('?' * 8)})", head)
    if case.dice.random() < 0.5:
        case.db.execute("DELETE FROM log WHERE seq > ?", (head[3],))
    return head[3] + 1


def set_the_whole_file_back(case):
    case.db.close()
    case.file.write_bytes(case.dice.choice(case.copies))
    case.db = sqlite3.connect(case.file, isolation_level=None)
    return case.db.execute("SELECT max(seq) + 1 FROM log").fetchone()[0]


def delete_the_file(case):
    case.db.close()
    case.file.unlink()
    case.db = sqlite3.connect(":memory:")
    return 1


def swap_two_entries(case):
    a, b = sorted(case.dice.sample(range(2, case.last + 1), 2))
    case.put(a, seq=-1)
    case.put(b, seq=a)
    case.put(-1, seq=b)
    return a


def swap_two_bodies(case):
    a, b = sorted(case.dice.sample(range(2, case.last + 1), 2))
    one, other = case.row(a)[0], case.row(b)[0]
    case.put(a, body=other)
    case.put(b, body=one)
    return a


def insert_a_forged_entry(case):
    names = "segment, at, body, hash, mac, ref, result, pixels, mark"
    case.db.execute(
        f"INSERT INTO log (seq, {names}) SELECT ?, {names} FROM log WHERE seq = ?", (case.last + 1, case.pick())
    )
    return case.last + 1


def insert_and_tell_the_head(case):
    insert_a_forged_entry(case)
    case.rehash(case.last + 1)
    case.db.execute("UPDATE heads SET seq = seq + 1")
    return None


def change_a_column(case):
    seq = case.pick(1)
    column = case.dice.choice(["at", "segment", "ref", "result", "pixels", "mark", "hash", "mac"])
    old = case.db.execute(f"SELECT {column} FROM log WHERE seq = ?", (seq,)).fetchone()[0]
    other = hashlib.sha256(old or b"").digest() if not isinstance(old, int) else old + case.dice.choice([-1, 1, 1000])
    case.put(seq, **{column: other})
    return seq


def take_a_result_from_the_index(case):
    """So that a picture of ours is not recognised: its column is emptied."""
    seqs = [row[0] for row in case.db.execute("SELECT seq FROM log WHERE result IS NOT NULL")]
    seq = case.dice.choice(seqs)
    case.put(seq, **{case.dice.choice(["result", "pixels", "mark"]): None})
    return seq


def change_the_head(case):
    column = case.dice.choice(["public", "first", "seq", "hash", "pruned", "pruned_hash", "signature", "segment"])
    old = case.db.execute(f"SELECT {column} FROM heads").fetchone()[0]
    new = old + case.dice.randint(1, 5) if isinstance(old, int) else case.changed(old)
    case.db.execute(f"UPDATE heads SET {column} = ?", (new,))
    return None


def pretend_it_was_pruned(case):
    seq = case.pick(2, case.last - 1)
    hashed = case.row(seq)[1]
    case.db.execute("DELETE FROM log WHERE seq <= ?", (seq,))
    case.db.execute("UPDATE heads SET pruned = ?, pruned_hash = ?", (seq, hashed))
    return None


def plant_a_trigger(case):
    case.db.execute(
        f"CREATE TRIGGER t{case.pick()} AFTER INSERT ON log BEGIN DELETE FROM log WHERE result = new.result; END"
    )
    return None


def hide_an_entry_from_an_index(case):
    """The page of an index is edited: the entry is there, but is not found any more."""
    name, number = case.dice.choice([("log_result", 103), ("log_pixels", 1103)])
    page, size = case.db.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = ?", (name,)
    ).fetchone()
    case.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    case.db.close()
    content = bytearray(case.file.read_bytes())
    key = bytes.fromhex(sha(number))
    start = (page - 1) * size
    at = content.index(key, start, start + size)
    content[at + 5] ^= 0xFF
    case.file.write_bytes(bytes(content))
    case.db = sqlite3.connect(":memory:")
    return None


def cut_the_file(case):
    case.db.close()
    size = case.file.stat().st_size
    os.truncate(case.file, case.dice.randrange(1, size - 4096))
    case.db = sqlite3.connect(":memory:")
    return None


TAMPERS = (
    edit_body,
    soften_a_refusal,
    edit_and_hash_that_entry,
    edit_and_rehash_all,
    edit_rehash_and_sign_with_another_key,
    delete_in_the_middle,
    delete_several,
    delete_and_close_the_gap,
    delete_the_tail,
    delete_the_tail_and_tell_the_head,
    delete_everything,
    delete_everything_and_the_head,
    swap_an_older_head_in,
    set_the_whole_file_back,
    delete_the_file,
    swap_two_entries,
    swap_two_bodies,
    insert_a_forged_entry,
    insert_and_tell_the_head,
    change_a_column,
    take_a_result_from_the_index,
    change_the_head,
    pretend_it_was_pruned,
    plant_a_trigger,
    hide_an_entry_from_an_index,
    cut_the_file,
)


def test_there_are_enough():
    assert len(TAMPERS) * SEEDS >= 200


@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found(original, tmp_path, tamper):
    folder, copies = original
    for seed in range(SEEDS):
        place = tmp_path / str(seed)
        shutil.copytree(folder, place)
        case = Case(place, copies, seed)
        bad = tamper(case)
        case.db.close()
        ledger = Ledger(place, clock=lambda: START, find_backend=none_there)
        seen = ledger.verify()
        assert not seen.ok, seed
        assert seen.damaged, (seed, seen.problems)
        assert seen.first_bad is None or bad is None or seen.first_bad == bad, (seed, seen.sentence)
        assert seen.first_bad is not None or bad is None
        assert not seen.sentence.startswith("The audit log is whole")
        assert ledger.audit.check().damaged
        ledger.log(event())
        later = ledger.verify()
        assert later.damaged, (seed, "logging on does not cover it up")
        ledger.close()
        again = Ledger(place, clock=lambda: START, find_backend=none_there)
        assert again.verify().damaged
        shutil.rmtree(place)


def test_what_cannot_be_found_is_a_rollback_of_everything(original, tmp_path):
    """With the key store in the same folder, an older copy of the whole folder is a log like any other: SAFETY.md says so."""
    folder, copies = original
    shutil.copytree(folder, tmp_path / "copy")
    with Ledger(folder, clock=lambda: START + 1e6, find_backend=none_there) as ledger:
        ledger.log(event())
    older = Ledger(tmp_path / "copy", find_backend=none_there)
    assert older.verify().ok
    (tmp_path / "copy" / SAFETY / "audit.db").write_bytes(copies[0])
    assert not older.verify().ok, "but not without the key store's file"
    (tmp_path / "copy" / SAFETY / ANCHOR_FILE).unlink()
    assert not older.verify().ok
