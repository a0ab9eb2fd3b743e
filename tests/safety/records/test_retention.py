"""The sweep takes away what is due, twice is once, follows no link, and leaves what is not below the program's folder alone."""

import json
import os
import time
from datetime import timedelta

import pytest

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.safety.records.keys import SAFETY
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.records.retention import Sweeper, Swept, SweptFolder, is_below, plain_files
from tests.safety.records.conftest import DAY, START, event, none_there, sha
from tests.safety.records.test_consents import consent

NOTHING = Swept(0, 0, 0)


def aged(path, days, clock, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    when = clock.seconds - days * DAY
    os.utime(path, (when, when))
    return path


def sweeper(ledger, clock, **options):
    return Sweeper(ledger, clock=clock, **options)


def test_it_sweeps_entries_consents_and_files(ledger, clock, folder):
    ledger.give(consent())
    ledger.log(event())
    clock.seconds += 366 * DAY
    ledger.log(event())
    old = aged(folder / "previews" / "deep" / "a.webp", 7.001, clock)
    young = aged(folder / "previews" / "b.webp", 6.999, clock)
    sweep = sweeper(ledger, clock, folders=(SweptFolder(folder / "previews", timedelta(days=7)),)).sweep
    assert sweep() == Swept(entries=3, consents=1, files=1)
    with ledger.audit.reading() as connection:
        bodies = [json.loads(row[0]) for row in connection.execute("SELECT body FROM log ORDER BY seq")]
    (said,) = [body for body in bodies if body["kind"] == "swept"]
    assert (said["files"], said["consents"]) == (1, 1)
    assert not old.exists()
    assert young.exists()
    assert ledger.verify().ok
    rows = ledger.verify().rows
    assert sweep() == NOTHING
    assert ledger.verify().rows == rows, "a sweep of nothing is not logged"


def test_leftovers_and_copies_kept_aside(ledger, clock, folder):
    ledger.log(event())
    home = folder / SAFETY
    gone = [
        aged(home / "audit.db.damaged-0a1b", 365.001, clock),
        aged(home / "key.json.old-0a1b", 365.001, clock),
        aged(home / ".key.json.12.part", 1.001, clock),
    ]
    kept = [
        aged(home / "audit.db.damaged-0a1c", 364.999, clock),
        aged(home / ".key.json.13.part", 0.999, clock),
        aged(home / "leaf.sealed", 999, clock),
        aged(home / "x.part", 999, clock),
        aged(home / ".hidden", 999, clock),
    ]
    assert sweeper(ledger, clock).sweep() == Swept(0, 0, 3)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)


def test_shorter_is_allowed_longer_is_not(ledger, clock):
    ledger.give(consent())
    clock.seconds += 31 * DAY
    assert sweeper(ledger, clock).sweep() == NOTHING
    assert sweeper(ledger, clock, keep=timedelta(days=30)).sweep() == Swept(2, 1, 0)
    for keep in (timedelta(days=366), timedelta(days=365, milliseconds=1), timedelta(days=-1)):
        with pytest.raises(UsageProblem) as refusal:
            sweeper(ledger, clock, keep=keep)
        assert refusal.value.reason == "retention"
    with pytest.raises(UsageProblem):
        sweeper(ledger, clock, folders=(SweptFolder(ledger.folder, timedelta(days=-1)),))
    sweeper(ledger, clock, keep=timedelta(0))


def test_links_are_not_followed(ledger, clock, folder, tmp_path):
    outside = aged(tmp_path / "outside" / "precious.txt", 99, clock)
    root = folder / "previews"
    aged(root / "a", 99, clock)
    (root / "link").symlink_to(outside)
    (root / "linked").symlink_to(outside.parent)
    swept = SweptFolder(root, timedelta(days=7))
    assert sweeper(ledger, clock, folders=(swept,)).sweep().files == 1
    assert outside.exists()
    assert (root / "link").is_symlink()
    assert (root / "linked").is_symlink()


@pytest.mark.parametrize("where", ["outside", "linked", "itself", "up"])
def test_it_does_not_leave_its_root(ledger, clock, folder, tmp_path, where):
    outside = aged(tmp_path / "outside" / "precious.txt", 99, clock)
    folder.mkdir(exist_ok=True)
    (folder / "linked").symlink_to(outside.parent)
    path = {
        "outside": outside.parent, "linked": folder / "linked", "itself": folder, "up": folder / ".." / "outside",
    }[where]  # fmt: skip
    with pytest.raises(NotAvailable) as refusal:
        sweeper(ledger, clock, folders=(SweptFolder(path, timedelta(0)),)).sweep()
    assert refusal.value.reason == "not_ours"
    assert outside.exists()


def test_without_a_folder_there_are_no_files(clock):
    with Ledger(None, clock=clock, find_backend=none_there) as ledger:
        ledger.log(event())
        assert sweeper(ledger, clock).sweep() == NOTHING
        with pytest.raises(NotAvailable):
            sweeper(
                ledger,
                clock,
                folders=(SweptFolder(ledger.audit._path or __import__("pathlib").Path("x"), timedelta(0)),),
            ).sweep()


def test_a_folder_that_is_not_there(ledger, clock, folder):
    assert sweeper(ledger, clock, folders=(SweptFolder(folder / "missing", timedelta(0)),)).sweep() == NOTHING
    assert not folder.exists(), "a first start leaves no log behind"


def test_a_linked_root_has_no_files(tmp_path, clock):
    aged(tmp_path / "real" / "a", 1, clock)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert [path.name for path, _ in plain_files(tmp_path / "real")] == ["a"]
    assert list(plain_files(tmp_path / "link")) == []


def test_how_deep_it_looks(tmp_path, clock):
    path = tmp_path
    for depth in range(10):
        aged(path / "f", 1, clock)
        path = path / str(depth)
    assert len(list(plain_files(tmp_path))) == 9


def test_a_file_that_does_not_go_is_not_counted(ledger, clock, folder, monkeypatch):
    aged(folder / "previews" / "a", 9, clock)
    import pathlib

    def denied(self, missing_ok=False):
        raise PermissionError

    monkeypatch.setattr(pathlib.Path, "unlink", denied)
    swept = SweptFolder(folder / "previews", timedelta(days=7))
    assert sweeper(ledger, clock, folders=(swept,)).sweep() == NOTHING


def test_the_clock_is_the_machines_unless_a_test_turns_it(ledger, folder):
    file = folder / "previews" / "a"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    os.utime(file, (time.time() - 100, time.time() - 100))
    Sweeper(ledger, folders=(SweptFolder(file.parent, timedelta(seconds=200)),)).sweep()
    assert file.exists()
    Sweeper(ledger, folders=(SweptFolder(file.parent, timedelta(seconds=50)),)).sweep()
    assert not file.exists()


def test_below_is_strictly_below(tmp_path):
    assert is_below(tmp_path / "a", tmp_path)
    assert not is_below(tmp_path, tmp_path)
    assert not is_below(tmp_path / "a" / ".." / ".." / "b", tmp_path)
    assert START
    assert sha(1)
