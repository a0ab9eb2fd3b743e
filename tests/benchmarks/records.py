"""What keeping records costs: `python -m tests.benchmarks.records [FOLDER] [ENTRIES]`, on the disk that FOLDER is on.

The disk's own share is told by a bare SQLite commit with the same settings, measured in turns with ours.
"""

import os
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from outfitswap_desktop.safety.records import schema
from outfitswap_desktop.safety.records.consent import Consent
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.records.ledger import Ledger


def sha(number: int) -> str:
    return f"{number:064x}"


def clocked(work) -> tuple[float, float]:
    """Milliseconds on the wall and on the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def told(name: str, times: list[tuple[float, float]]) -> None:
    wall, cpu = sorted(one[0] for one in times), sorted(one[1] for one in times)
    middle, late = len(times) // 2, int(len(times) * 0.99)
    print(f"{name:34} median {wall[middle]:7.3f} ms   p99 {wall[late]:7.3f} ms   processor {cpu[middle]:6.3f} ms")


def root(number: int) -> RootEvidence:
    ring = [[[x, (x * 7 + number) % 997] for x in range(0, 600, 5)]]
    areas = dict.fromkeys(("chest_hip", "shoulders", "upper_arms", "forearms", "thighs", "knees", "shins"), ring)
    return RootEvidence(sha(number), (1000, 1000), dict.fromkeys(schema.NUDENET, 0.01), 0.02, ({"areas": areas},))


def main() -> None:
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    folder = Path(tempfile.mkdtemp(dir=place))
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
    ):
        bare.execute(statement)

    def commit() -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT INTO t (b) VALUES (?)", (b"x" * 400,))
        bare.execute("COMMIT")

    told("open", [clocked(lambda: Ledger(folder)) for _ in range(5)])
    ledger = Ledger(folder)
    told("first entry (key made)", [clocked(lambda: ledger.log({"kind": "started", "version": "0.1.0"}))])
    event = schema.decision("output", "passed", gate="skin", scores={"nsfw": 0.1, "chest_hip": 0.2}, picture=sha(1))
    ours, theirs = [], []
    for _ in range(1000):
        ours.append(clocked(lambda: ledger.log(event)))
        theirs.append(clocked(commit))
    told("entry", ours)
    told("bare SQLite commit", theirs)
    before = (folder / "safety" / "audit.db").stat().st_size
    told(
        "released",
        [clocked(lambda n=n: ledger.released(sha(n), sha(n + 10**6), b"123456", root(n))) for n in range(200)],
    )
    ledger.give(Consent(sha(1), 5, "self", datetime.now(UTC)))

    def many(writer) -> None:
        for _ in range(count - 1202):
            writer.add(event)

    ledger.audit.write(many)
    ledger.close()
    size = (folder / "safety" / "audit.db").stat().st_size
    print(f"{count} entries, {size / 1e6:.1f} MB (before the 200 releases {before / 1e6:.1f} MB)")
    again = Ledger(folder)
    told(
        "root_of, first (whole log read)",
        [clocked(lambda: again.root_of(file_sha256=sha(7**9), pixels_sha256=sha(0), mark=None))],
    )
    told(
        "root_of, known",
        [clocked(lambda: again.root_of(file_sha256=sha(9), pixels_sha256=sha(0xB), mark=None)) for _ in range(200)],
    )
    told(
        "root_of, unknown",
        [
            clocked(lambda: again.root_of(file_sha256=sha(999999), pixels_sha256=sha(0), mark=b"abcdef"))
            for _ in range(200)
        ],
    )
    told("consent_for", [clocked(lambda: again.consent_for(sha(1), 5)) for _ in range(200)])
    told("verify", [clocked(again.verify) for _ in range(5)])
    print(again.verify().sentence, "key:", again.keys.place, "load:", os.getloadavg()[0])


if __name__ == "__main__":
    main()
