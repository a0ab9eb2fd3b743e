"""A report of a problem as a ZIP that its reader sees before it is saved: what this machine is, and where the program stumbled.

Only what is known to be harmless goes in: places in our own source, kinds of errors, scores, versions. Words of the user, names
and paths are not taken out; they are never put in (but for the note, which the user writes for this).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop import paths
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.reports import make_report
from outfitswap_desktop.safety.api import archive_place, gates, publish_archive
from outfitswap_desktop.store.history import History

if TYPE_CHECKING:
    from outfitswap_desktop.engine.messages import WriteReport

NOTE: Final = "note.txt"
_TAIL: Final = 256 * 1024
_MOST_LINES: Final = 400
_PATH: Final = re.compile(r"(?:(?<=[\s(\"'])|^)(?:[A-Za-z]:)?[\\/](?=\S)[^()\n]*")
"""From where a path begins to the end of the text or of its brackets: names of folders may hold spaces."""
_STAMP: Final = re.compile(r"^--- (\d{4}-\d\d-\d\dT[\d:+Z]+)\s*$")
_FRAME: Final = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<name>[\w<>.]+)\s*$')
_ERROR: Final = re.compile(
    r"^(?P<kind>outfitswap_desktop\.(?:\w+\.)*[A-Z]\w*|(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning))(?::|$)"
)
_RECORD: Final = re.compile(r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<logger>[\w.]+):")
_OURS: Final = re.compile(r"(?:^|[\\/])(outfitswap_desktop(?:[\\/]\w+)*\.py)$")
_THEIRS: Final = re.compile(r"(?:site-packages|dist-packages|python3\.\d+)[\\/]([\w.\\/-]+\.py)$")


class Diagnostics:
    """Makes the report. What was shown last is what is saved, so that nobody saves what they have not seen."""

    def __init__(self, history: History, *, doctor: Callable[[], Mapping[str, Any]]) -> None:
        self._history = history
        self._doctor = doctor
        self._shown: tuple[int | None, dict[str, str]] | None = None

    def answer(self, request: WriteReport) -> Mapping[str, str]:
        """Member name -> text; written as a ZIP when the request has a target. Raises UsageProblem, NotAvailable."""
        if request.target is None or self._shown is None or self._shown[0] != request.entry:
            self._shown = (request.entry, self._members(request.entry))
        members = {**self._shown[1], **({NOTE: request.note} if request.note else {})}
        if request.target is not None:
            _write(members, request.target)
        return members

    def _members(self, entry: int | None) -> dict[str, str]:
        members = {
            "report.txt": make_report("problem", entry=entry)["text"],
            "machine.json": _json(_without_paths(self._doctor())),
            "gates.json": _json(
                [{"gate": g.name, "judges": g.judges, "thresholds": dict(g.thresholds)} for g in gates()]
            ),
        }
        if entry is not None:
            members["result.json"] = _json(self._result(entry))
        for log in (paths.log_file(), paths.data_dir() / "engine.log"):
            lines = list(harmless_lines(_tail(log)))
            if lines:
                members[log.name] = "\n".join(lines[-_MOST_LINES:]) + "\n"
        return members

    def _result(self, number: int) -> dict[str, Any]:
        found = self._history.get(number)
        if found is None:
            raise UsageProblem(
                f"There is no entry {number}.", reason="no_such_entry", hint="Choose one of the history."
            )
        receipt = found.receipt
        made = receipt.get("made", {})
        safety = receipt.get("safety", {})
        return {
            "created": found.created.isoformat(),
            "source": {name: receipt.get("source", {}).get(name) for name in ("sha256", "format", "size")},
            "made": {name: made.get(name) for name in ("engine", "segmenter", "zone", "person", "confidence")},
            "fallbacks": len(made.get("fallbacks", ())),
            "limits": len(made.get("limits", ())),
            "mask_fraction": receipt.get("mask", {}).get("fraction"),
            "outside_mask_changed_pixels": receipt.get("outside_mask_changed_pixels"),
            "output": {name: receipt.get("output", {}).get(name) for name in ("sha256", "format", "lossless")},
            "gates": receipt.get("gates", {}),
            "evidence": safety.get("evidence"),
            "mask_cut": len(safety.get("mask_cut", ())),
            "versions": receipt.get("versions", {}),
        }


def harmless_lines(text: str) -> Iterator[str]:
    """Of a log only when, where in which source, and what kind of error; no message, for it may quote anything."""
    for line in text.splitlines():
        if stamp := _STAMP.match(line):
            yield f"--- {stamp[1]}"
        elif frame := _FRAME.match(line):
            yield f"  {_module(frame['path'])}:{frame['line']} in {frame['name']}"
        elif record := _RECORD.match(line):
            yield f"{record['level']} {record['logger']}"
        elif error := _ERROR.match(line):
            yield error["kind"]


def _module(path: str) -> str:
    for known in (_OURS, _THEIRS):
        if found := known.search(path):
            return found[1].replace("\\", "/")
    return "(elsewhere)"


def _without_paths(value: Any) -> Any:
    """A document with every path in its texts replaced; the doctor names folders."""
    if isinstance(value, str):
        return _PATH.sub("(path)", value)
    if isinstance(value, Mapping):
        return {name: _without_paths(one) for name, one in value.items()}
    return [_without_paths(one) for one in value] if isinstance(value, list | tuple) else value


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def _write(members: Mapping[str, str], target: Path) -> None:
    with archive_place(target) as place:
        with zipfile.ZipFile(place.part, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        publish_archive(place)
