"""The history at a million rows: `python -m tests.benchmarks.history [ROWS] [--folder DIR] [--keep]`.

Builds the rows by bulk insert in a scratch folder, then measures first page, pages with filters, search, insert (the entry
itself, synced: the transaction of `commit`), what a whole job writes (begin, commit, finish; synced twice) and open (a new
connection, migration check included). Prints medians and p95 as JSON.
"""

import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from outfitswap_desktop.store.entry import Record
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter

START = datetime(2024, 1, 1, tzinfo=UTC)
COMMON = (
    "navy", "black", "white", "red", "linen", "cotton", "wool", "silk", "velvet", "denim", "shirt", "dress", "coat", "jacket",
    "skirt", "striped", "checked", "floral", "oversized", "tailored", "long", "short", "sleeved", "buttoned", "soft", "with",
)  # fmt: skip
TAGS = [f"tag {number}" for number in range(40)]
RECEIPT = {"gates": {f"gate{n}.score": 0.123 for n in range(40)}, "versions": {f"lib{n}": "1.2.3" for n in range(12)}}


@dataclass(frozen=True, slots=True)
class Place:
    """A file's place, as begin and commit take it."""

    role: str
    part: Path
    final: Path
    sha256: str


def fill(history: History, rows: int) -> None:
    """`rows` finished entries: 1 in 20 starred, 1 in 10 tagged, 1 in 100 in the trash, 1 in 4 made from an earlier result."""
    rng = random.Random(1)
    rare = [f"{a}{b}{n}" for n in range(40) for a in ("bri", "vel", "cha", "tul") for b in ("dal", "our", "mois", "le")]
    with history._write() as connection:
        connection.executemany(
            "INSERT INTO tags (id, name, folded) VALUES (?, ?, ?)", [(n + 1, name, name) for n, name in enumerate(TAGS)]
        )
    receipt = json.dumps(RECEIPT)
    at = 1
    while at <= rows:
        until = min(at + 20_000, rows + 1)
        values, tagged = [], []
        for number in range(at, until):
            prompt = " ".join([*rng.choices(COMMON, k=12), *rng.choices(rare, k=2)])
            tag = rng.randrange(len(TAGS)) + 1 if rng.random() < 0.1 else None
            parent = rng.randrange(1, number) if number > 1 and rng.random() < 0.25 else None
            photo = f"{parent:064x}" if parent else f"{10**9 + number // 20:064x}"
            made = (START + timedelta(seconds=60 * number)).isoformat(timespec="milliseconds")
            if tag:
                tagged.append((number, tag))
            values.append((
                number, made, "done", f"/photos/IMG_{number // 20:06d}.jpg", photo, prompt,
                rng.choice(("top", "dress", "outer")),
                "fabric" if rng.random() < 0.6 else "sdxl", "mediapipe",
                f"/results/{number}.png", f"{number:064x}", str(number),
                receipt, f"{number:032x}", parent, rng.random() < 0.05,
                made if rng.random() < 0.01 else None, f"\ue000t{tag}" if tag else "",
            ))  # fmt: skip
        with history._write() as connection:
            connection.executemany(
                "INSERT INTO entries (id, created, state, photo, photo_sha256, prompt, zone, engine, segmenter, output, "
                "output_sha256, seed, receipt, job, parent, starred, trashed, tag_words) "
                f"VALUES ({', '.join('?' * 18)})",
                values,
            )
            connection.executemany("INSERT INTO entry_tags (entry_id, tag_id) VALUES (?, ?)", tagged)
        at = until
    with history._write() as connection:
        connection.execute("INSERT OR REPLACE INTO sqlite_sequence (name, seq) VALUES ('journal', ?)", (rows,))


def clocked(work, times: int) -> dict[str, float]:
    """Milliseconds on the wall, and on the processor in the middle."""
    wall, cpu = [], []
    for number in range(times):
        began, began_cpu = time.perf_counter(), time.process_time()
        work(number)
        wall.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - began_cpu) * 1e3)
    wall.sort()
    return {
        "median_ms": round(statistics.median(wall), 3),
        "p95_ms": round(wall[int(len(wall) * 0.95)], 3),
        "cpu_median_ms": round(statistics.median(cpu), 3),
    }


def insert(history: History, folder: Path, number: int) -> float:
    """Begin, commit and finish one job; returns the milliseconds that `commit` took."""
    places = [
        Place(role, folder / f".{number}.{role}.part", folder / f"{number}.{role}", f"{number:064x}")
        for role in ("output", "mask", "receipt")
    ]
    entry_id = history.begin(places)
    record = Record(
        folder / "photo.jpg", "e" * 64, "navy velvet coat with soft lining", "outer", "fabric", "mediapipe", number, RECEIPT,
        job=f"job{number}",
    )  # fmt: skip
    began = time.perf_counter()
    history.commit(entry_id, record, places)
    seconds = time.perf_counter() - began
    history.finish(entry_id)
    return seconds * 1e3


def measure(history: History, folder: Path, rows: int) -> dict[str, dict[str, float]]:
    rng = random.Random(2)
    middle = START + timedelta(seconds=60 * rows // 2)
    typed = [
        "velour1",
        "navy",
        "n",
        "navy vel",
        "s",
        "linen shirt striped",
        "chamois7",
        "don't",
        "IMG_0000",
        "tag 7",
        "v",
    ]
    filters = {
        "starred": Filter(starred=True),
        "tag": Filter(tags=("tag 7",)),
        "zone and engine": Filter(zone="dress", engine="sdxl"),
        "nothing has it": Filter(zone="full"),
        "star, tag, search": Filter(text="vel", starred=True, tags=("tag 7",)),
        "star, tag, zone, engine, search": Filter(
            text="navy linen", starred=True, tags=("tag 3",), zone="top", engine="sdxl"
        ),
        "a week in the middle": Filter(since=middle, until=middle + timedelta(days=7)),
        "a week in the middle, search": Filter(text="navy", since=middle, until=middle + timedelta(days=7)),
        "trash": Filter(trashed=True),
        "root": Filter(root=f"{10**9 + 7:064x}"),
    }
    found = {
        "first page of 60": clocked(lambda _: history.list(limit=60), 100),
        "first page of 200": clocked(lambda _: history.list(limit=200), 60),
        "any page of 200": clocked(lambda _: history.list(before=rng.randrange(1, rows), limit=200), 60),
        "search": clocked(lambda n: history.list(text=typed[n % len(typed)], limit=60), 110),
        "by job": clocked(lambda _: history.by_job(f"{rng.randrange(1, rows):032x}"), 60),
        "count all": clocked(lambda _: history.count(), 10),
        "count up to 10,000 of a search": clocked(lambda _: history.count(text="navy", most=10_000), 10),
        "all tags": clocked(lambda _: history.all_tags(), 10),
        "star and back": clocked(lambda n: history.star([rng.randrange(1, rows)], n % 2 == 0), 60),
    }
    for name, wanted in filters.items():
        found[f"page of 60: {name}"] = clocked(lambda _, wanted=wanted: history.list(limit=60, where=wanted), 40)
    for word in typed:
        found[f"search {word!r}"] = clocked(lambda _, word=word: history.list(text=word, limit=60), 20)
    commits: list[float] = []
    base = time.time_ns()
    found["a job's three"] = clocked(lambda number: commits.append(insert(history, folder, base + number)), 600)
    commits.sort()
    found["insert"] = {
        "median_ms": round(statistics.median(commits), 3),
        "p95_ms": round(commits[int(len(commits) * 0.95)], 3),
    }
    return found


def main() -> None:
    args = sys.argv[1:]
    place = Path(args.pop(args.index("--folder") + 1)) if "--folder" in args else None
    rows = next((int(one) for one in args if one.isdigit()), 1_000_000)
    folder = place if place is not None else Path(tempfile.mkdtemp())
    file = folder / "history.db"
    if not file.exists():
        began = time.perf_counter()
        with History(file) as history:
            fill(history, rows)
        print(f"built {rows} rows in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    with History(file) as history:
        found = measure(history, folder, rows)
    found["open"] = clocked(lambda _: History(file).close(), 30)
    print(json.dumps({"rows": rows, "megabytes": file.stat().st_size >> 20, "figures": found}, indent=1))
    if "--keep" not in args and place is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
