"""Stars, tags, trash, lineage and filters; files of version 1 come along without loss."""

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.entry import Record, entry_values
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.migrations import HISTORY, Schema
from outfitswap_desktop.store.selection import Filter
from tests.store.jobs import assert_whole, plan, record, write_one

WORDS = ("navy", "velvet", "linen", "coat", "dress", "tartan")
START = datetime(2026, 1, 1, tzinfo=UTC)


class OnDisk:
    """What History._insert wants of a file, without one."""

    def __init__(self, final, sha256="1" * 64):
        self.role, self.part, self.final, self.sha256 = "output", final, final, sha256


def insert(history, connection, number, **about):
    """One row without its files; `about` are fields of Record, `made` its time, `sha256` its result's hash."""
    made = about.pop("made", START + timedelta(minutes=number))
    sha256 = about.pop("sha256", f"{number:064x}")
    values = {
        "photo": Path("/photos/me.jpg"), "photo_sha256": "f" * 64, "prompt": "navy coat", "zone": "top", "engine": "fabric",
        "segmenter": "test", "seed": number, "receipt": {},
    } | about  # fmt: skip
    files = {"output": OnDisk(Path(f"/out/{number}.png"), sha256)}
    history._insert(connection, number, made.isoformat(timespec="milliseconds"), Record(**values), files)
    connection.execute("UPDATE entries SET state = 'done' WHERE id = ?", (number,))


def ids(entries):
    return [entry.id for entry in entries]


@pytest.fixture
def history(tmp_path):
    with History(tmp_path / "history.db") as opened:
        yield opened


def test_the_queue_finds_the_entry_of_its_job(history, tmp_path):
    planned = plan(tmp_path / "out", "r")
    entry_id = history.begin(planned)
    staged = [writing.stage(b"x", place) for place in planned]
    written = record()
    history.commit(entry_id, Record(**{f: getattr(written, f) for f in Record.__slots__} | {"job": "a1"}), staged)
    assert history.by_job("a1") is None, "what is not in its place is not done"
    for file in staged:
        writing.publish(file)
    history.finish(entry_id)
    assert history.by_job("a1").id == entry_id
    assert history.by_job("a1").job == "a1"
    assert history.by_job("a2") is None
    history.trash([entry_id])
    assert history.by_job("a1").id == entry_id, "a job in the trash was still done"


def test_the_look_up_of_a_job_reads_one_row(history):
    steps = [
        row[3]
        for row in history._db.conn.execute(
            "EXPLAIN QUERY PLAN SELECT id FROM entries WHERE job = 'x' ORDER BY id DESC"
        )
    ]
    assert any("entries_job" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


def test_stars_and_tags_come_back_and_are_found(history, tmp_path):
    first, second, third = (write_one(history, tmp_path / "out", f"r{n}", n) for n in range(3))
    history.star([first, third])
    history.set_tags(first, ["  Summer   2026 ", "summer 2026", "客户"])
    history.tag([second, third], add=["Best"])
    assert history.get(first).starred
    assert not history.get(second).starred
    assert history.get(first).tags == ("Summer 2026", "客户")
    assert history.all_tags() == (("Best", 2), ("Summer 2026", 1), ("客户", 1))
    assert ids(history.list(where=Filter(starred=True))) == [third, first]
    assert ids(history.list(where=Filter(tags=("SUMMER 2026",)))) == [first]
    assert ids(history.list(where=Filter(tags=("best",), starred=True))) == [third]
    assert ids(history.list(where=Filter(tags=("best", "summer 2026")))) == []
    assert ids(history.list(where=Filter(tags=("never",)))) == []
    assert ids(history.list(text="summ")) == [first], "a search finds tags too"
    assert ids(history.list(text="2026 navy")) == [first]
    assert ids(history.list(text="me.jpg")) == [third, second, first], "and the photo's name"
    history.star([first], False)
    history.tag([second, third], remove=["BEST"])
    assert ids(history.list(where=Filter(starred=True))) == [third]
    assert [name for name, _ in history.all_tags()] == ["Summer 2026", "客户"], "a tag that nothing has is forgotten"
    assert_whole(history, tmp_path / "out")


@pytest.mark.parametrize("name", ["", "   ", "\0", "\ue000"])
def test_a_tag_without_letters_is_none(history, tmp_path, name):
    entry_id = write_one(history, tmp_path / "out", "r", 1)
    history.set_tags(entry_id, [name])
    assert history.get(entry_id).tags == ()
    assert history.all_tags() == ()


def test_too_many_tags_change_nothing(history, tmp_path):
    entry_id = write_one(history, tmp_path / "out", "r", 1)
    history.set_tags(entry_id, ["kept"])
    with pytest.raises(UsageProblem):
        history.tag([entry_id], add=[f"tag {n}" for n in range(41)])
    assert history.get(entry_id).tags == ("kept",)
    assert history.all_tags() == (("kept", 1),)


def test_the_trash_hides_and_gives_back(history, tmp_path):
    first, second = (write_one(history, tmp_path / "out", f"r{n}", n) for n in range(2))
    history.set_tags(first, ["old"])
    history.trash([first])
    assert ids(history.list()) == [second]
    assert ids(history.list(text="navy")) == [second]
    assert history.count() == 1
    assert history.all_tags() == (("old", 0),)
    assert ids(history.list(where=Filter(trashed=True))) == [first]
    assert ids(history.list(where=Filter(trashed=None))) == [second, first]
    assert abs((datetime.now(UTC) - history.get(first).trashed).total_seconds()) < 60
    assert history.get(first).output.is_file(), "the trash touches no file"
    history.restore([first])
    assert ids(history.list()) == [second, first]
    assert history.get(first).trashed is None


def test_what_is_erased_leaves_no_word_behind(history, tmp_path):
    entry_id = write_one(history, tmp_path / "out", "r", 1, prompt="zebraprint")
    kept = write_one(history, tmp_path / "out", "k", 2)
    history.set_tags(entry_id, ["confidentialtag"])
    history.set_tags(kept, ["kept"])
    assert history.erase([entry_id]) == (1, 1)
    assert history.all_tags() == (("kept", 1),)
    assert ids(history.list(text="kept")) == [kept]
    for file in tmp_path.glob("history.db*"):
        content = file.read_bytes()
        assert b"confidentialtag" not in content
        assert b"zebraprint" not in content


def test_erasing_quickly_takes_the_row_out(history, tmp_path):
    entry_id = write_one(history, tmp_path / "out", "r", 1)
    assert history.erase([entry_id], for_good=False) == (1, 1)
    assert history.get(entry_id) is None
    assert history.list(text="navy") == ()
    assert history.thumbnail(entry_id) is None


def test_a_result_worked_on_further_knows_where_it_comes_from(history):
    photo, first, second = "a" * 64, "b" * 64, "c" * 64
    safety = {"safety": {"root_sha256": photo}}
    with history._write() as connection:
        insert(history, connection, 1, photo_sha256=photo, receipt=safety, sha256=first)
        insert(history, connection, 2, photo_sha256=first, receipt=safety, sha256=second)
        insert(history, connection, 3, photo_sha256=first, receipt=safety)
        insert(history, connection, 4, photo_sha256=second, receipt=safety)
        insert(history, connection, 5, photo_sha256="d" * 64)
    assert [(e.parent, e.root) for e in history.list(where=Filter(root=photo))] == [
        (2, photo), (1, photo), (1, photo), (None, photo)
    ]  # fmt: skip
    assert ids(history.children(1)) == [3, 2]
    assert history.get(5).root == "d" * 64
    history.erase([1])
    assert history.get(2).parent == 1, "it was there once"


def test_values_for_other_programs_are_plain(history, tmp_path):
    entry_id = write_one(history, tmp_path / "out", "r", 1)
    history.set_tags(entry_id, ["a"])
    history.trash([entry_id])
    values = entry_values(history.get(entry_id))
    assert values["tags"] == ["a"]
    assert isinstance(values["trashed"], str)
    assert values["root"] == "0" * 64


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """1,500 rows of all kinds, and the same as plain dicts."""
    rng = random.Random(4)
    rows = []
    with History(tmp_path_factory.mktemp("many") / "history.db") as opened:
        with opened._write() as connection:
            for number in range(1, 1501):
                row = {
                    "prompt": " ".join(rng.choices(WORDS, k=2)),
                    "zone": rng.choice(("top", "dress")),
                    "engine": rng.choice(("fabric", "sdxl")),
                    "batch": rng.choice((None, None, "b 1", "b 2")),
                    "made": START + timedelta(hours=number) - timedelta(hours=rng.choice((0, 0, 0, 30))),
                }
                insert(opened, connection, number, **row)
                rows.append(row | {"id": number, "starred": False, "tags": set(), "trashed": False})
        chosen = rng.sample(rows, 300)
        opened.star([row["id"] for row in chosen])
        for row in chosen:
            row["starred"] = True
        for name in ("red", "redder", "x y"):
            chosen = rng.sample(rows, 200)
            opened.tag([row["id"] for row in chosen], add=[name])
            for row in chosen:
                row["tags"].add(name)
        chosen = rng.sample(rows, 200)
        opened.trash([row["id"] for row in chosen])
        for row in chosen:
            row["trashed"] = True
        yield opened, rows


@pytest.mark.parametrize("seed", range(60))
def test_filters_mean_what_they_say_in_any_combination(many, seed):
    history, rows = many
    rng = random.Random(seed)

    def maybe(values):
        return rng.choice(values) if rng.random() < 0.4 else None

    since = maybe([START + timedelta(hours=h) for h in (0, 100, 900)])
    until = maybe([START + timedelta(hours=h) for h in (50, 1000, 1400)])
    word = maybe(["navy", "vel", "red", "x"])
    wanted = Filter(
        text=word or "", starred=rng.random() < 0.4, tags=rng.choice([(), (), ("red",), ("X Y", "redder")]),
        engine=maybe(["fabric", "sdxl"]), zone=maybe(["top", "full"]), batch=maybe(["b 1"]), since=since, until=until,
        trashed=rng.choice([False, False, True, None]),
    )  # fmt: skip

    def holds(row):
        words = [*row["prompt"].split(), *(part for name in row["tags"] for part in name.split()), "me", "jpg"]
        return (
            (not word or any(w.startswith(word) for w in words))
            and (not wanted.starred or row["starred"])
            and {name.lower() for name in wanted.tags} <= row["tags"]
            and wanted.engine in (None, row["engine"])
            and wanted.zone in (None, row["zone"])
            and wanted.batch in (None, row["batch"])
            and (since is None or row["made"] >= since)
            and (until is None or row["made"] < until)
            and (wanted.trashed is None or wanted.trashed == row["trashed"])
        )

    expected = [row["id"] for row in reversed(rows) if holds(row)]
    found = [entry.id for page in history.pages(size=100, where=wanted) for entry in page]
    assert found == expected
    assert history.count(where=wanted) == len(expected)
    assert history.count(where=wanted, most=7) == min(7, len(expected))


def old_file(path, rows):
    """A history file as version 1 wrote it."""
    from outfitswap_desktop.store.database import open_database

    first = Schema(HISTORY.name, HISTORY.steps[:1], HISTORY.names[:7], HISTORY.rebuild)
    db, _ = open_database(path, first, page_size=8192)
    with db.conn:
        db.conn.executemany(
            "INSERT INTO entries (id, created, state, photo, photo_sha256, prompt, zone, engine, segmenter, output, "
            "output_sha256, seed, receipt, batch) VALUES (?, ?, 'done', ?, ?, ?, 'top', 'fabric', 'x', ?, ?, '1', ?, ?)",
            rows,
        )
    db.conn.close()


def test_a_file_of_version_1_comes_along_without_loss(tmp_path):
    path = tmp_path / "history.db"
    at = START.isoformat()
    root = '{"safety": {"root_sha256": "' + "a" * 64 + '"}}'
    old_file(
        path,
        [
            (1, at, "C:\\photos\\Anna Ünal.jpg", "a" * 64, "velvet coat", "/o/1.png", "b" * 64, root, "b1"),
            (2, at, "/o/1.png", "b" * 64, "linen shirt", "/o/2.png", "c" * 64, root, None),
            (3, at, b"/photos/caf\xe9.jpg", "d" * 64, "silk", "/o/3.png", "e" * 64, "{not json", None),
            (4, at, None, "f" * 64, "tweed", "/o/4.png", "9" * 64, '{"safety": {"root_sha256": 5}}', None),
        ],
    )
    before = sqlite3.connect(path)
    was = before.execute(
        "SELECT id, created, photo, prompt, output, receipt, batch FROM entries ORDER BY id"
    ).fetchall()
    before.close()
    with History(path) as history:
        assert history.notes == ()
        raw = history._db.conn
        raw.text_factory = str
        now = raw.execute(
            "SELECT id, created, photo, prompt, output, receipt, batch FROM entries ORDER BY id"
        ).fetchall()
        assert now == was
        assert [(e.id, e.parent, e.root[0]) for e in history.list()] == [
            (4, None, "f"), (3, None, "d"), (2, 1, "a"), (1, None, "a")
        ]  # fmt: skip
        assert ids(history.list(text="velv")) == [1]
        assert ids(history.list(text="anna")) == [1]
        assert ids(history.list(where=Filter(root="a" * 64))) == [2, 1]
        assert ids(history.list(where=Filter(batch="b1", zone="top"))) == [1]
        history.tag([1, 2, 3, 4], add=["all"])
        history.trash([3])
        raw.execute("INSERT INTO entries_text (entries_text) VALUES ('integrity-check')")
        raw.commit()
        assert ids(history.list(where=Filter(tags=("all",)))) == [4, 2, 1]
    with History(path) as again:
        assert again.count() == 3


def test_many_rows_of_version_1_come_along(tmp_path):
    path = tmp_path / "history.db"
    receipt = '{"safety": {"root_sha256": "' + "a" * 64 + '"}, "rest": "' + "x" * 3000 + '"}'
    old_file(
        path,
        (
            (n, START.isoformat(), "/p.jpg", f"{n % 50:064x}", "velvet coat", f"/o/{n}.png", f"{n:064x}", receipt, None)
            for n in range(1, 5001)
        ),
    )
    with History(path) as history:
        assert history.count(text="velvet") == 5000
