"""Compares the window's texts with its catalogues: uv run python docs/translations.py [--fill].

Every literal of tr() and QCoreApplication.translate() in ui/ and app.py, the terms' summary, and some buttons of Qt itself must
stand in each of resources/translations/*.json, with the same {placeholders}, and nothing else. `--fill` takes unknown texts out
and adds missing ones as empty ones, to be translated; what is empty counts as missing. `--missing CODE` prints those as JSON.
"""

import argparse
import ast
import json
import string
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "outfitswap_desktop"
CATALOGUES = ROOT / "resources" / "translations"
CODES = ("de", "es", "ja", "zh")
QT_TEXTS = (
    *("OK", "&OK", "Cancel", "&Cancel", "Close", "&Close", "Save", "&Save", "Discard", "Apply", "Reset", "Help"),
    *("&Yes", "&No", "Open", "Retry", "Ignore", "Abort", "Restore Defaults", "Don't Save"),
    *("&Undo", "&Redo", "Cu&t", "&Copy", "&Paste", "Delete", "Select All", "Paste"),
    *("Ctrl", "Shift", "Look in:", "Files of type:"),
)
"""Buttons and menus that Qt's own dialogs and text fields bring along."""
FROM_ELSEWHERE = ("Terms", "Reproduction", "Preset")
"""Contexts whose texts are no literals of the call: the terms' summary and the presets' names, read from their files, and

what a bare say() is given.
"""


@dataclass
class Found:
    """The texts of the sources: each with the places (file:line) where it stands, and calls whose text is not a literal."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    computed: list[str] = field(default_factory=list)


def extract(root: Path = ROOT) -> Found:
    """Read the sources and list what is to be translated."""
    found = Found()
    for path in [*sorted((root / "ui").rglob("*.py")), root / "app.py"]:
        if path.is_file():
            _read(path, root, found)
    summary = root / "resources" / "texts" / "first-run.txt"
    if summary.is_file():
        for line in summary.read_text(encoding="utf-8").splitlines():
            found.texts.setdefault(line.strip(" -"), []).append("resources/texts/first-run.txt")
    presets = root / "resources" / "presets" / "presets.toml"
    if presets.is_file():
        for preset in tomllib.loads(presets.read_text(encoding="utf-8"))["preset"]:
            found.texts.setdefault(preset["name"], []).append("resources/presets/presets.toml")
    for text in QT_TEXTS:
        found.texts.setdefault(text, []).append("Qt")
    return found


def _read(path: Path, root: Path, found: Found) -> None:
    where = path.relative_to(root).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        # super().translate and a QTranslator's own method have other arguments; the ones that count are two literals
        position = {"tr": 0, "QT_TR_NOOP": 0, "QT_TRANSLATE_NOOP": 1, "translate": 1}.get(name)
        if isinstance(node.func, ast.Name) and name == "say":
            position = 0
        if position is None or len(node.args) <= position:
            continue
        argument = node.args[position]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            if argument.value:
                found.texts.setdefault(argument.value, []).append(f"{where}:{node.lineno}")
        elif name == "tr" or (isinstance(node.args[0], ast.Constant) and node.args[0].value not in FROM_ELSEWHERE):
            found.computed.append(f"{where}:{node.lineno}")


def placeholders(text: str) -> set[str]:
    """The {names} and %1 marks in a text; raises ValueError when its braces do not match."""
    names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    return names | {f"%{digit}" for digit in "123456789n" if f"%{digit}" in text}


def problems(code: str, texts: dict[str, list[str]], document: dict) -> list[str]:
    """What is wrong with one catalogue, a line each."""
    said = document.get("texts", {})
    wrong = []
    if document.get("language") != code or document.get("machine_made") not in (True, False):
        wrong.append(f"{code}: the head names another language, or does not say who made it")
    wrong += [f"{code}: missing: {text!r} ({texts[text][0]})" for text in texts if not said.get(text)]
    for key, translation in said.items():
        source = key.partition("|")[2] if key not in texts and "|" in key else key
        if source not in texts:
            wrong.append(f"{code}: nobody says: {key!r}")
        elif translation:
            try:
                same = placeholders(source) == placeholders(translation)
            except ValueError:
                same = False
            if not same:
                wrong.append(f"{code}: other placeholders: {key!r} -> {translation!r}")
    return wrong


def load(code: str) -> dict:
    """One catalogue's document; an empty one when there is no file yet."""
    path = CATALOGUES / f"{code}.json"
    if not path.is_file():
        return {"language": code, "machine_made": True, "texts": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def save(code: str, document: dict, texts: dict[str, list[str]]) -> None:
    """Write a catalogue, its texts in alphabetical order, without those that nobody says."""
    said = document.get("texts", {})
    kept = {key: value for key, value in said.items() if key in texts or key.partition("|")[2] in texts}
    document["texts"] = dict(sorted({**dict.fromkeys(texts, ""), **kept}.items()))
    CATALOGUES.mkdir(parents=True, exist_ok=True)
    written = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    (CATALOGUES / f"{code}.json").write_text(written, encoding="utf-8")


def main() -> int:
    """Report, or fill; the exit code is 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fill", action="store_true", help="drop unknown texts, add missing ones as empty")
    parser.add_argument("--missing", metavar="CODE", choices=CODES, help="print what is to be translated, as JSON")
    asked = parser.parse_args()
    found = extract()
    if asked.missing:
        said = load(asked.missing).get("texts", {})
        missing = {text: "" for text in found.texts if not said.get(text)}
        sys.stdout.write(json.dumps(missing, ensure_ascii=False, indent=1) + "\n")
        return 0
    wrong = [f"a text that is not a literal: {place}" for place in found.computed]
    for code in CODES:
        document = load(code)
        if asked.fill:
            save(code, document, found.texts)
        wrong += problems(code, found.texts, document)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{len(found.texts)} texts, {len(wrong)} problems\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
