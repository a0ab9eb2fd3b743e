"""Entries, pages and search: what was recorded comes back, in order, whatever a user types."""

import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.entry import Record
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import search_query
from tests.store.jobs import plan, record, write_one

ROWS = 10_000
WORDS = [
    *(
        "navy",
        "linen",
        "velvet",
        "velour",
        "wool",
        "silk",
        "shirt",
        "dress",
        "coat",
        "tartan",
        "gingham",
        "crème",
        "Köper",
    ),
    *("丝绸", "oversized", "don't", "polka-dot", "leather", "black", "white", "red", "1950s", "t-shirt"),
]


class OnDisk:
    """What History._insert wants of a file, without one."""

    def __init__(self, final: Path) -> None:
        self.role, self.part, self.final, self.sha256 = "output", final, final, "1" * 64


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A history of 10,000 rows with known prompts."""
    rng = random.Random(1)
    history = History(tmp_path_factory.mktemp("full") / "history.db")
    prompts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(ROWS)]
    with history._write() as connection:
        for number, prompt in enumerate(prompts, start=1):
            batch = f"b{number % 7}" if number % 3 == 0 else None
            files = {"output": OnDisk(Path(f"/out/{number}.png"))}
            history._insert(connection, number, datetime.now(UTC).isoformat(), record(prompt, number, batch), files)
        connection.execute("UPDATE entries SET state = 'done'")
    yield history, prompts
    history.close()


def test_what_was_recorded_comes_back(tmp_path):
    with History(tmp_path / "history.db") as history:
        planned = plan(tmp_path / "out", "r")
        entry_id = history.begin(planned)
        staged = [writing.stage(b"x", place) for place in planned]
        written = Record(
            Path("/photos/me.jpg"), "a" * 64, "navy coat", "outer", "fabric", "mediapipe", 2**63 + 5,
            {"gates": {"nsfw": 0.1}, "text": "ü"}, "batch-1", "coats",
        )  # fmt: skip
        history.commit(entry_id, written, staged, thumbnail=b"webp")
        assert history.get(entry_id) is None, "what is not in its place does not show"
        assert history.list() == ()
        assert history.count() == 0
        for file in staged:
            writing.publish(file)
        history.finish(entry_id)
        entry = history.get(entry_id)
        assert entry is not None
        assert (entry.prompt, entry.zone, entry.engine, entry.segmenter) == (
            "navy coat",
            "outer",
            "fabric",
            "mediapipe",
        )
        assert entry.photo == Path("/photos/me.jpg")
        assert entry.seed == 2**63 + 5
        assert entry.receipt == {"gates": {"nsfw": 0.1}, "text": "ü"}
        assert (entry.batch, entry.outfit) == ("batch-1", "coats")
        assert [entry.output, entry.mask, entry.receipt_file] == [place.final for place in planned]
        assert entry.output_sha256 == staged[0].sha256
        assert abs((datetime.now(UTC) - entry.created).total_seconds()) < 60
        assert history.thumbnail(entry_id) == b"webp"
        assert history.latest_for(tmp_path / "out" / ".." / "out" / "r.png") == entry
    with History(tmp_path / "history.db") as again:
        assert again.get(entry_id) == entry
        assert again.get(entry_id + 1) is None
        assert again.thumbnail(entry_id + 1) is None
        assert again.notes == ()


def test_ids_grow_even_after_jobs_that_came_to_nothing(tmp_path):
    with History(tmp_path / "history.db") as history:
        seen = []
        for number in range(4):
            history.abandon(history.begin(plan(tmp_path / "out", "gone")), writing)
            seen.append(write_one(history, tmp_path / "out", f"r{number}", number))
        assert seen == sorted(set(seen))
        assert seen[0] > 1


def test_an_older_result_at_the_same_place_is_marked_and_keeps_its_receipt(tmp_path):
    with History(tmp_path / "history.db") as history:
        first = write_one(history, tmp_path, "r", 1)
        second = write_one(history, tmp_path, "r", 2)
        old, new = history.get(first), history.get(second)
        assert (old.state, old.replaced_by, old.receipt["seed"]) == ("replaced", second, 1)
        assert (new.state, new.replaced_by) == ("done", None)
        assert history.latest_for(tmp_path / "r.png").id == second
        assert history.count() == 2


def test_a_name_that_is_not_text_comes_back_as_it_was(tmp_path):
    odd = Path("/photos") / b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    with History(tmp_path / "history.db") as history:
        planned = plan(tmp_path, "r")
        entry_id = history.begin(planned)
        staged = [writing.stage(b"x", place) for place in planned]
        bad_text = Record(odd, "a" * 64, "velvet \ud800 \0 coat", "top", "fabric", "test", 1)
        history.commit(entry_id, bad_text, staged)
        for file in staged:
            writing.publish(file)
        history.finish(entry_id)
        assert history.get(entry_id).photo == odd
        assert [entry.id for entry in history.list(text="coat")] == [entry_id]


@pytest.mark.parametrize("wrong", ["no output", "another part", "another role", "twice"])
def test_commit_takes_what_begin_named_and_nothing_else(tmp_path, wrong):
    with History(tmp_path / "history.db") as history:
        planned = plan(tmp_path, "r")
        entry_id = history.begin(planned)
        staged = [writing.stage(b"x", place) for place in planned]
        if wrong == "no output":
            staged = staged[1:]
        elif wrong == "another part":
            staged[0] = writing.stage(b"x", tmp_path / "r.png")
        elif wrong == "another role":
            staged[1] = writing.Staged("extra", staged[1].part, staged[1].final, staged[1].sha256, 1)
        else:
            history.commit(entry_id, record(), staged)
        with pytest.raises(ValueError):  # noqa: PT011 - each way has its own words
            history.commit(entry_id, record(), staged)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(150, 500))
def test_pages_together_are_everything_once_newest_first(full, size):
    history, _ = full
    ids = [entry.id for page in history.pages(size=size) for entry in page]
    assert ids == list(range(ROWS, 0, -1))


@settings(max_examples=100, deadline=None)
@given(before=st.integers(-5, ROWS + 5), limit=st.integers(1, 500))
def test_a_page_is_what_lies_before(full, before, limit):
    history, _ = full
    expected = list(range(min(before - 1, ROWS), 0, -1))[:limit]
    assert [entry.id for entry in history.list(before=before, limit=limit)] == expected


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(st.sampled_from([w for w in WORDS if w.isascii() and w.isalnum()]), min_size=1, max_size=3),
    cut=st.integers(1, 8),
    before=st.one_of(st.none(), st.integers(1, ROWS)),
)
@pytest.mark.slow
def test_search_finds_every_prompt_with_every_beginning(full, words, cut, before):
    history, prompts = full
    typed = [word[:cut] for word in words]

    def matches(prompt: str) -> bool:
        parts = (
            prompt.lower()
            .replace("-", " ")
            .replace("'", " ")
            .replace("crème", "creme")
            .replace("köper", "koper")
            .split()
        )
        return all(any(part.startswith(word) for part in parts) for word in typed)

    expected = [i for i in range(ROWS, 0, -1) if matches(prompts[i - 1]) and (before is None or i < before)]
    found = [entry.id for entry in history.list(text=" ".join(typed), limit=500, before=before)]
    assert found == expected[:500]
    if before is None:
        assert history.count(text=" ".join(typed)) == len(expected)


def test_search_knows_accents_other_scripts_and_hyphens(full):
    history, prompts = full
    for typed, word in (
        ("creme", "crème"),
        ("KOPER", "Köper"),
        ("丝绸", "丝绸"),
        ("polka-dot", "polka-dot"),
        ("don't", "don't"),
    ):
        assert history.count(text=typed) == sum(word in prompt.split() for prompt in prompts) > 0


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=40))
@example('"')
@example('velvet" OR "1')
@example("NEAR(navy linen)")
@example("prompt : navy")
@example("-navy ^linen *")
@example("\0navy\0")
@example("\ud800")
@example("(((")
@example("%_%")
def test_nothing_that_is_typed_breaks_the_search(full, text):
    history, _ = full
    assert history.count(text=text) >= 0
    assert len(history.list(text=text, limit=3)) <= 3


def test_words_without_letters_find_nothing_and_no_words_find_all(full):
    history, _ = full
    assert search_query(' "" * - ') == ""
    assert history.list(text=' "" * - ') == ()
    assert history.count(text="***") == 0
    assert history.count(text="   ") == ROWS == history.count()


def test_a_batch_can_be_listed_alone(full):
    history, prompts = full
    expected = [i for i in range(ROWS, 0, -1) if i % 3 == 0 and i % 7 == 2]
    ids = [entry.id for page in history.pages(size=100, batch="b2") for entry in page]
    assert ids == expected
    with_word = [i for i in expected if "velvet" in prompts[i - 1].split()]
    assert [entry.id for entry in history.list(text="velvet", batch="b2", limit=500)] == with_word


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_sensible_size(full, limit):
    with pytest.raises(UsageProblem):
        full[0].list(limit=limit)


def test_pages_read_no_more_than_they_show(full):
    history, _ = full
    plans = []
    for text in ("", "velvet"):
        history._db.conn.set_trace_callback(plans.append)
        history.list(before=ROWS // 2, limit=60, text=text)
        history._db.conn.set_trace_callback(None)
        query = next(statement for statement in plans if statement.startswith("SELECT entries."))
        steps = [row[3] for row in history._db.conn.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert not [step for step in steps if "TEMP B-TREE" in step], steps
        assert not [step for step in steps if step == "SCAN entries"], steps


def test_files_are_as_measured(tmp_path):
    with History(tmp_path / "history.db"):
        pass
    for name, size in (("history.db", 8192), ("thumbs.db", 16384)):
        connection = sqlite3.connect(tmp_path / name)
        assert connection.execute("PRAGMA page_size").fetchone()[0] == size
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        connection.close()
