"""Mutation score of `safety/`: a seeded sample of small changes to its code, each of which a test should notice.

    git clone . COPY && cd COPY                     # files are changed here, one at a time, and put back
    printf '[run]\\nbranch = True\\nsource = outfitswap_desktop/safety\\ndynamic_context = test_function\\n' > RC
    PYTHONPATH=. python -m coverage run --rcfile RC --data-file DATA -m pytest tests/safety
    uv run --with cosmic-ray==8.7.0 --with coverage python -m tests.benchmarks.mutation COPY DATA [--number 300]

The changes are cosmic-ray's (comparisons, numbers, and/or, not, True/False, arithmetic, handlers, loops) and two more:
a `raise` taken out, a `return` that returns None. Annotations are left alone. Places are drawn at random, at least
`--least` in every module, the rest in proportion to its size; one change is drawn for each place. DATA says which test
reaches which line: a change runs against the tests that reach it, those named after its module first, until one fails.
What no test noticed within the time counts as survived, whether or not a longer search would have found it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOM = "outfitswap_desktop/safety"
LEFT_OUT = ("RemoveDecorator", "Variable", "NoOp")
"""Mutators that only break (decorators), that need arguments, or that change nothing."""

HEAVY = """
    numpy cv2 scipy.ndimage scipy.spatial PIL.Image PIL.ImageCms PIL.ImageDraw skimage.data onnxruntime rapidfuzz.process
    confusable_homoglyphs.confusables ahocorasick sqlite3 sqlite_utils hypothesis typer rich.progress
    cryptography.x509 cryptography.hazmat.primitives.asymmetric.ed25519 outfitswap_desktop.core.pipeline
"""
"""What the tests import, once for all of them."""


@dataclass(frozen=True)
class Change:
    """One mutation: the `occurrence`-th place where `operator` applies in `module` (a path below the copy)."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int
    first_line: int
    in_function: bool

    @property
    def place(self) -> tuple[int, int, str]:
        return self.line, self.column, self.operator.split("_")[0]


def operators() -> dict[str, Any]:
    """cosmic-ray's operators by name, and our two."""
    import cosmic_ray.plugins
    import parso
    from cosmic_ray.operators.operator import Operator

    def taken_for(node: Any, code: str) -> Any:
        leaf = parso.parse(code).children[0]
        leaf.get_first_leaf().prefix = node.get_first_leaf().prefix
        return leaf

    class RemoveRaise(Operator):  # type: ignore[misc]
        def mutation_positions(self, node: Any) -> Iterator[Any]:
            if node.type == "raise_stmt" or (node.type == "keyword" and node.value == "raise" and plain(node)):
                yield node.start_pos, node.end_pos

        def mutate(self, node: Any, index: int) -> Any:
            return taken_for(node, "pass")

        @classmethod
        def examples(cls) -> tuple[()]:
            return ()

    class ReturnNone(Operator):  # type: ignore[misc]
        def mutation_positions(self, node: Any) -> Iterator[Any]:
            if node.type == "return_stmt" and node.children[1].get_code().strip() != "None":
                yield node.start_pos, node.end_pos

        def mutate(self, node: Any, index: int) -> Any:
            return taken_for(node, "return None")

        @classmethod
        def examples(cls) -> tuple[()]:
            return ()

    def plain(node: Any) -> bool:
        return node.parent is not None and node.parent.type == "simple_stmt"

    found = {}
    for name in sorted(cosmic_ray.plugins.operator_names()):
        made = cosmic_ray.plugins.get_operator(name)
        short = name.split("/")[-1]
        if not made.arguments() and not short.startswith(LEFT_OUT):
            found[short] = made()
    return found | {"RemoveRaise": RemoveRaise(), "ReturnNone": ReturnNone()}


def is_annotation(node: Any) -> bool:
    """Whether the node lies in the annotation of a variable, a parameter or a function's result."""
    while node.parent is not None:
        parent = node.parent
        at = parent.children.index(node)
        before = parent.children[at - 1].get_code().strip() if at else ""
        if (parent.type in ("annassign", "tfpdef") and before == ":") or (parent.type == "funcdef" and before == "->"):
            return True
        node = parent
    return False


def changes_of(copy: Path, module: str, known: dict[str, Any]) -> list[Change]:
    """Every change that can be made to one module."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path

    tree, found = get_ast_from_path(copy / module), []
    for name, operator in known.items():
        occurrence = -1
        for node in ast_nodes(tree):
            for (line, column), _ in operator.mutation_positions(node):
                occurrence += 1
                if is_annotation(node) or "TYPE_CHECKING" in node.get_code():
                    continue
                statement, inside = node, False
                while statement.parent is not None and not statement.type.endswith(("_stmt", "funcdef", "classdef")):
                    statement = statement.parent
                above = node
                while above is not None:
                    inside, above = inside or above.type in ("funcdef", "lambdef"), above.parent
                found.append(Change(module, name, occurrence, line, column, statement.start_pos[0], inside))
    return found


def drawn(
    copy: Path, changes: list[Change], known: dict[str, Any], *, number: int, least: int, seed: int
) -> list[Change]:
    """A sample: at least `least` places of every module, the rest in proportion to the places it has; one change per place.

    A place where nothing compiles (cosmic-ray takes the star before keyword-only parameters for arithmetic) is passed over.
    """
    chance = random.Random(seed)
    places: dict[str, dict[tuple[int, int, str], list[Change]]] = {}
    for change in changes:
        places.setdefault(change.module, {}).setdefault(change.place, []).append(change)
    total = sum(map(len, places.values()))
    taken: list[Change] = []
    for module in sorted(places):
        share = max(least, round(number * len(places[module]) / total))
        mine: list[Change] = []
        for place in chance.sample(sorted(places[module]), len(places[module])):
            if len(mine) == share:
                break
            change = chance.choice(places[module][place])
            if compiles(copy, change, known):
                mine.append(change)
        taken += mine
    chance.shuffle(taken)
    return taken


def compiles(copy: Path, change: Change, known: dict[str, Any]) -> bool:
    """Whether the changed module is Python at all."""
    from cosmic_ray.mutating import mutate_code

    before = (copy / change.module).read_text("utf-8")
    after = mutate_code(before, known[change.operator], change.occurrence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            compile(after, change.module, "exec")
    except SyntaxError:
        return False
    return bool(after != before)


class Reach:
    """Which tests reach which line, from a coverage file with contexts."""

    def __init__(self, file: Path, copy: Path) -> None:
        from coverage import CoverageData

        data = CoverageData(basename=str(file))
        data.read()
        self._copy = copy
        self._lines: dict[str, dict[int, set[str]]] = {}
        self._weight: Counter[str] = Counter()
        for name in data.measured_files():
            lines = {}
            for line, contexts in data.contexts_by_lineno(name).items():
                lines[line] = {node for one in contexts if one and (node := self._node(one))}
                self._weight.update(lines[line])
            self._lines[ROOM + Path(name).as_posix().split(ROOM)[-1]] = lines

    def _node(self, context: str) -> str:
        parts = context.split(".")
        for end in range(len(parts) - 1, 0, -1):
            if (self._copy / Path(*parts[:end]).with_suffix(".py")).is_file():
                return "::".join((Path(*parts[:end]).with_suffix(".py").as_posix(), *parts[end:]))
        return ""

    def tests(self, change: Change) -> list[str]:
        """Tests for one change: those of its line, else of its module; then its own files, for what ran once and was kept."""
        lines = self._lines.get(change.module, {})
        found: set[str] = set()
        if change.in_function:
            for line in range(change.first_line, change.line + 1):
                found |= lines.get(line, set())
        if not found:
            found = set().union(*lines.values()) if lines else set()
        stem = Path(change.module).stem
        rooms = self._copy / "tests/safety"
        own = [path.relative_to(self._copy).as_posix() for path in sorted(rooms.rglob(f"test_{stem}*.py"))]
        return self._first(found, stem) + own

    def _first(self, found: set[str], stem: str) -> list[str]:
        return sorted(found, key=lambda node: (stem not in node.split("::")[0], self._weight[node], node))


def tried(change: Change, copy: Path, tests: list[str], *, seconds: float) -> dict[str, Any]:
    """Make the change, run the tests until one fails, put the file back (with its time, so that compiled files hold)."""
    from cosmic_ray.mutating import mutate_code

    path = copy / change.module
    before, times = path.read_text("utf-8"), path.stat()
    after = mutate_code(before, operators()[change.operator], change.occurrence)
    row: dict[str, Any] = {**vars(change), "diff": difference(before, after), "tests": len(tests)}
    if not tests:
        return row | {"outcome": "survived", "why": "no test reaches it"}
    said, began = copy / ".mutation-output", time.monotonic()
    try:
        path.write_text(after, "utf-8")
        code = forked(tests, said, seconds=seconds)
    finally:
        path.write_text(before, "utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    lines = said.read_text("utf-8", "replace").splitlines()
    why = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), " ".join(lines[-2:])[-200:])
    said.unlink()
    if code is None:
        outcome, why = "survived", "no test failed within the time"
    else:
        outcome = "survived" if code == 0 else "killed" if code < 3 or why.startswith("ERROR tests") else "error"
    return row | {"outcome": outcome, "why": why, "seconds": round(time.monotonic() - began, 1)}


def forked(tests: list[str], said: Path, *, seconds: float) -> int | None:
    """Run pytest in a child that has HEAVY already, but nothing of `safety/`: its exit code, None when too late."""
    child = os.fork()
    if not child:
        os.setsid()
        with said.open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        code = 3
        try:
            import pytest

            options = (
                "-x",
                "-n0",  # one process: it is forked for every change
                "-q",
                "-p",
                "no:cacheprovider",
                "--timeout",
                "60",
                "--no-header",
                "--tb=line",
            )
            code = int(pytest.main([*options, *tests]))
            sys.stdout.flush()
        finally:
            os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def preloaded() -> None:
    """What every run would import anew; nothing of `safety/`, which is what changes."""
    for name in HEAVY.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert not any("outfitswap_desktop.safety" in name for name in sys.modules)


def difference(before: str, after: str) -> str:
    """The changed lines, old and new."""
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def place_of(row: dict[str, Any]) -> tuple[str, str, int]:
    """What tells one change from another in the rows."""
    return row["module"], row["operator"], row["occurrence"]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("copy", type=Path)
    asked.add_argument("data", type=Path)
    asked.add_argument("--number", type=int, default=300)
    asked.add_argument("--least", type=int, default=2)
    asked.add_argument("--seed", type=int, default=3)
    asked.add_argument("--seconds", type=float, default=120)
    asked.add_argument("--only", default="", help="modules whose path holds this")
    asked.add_argument("--again", type=Path, help="rows written before: the survivors among them are tried again")
    asked.add_argument("--also", nargs="*", default=[], help="test files that DATA does not know yet; they run first")
    asked.add_argument("--rows", type=Path, default=Path("mutation.jsonl"))
    chosen = asked.parse_args()
    copy = chosen.copy.resolve()
    reach = Reach(chosen.data, copy)
    if chosen.again:
        kept = [json.loads(line) for line in chosen.again.read_text("utf-8").splitlines()]
        names = Change.__dataclass_fields__
        sample = [Change(**{name: row[name] for name in names}) for row in kept if row["outcome"] != "killed"]
    else:
        modules = sorted(path.relative_to(copy).as_posix() for path in (copy / ROOM).rglob("*.py"))
        known = operators()
        changes = [change for module in modules if chosen.only in module for change in changes_of(copy, module, known)]
        sample = drawn(copy, changes, known, number=chosen.number, least=chosen.least, seed=chosen.seed)
        print(
            f"{len(changes)} changes, {len({(c.module, *c.place) for c in changes})} places, {len(sample)} drawn",
            flush=True,
        )
    rows_file = chosen.rows.resolve()
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path.insert(0, str(copy))
    preloaded()
    sys.dont_write_bytecode = False  # the tests are compiled once, the changed modules every time
    forked(["--collect-only", "tests/safety"], copy / ".mutation-output", seconds=600)
    sys.dont_write_bytecode = True
    counted: Counter[str] = Counter()
    done = {}
    if rows_file.exists():  # taken up where it was left
        done = {place_of(row): row for row in map(json.loads, rows_file.read_text("utf-8").splitlines())}
    with rows_file.open("a", encoding="utf-8") as rows:
        for change in sample:
            known_row = done.get(place_of(vars(change)))
            if known_row is not None:
                counted[known_row["outcome"]] += 1
                continue
            row = tried(change, copy, [*chosen.also, *reach.tests(change)], seconds=chosen.seconds)
            counted[row["outcome"]] += 1
            rows.write(json.dumps(row) + "\n")
            rows.flush()
            if row["outcome"] != "killed":
                print(f"{row['outcome']} {change.module}:{change.line} {row['why']}\n{row['diff']}", flush=True)
    print(dict(counted), f"score {counted['killed'] / max(1, sum(counted.values())):.1%}")


if __name__ == "__main__":
    main()
