"""A picture made here is known again, with its root's evidence, and an entry that was touched is no evidence."""

import contextlib
import sqlite3

import pytest

from outfitswap_desktop.errors import GateRefused, NotAvailable
from outfitswap_desktop.safety.records import schema
from outfitswap_desktop.safety.records.keys import KEY_FILE, SAFETY
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.records.lineage import ALIKE
from tests.safety.records.conftest import DAY, event, evidence, none_there, sha

MARK = b"\x00\x01\x02\x03\x04\xff"
OTHER_MARK = b"other!"


def look(ledger, file=90, pixels=91, mark=None):
    return ledger.root_of(file_sha256=sha(file), pixels_sha256=sha(pixels), mark=mark)


def same(a, b):
    fields = ("root_sha256", "size", "scores", "nsfw", "subjects")
    return all(getattr(a, name) == getattr(b, name) for name in fields)


@contextlib.contextmanager
def opened(folder):
    connection = sqlite3.connect(folder / SAFETY / "audit.db", isolation_level=None)
    yield connection
    connection.close()


def test_a_result_is_known_by_file_pixels_and_mark(ledger, reopen):
    assert look(ledger) is None
    assert ledger.released(sha(1), sha(2), MARK, evidence(3)) == 2
    for ask in ({"file": 1}, {"pixels": 2}, {"mark": MARK}, {"file": 1, "pixels": 2, "mark": MARK}):
        assert same(look(ledger, **ask), evidence(3)), ask
    assert look(ledger) is None
    assert look(ledger, file=2, pixels=1, mark=OTHER_MARK) is None
    ledger.close()
    assert same(look(reopen(), mark=MARK), evidence(3))


def test_file_comes_before_pixels_and_pixels_before_mark(ledger):
    ledger.released(sha(1), sha(11), b"mark-1", evidence(101))
    ledger.released(sha(2), sha(12), b"mark-2", evidence(102))
    ledger.released(sha(3), sha(13), b"mark-3", evidence(103))
    assert look(ledger, file=1, pixels=12, mark=b"mark-3").root_sha256 == sha(101)
    assert look(ledger, file=9, pixels=12, mark=b"mark-3").root_sha256 == sha(102)
    assert look(ledger, file=9, pixels=9, mark=b"mark-3").root_sha256 == sha(103)


def test_of_several_the_newest_counts(ledger):
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.released(sha(1), sha(2), MARK, evidence(4))
    assert look(ledger, file=1).root_sha256 == sha(4)


def print_of(bits=0, base=0x5A):
    """A fingerprint that differs in `bits` of its bits from that of no bits."""
    number = int.from_bytes(bytes([base]) * 32, "big") ^ ((1 << bits) - 1)
    return number.to_bytes(32, "big")


def test_a_result_is_known_by_its_looks(ledger, reopen):
    assert ledger.root_like(print_of()) is None
    ledger.released(sha(1), sha(2), None, evidence(3), print_of())
    for bits in (0, 1, ALIKE):
        found = ledger.root_like(print_of(bits))
        assert found.alike
        assert same(found, evidence(3))
    assert ledger.root_like(print_of(ALIKE + 1)) is None
    assert not look(ledger, file=1).alike
    ledger.close()
    assert same(reopen().root_like(print_of(5)), evidence(3))


def test_the_most_alike_counts_and_of_equals_the_newest(ledger):
    ledger.released(sha(1), sha(2), None, evidence(3), print_of(10))
    ledger.released(sha(4), sha(5), None, evidence(6), print_of(2))
    ledger.released(sha(7), sha(8), None, evidence(9), print_of(20))
    assert ledger.root_like(print_of()).root_sha256 == sha(6)
    ledger.released(sha(7), sha(8), MARK, evidence(10), print_of(2))
    assert ledger.root_like(print_of()).root_sha256 == sha(10)


def test_a_root_that_does_not_fit_into_an_entry_is_a_known_problem(ledger):
    """Not a bug of the program: a chain of edits on very many people."""
    wide = evidence(3, subjects=({"polygons": {"chest_hip": [[1, 2]] * 4000}},) * 6)
    with pytest.raises(NotAvailable) as caught:
        ledger.released(sha(1), sha(2), None, wide)
    assert caught.value.reason == "record_too_large"
    assert "original photo" in caught.value.hint
    assert look(ledger, file=1) is None
    ledger.released(sha(1), sha(2), None, evidence(3))
    assert ledger.verify().rows == 2


def test_without_looks_nothing_is_alike(ledger):
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    assert ledger.root_like(print_of()) is None


@pytest.mark.parametrize("edit", [
    "mac = zeroblob(32)", "body = CAST(replace(CAST(body AS TEXT), '0.2', '0.3') AS BLOB)", "ref = zeroblob(32)",
])  # fmt: skip
def test_an_edited_entry_is_no_evidence_by_its_looks(ledger, folder, edit):
    ledger.released(sha(1), sha(2), None, evidence(3), print_of())
    ledger.close()
    with opened(folder) as connection:
        connection.execute(f"UPDATE log SET {edit} WHERE ref IS NOT NULL")
    near = bytes(32) if edit.startswith("ref") else print_of()
    with pytest.raises(GateRefused) as caught:
        ledger.root_like(near)
    assert caught.value.reason == "lineage_damaged"


def test_without_a_mark(ledger):
    ledger.released(sha(1), sha(2), None, evidence(3))
    assert same(look(ledger, file=1), evidence(3))
    assert look(ledger, mark=MARK) is None
    assert not ledger.known_ours(MARK)


def test_marks_of_ours_are_known(ledger):
    assert not ledger.known_ours(MARK)
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    assert ledger.known_ours(MARK)
    assert not ledger.known_ours(OTHER_MARK)


@pytest.mark.parametrize(
    "bad",
    [
        (("x", sha(2), MARK), {}),
        ((sha(1), "x", MARK), {}),
        ((sha(1), sha(2), b"short"), {}),
        ((sha(1), sha(2), b"too long"), {}),
        ((sha(1), sha(2), MARK), {"scores": {"ANNA": 1.0}}),
        ((sha(1), sha(2), MARK), {"nsfw": float("nan")}),
        ((sha(1), sha(2), MARK), {"size": (0, 5)}),
        ((sha(1), sha(2), MARK), {"subjects": ({"name": "Anna"},)}),
    ],
)
def test_only_numbers_enter(ledger, bad):
    arguments, changes = bad
    with pytest.raises(schema.EventRefusedError):
        ledger.released(*arguments, evidence(3, **changes))
    assert ledger.verify().rows == 0


EDITS = {
    "its root": "UPDATE log SET body = CAST(replace(body, '640', '641') AS BLOB) WHERE seq = 3",
    "no json": "UPDATE log SET body = x'ff00' WHERE seq = 3",
    "its hash": "UPDATE log SET hash = zeroblob(32) WHERE seq = 3",
    "the hash before": "UPDATE log SET hash = zeroblob(32) WHERE seq = 2",
    "its seal": "UPDATE log SET mac = zeroblob(32) WHERE seq = 3",
    "its segment": "UPDATE log SET segment = 2 WHERE seq = 3",
    "the entry before": "DELETE FROM log WHERE seq = 2",
    "its time": "UPDATE log SET at = at + 1 WHERE seq = 3",
    "another entry's file": "UPDATE log SET result = x'" + sha(1) + "' WHERE seq = 4",
    "no head": "DELETE FROM heads",
    "its pixels": "UPDATE log SET pixels = NULL WHERE seq = 3",
    "its mark": "UPDATE log SET mark = x'000000000000' WHERE seq = 3",
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_touched_entry_is_refused(ledger, folder, reopen, edit):
    ledger.log(event())
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.released(sha(21), sha(22), OTHER_MARK, evidence(4))
    ledger.close()
    with opened(folder) as connection:
        assert connection.execute(EDITS[edit]).rowcount == 1
    with pytest.raises(GateRefused) as refusal:
        look(reopen(), file=1)
    assert refusal.value.reason == "lineage_damaged"
    assert "erase" in refusal.value.hint
    with pytest.raises(GateRefused):
        look(reopen(), file=1, pixels=2, mark=MARK)


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM log WHERE seq = 3",
        "UPDATE log SET result = NULL, pixels = NULL, mark = NULL WHERE seq = 3",
        "UPDATE log SET result = zeroblob(32), pixels = zeroblob(32), mark = zeroblob(6) WHERE seq = 3",
        "DELETE FROM log WHERE seq >= 3",
        "DELETE FROM log",
    ],
)
def test_a_result_whose_entry_was_taken_away_is_no_new_photo(ledger, folder, reopen, edit):
    ledger.log(event())
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.log(event())
    ledger.close()
    with opened(folder) as connection:
        connection.execute(edit)
    for _ in range(2):
        with reopen() as other:
            with pytest.raises(GateRefused) as refusal:
                look(other, file=1)
            assert refusal.value.reason == "lineage_damaged"
            other.log(event())


@pytest.mark.parametrize("content", [None, b"", b"x" * 9000])
def test_a_log_that_is_gone_makes_no_new_photos(ledger, folder, reopen, content):
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.close()
    file = folder / SAFETY / "audit.db"
    file.unlink() if content is None else file.write_bytes(content)
    for _ in range(2):
        with reopen() as other:
            with pytest.raises(GateRefused):
                look(other, file=1)
            other.log(event())


def test_an_index_that_leads_to_another_entry_is_found_out(ledger, folder, reopen):
    """The page of the index is edited: a stranger's file leads to an entry that is genuine, but is not that file's."""
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.close()
    file = folder / SAFETY / "audit.db"
    with opened(folder) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log_result'").fetchone()[0]
    content = file.read_bytes()
    start = (page - 1) * 4096
    index = content[start : start + 4096].replace(bytes.fromhex(sha(1)), bytes.fromhex(sha(77)))
    file.write_bytes(content[:start] + index + content[start + 4096 :])
    assert index != content[start : start + 4096]
    with pytest.raises(GateRefused):
        look(reopen(), file=77)
    with pytest.raises(GateRefused):
        look(reopen(), file=1)


def test_a_mark_whose_entry_was_touched_is_refused(ledger, folder, reopen):
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.close()
    with opened(folder) as connection:
        connection.execute("UPDATE log SET mac = zeroblob(32) WHERE seq = 2")
    with pytest.raises(GateRefused):
        reopen().known_ours(MARK)
    (folder / SAFETY / "audit.db").write_bytes(b"x" * 9000)
    with pytest.raises(GateRefused):
        reopen().known_ours(MARK)


def test_with_its_key_gone_an_entry_is_no_evidence_but_new_photos_are(ledger, folder, reopen):
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    ledger.close()
    (folder / SAFETY / KEY_FILE).unlink()
    with reopen() as other:
        other.log(event())
        with pytest.raises(GateRefused):
            look(other, file=1)
        assert look(other, file=7) is None


def test_the_first_entry_behind_what_was_pruned_is_linked(ledger, clock):
    ledger.log(event())
    clock.seconds += 200 * DAY
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    clock.seconds += 200 * DAY
    assert ledger.audit.prune() == 2
    assert same(look(ledger, file=1), evidence(3))
    ledger.audit._connection.execute("UPDATE heads SET pruned_hash = zeroblob(32)")
    with pytest.raises(GateRefused):
        look(ledger, file=1)
    ledger.audit._connection.execute("UPDATE heads SET pruned = 1")
    with pytest.raises(GateRefused):
        look(ledger, file=1)


def test_after_twelve_months_a_result_is_not_known_any_more(ledger, clock):
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    clock.seconds += 366 * DAY
    ledger.audit.prune()
    assert look(ledger, file=1, pixels=2, mark=MARK) is None


def test_a_log_that_cannot_be_read_is_told(folder, reopen):
    (folder / SAFETY / "audit.db").mkdir(parents=True)
    with pytest.raises(NotAvailable) as refusal:
        look(reopen())
    assert refusal.value.reason == "audit_unavailable"
    with pytest.raises(NotAvailable):
        reopen().released(sha(1), sha(2), MARK, evidence(3))


def test_an_entry_of_another_kind_is_no_release(ledger):
    ledger.audit.write(lambda writer: writer.add(event(), result=bytes.fromhex(sha(1))))
    with pytest.raises(GateRefused):
        look(ledger, file=1)
    ledger.audit.write(lambda writer: writer.add({"kind": "swept", "files": 1, "consents": 1}, mark=MARK))
    with pytest.raises(GateRefused):
        ledger.known_ours(MARK)


def test_columns_that_do_not_fit_the_body_are_no_release(ledger):
    """Sealed by our own key: a mistake of ours, and still not trusted."""
    ledger.released(sha(1), sha(2), MARK, evidence(3))
    body = {"kind": "released", "result": sha(5), "pixels": sha(6), "mark": MARK.hex()}
    root = {"root_sha256": sha(3), "size": [64, 64], "scores": {}, "nsfw": 0.0, "subjects": []}
    for columns in (
        {"result": bytes.fromhex(sha(7)), "pixels": bytes.fromhex(sha(6)), "mark": MARK},
        {"result": bytes.fromhex(sha(7)), "pixels": bytes.fromhex(sha(6)), "mark": None},
    ):
        ledger.audit.write(lambda writer, columns=columns: writer.add({**body, "root": root}, **columns))
        with pytest.raises(GateRefused):
            look(ledger, file=7)
    right = {"result": bytes.fromhex(sha(5)), "pixels": bytes.fromhex(sha(6)), "mark": MARK}
    ledger.audit.write(lambda writer: writer.add({**body, "root": root}, **right))
    assert look(ledger, file=5).size == (64, 64)


def test_in_memory():
    with Ledger(None, find_backend=none_there) as ledger:
        assert look(ledger) is None
        ledger.released(sha(1), sha(2), MARK, evidence(3))
        assert same(look(ledger, mark=MARK), evidence(3))
        assert ledger.verify().ok
        assert ledger.notice == ""
