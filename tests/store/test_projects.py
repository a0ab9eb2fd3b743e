"""The open project survives, changes only where it changed, and damage costs no start."""

import json
import sqlite3

from outfitswap_desktop.store.projects import Projects


def test_what_was_saved_is_offered_again(tmp_path):
    with Projects(tmp_path / "project.db") as projects:
        assert projects.load() is None
        projects.save({"photo": "a.jpg", "seed": 4}, {"mask": b"12", "photo": None})
    with Projects(tmp_path / "project.db") as projects:
        found = projects.load()
        assert found.document == {"photo": "a.jpg", "seed": 4}
        assert found.blobs == {"mask": b"12"}


def test_a_blob_that_is_not_named_any_more_goes(tmp_path):
    with Projects(tmp_path / "project.db") as projects:
        projects.save({}, {"mask": b"1", "strokes": b"2"})
        projects.save({"n": 1}, {"mask": b"1"})
        assert projects.load().blobs == {"mask": b"1"}


def test_an_unchanged_blob_is_not_written_again(tmp_path):
    with Projects(tmp_path / "project.db") as projects:
        projects.save({}, {"photo": bytes(2_000_000)})
        wal = (tmp_path / "project.db-wal").stat().st_size
        projects.save({"n": 1}, {"photo": bytes(2_000_000)})
        assert (tmp_path / "project.db-wal").stat().st_size - wal < 100_000


def test_clearing_takes_the_bytes_out_of_the_file(tmp_path):
    path = tmp_path / "project.db"
    with Projects(path) as projects:
        projects.save({"photo": "secret-name.jpg"}, {"photo": b"SECRETPIXELS" * 100})
        projects.clear()
        assert projects.load() is None
    assert b"SECRETPIXELS" not in path.read_bytes()
    assert b"secret-name" not in path.read_bytes()


def test_a_blob_that_was_changed_behind_our_back_is_left_out(tmp_path):
    path = tmp_path / "project.db"
    with Projects(path) as projects:
        projects.save({}, {"mask": b"1", "strokes": b"2"})
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE blobs SET content = x'FF' WHERE name = 'mask'")
    raw.close()
    with Projects(path) as projects:
        assert projects.load().blobs == {"strokes": b"2"}


def test_a_damaged_file_is_moved_aside(tmp_path):
    path = tmp_path / "project.db"
    path.write_bytes(b"no database" * 500)
    with Projects(path) as projects:
        assert projects.load() is None
        assert "moved" in " ".join(projects.notes)
        projects.save(json.loads("{}"), {})
