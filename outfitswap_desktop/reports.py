"""The text of a report or of a DMCA notice, filled in with what this machine knows; nothing is sent."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any, Final

from outfitswap_desktop import __version__
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.paths import resource

TEXTS: Final = {"problem": "texts/report-problem.txt", "dmca": "texts/report-dmca.txt"}


def make_report(kind: str, *, entry: int | None) -> dict[str, Any]:
    """The document of `outfitswap report --json`: `kind`, `entry`, `text` with [blanks] for what only the user knows.

    Prompts, names and paths stay out of it. Raises UsageProblem for another kind or an entry that is not there.
    """
    if kind not in TEXTS:
        raise UsageProblem(
            f"There is no report of the kind {kind[:40]!r}.", reason="unknown_report", hint="Use problem or dmca."
        )
    facts = {"entry": "none named", "root": "[unknown]", "result": "[unknown]", "gates": "[unknown]"}
    if entry is not None:
        facts = _facts(entry)
    text = resource(TEXTS[kind]).read_text(encoding="utf-8")
    filled = text.format(
        version=f"OutfitSwap Desktop {__version__}",
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        **facts,
    )
    return {"kind": kind, "entry": entry, "text": filled}


def _facts(number: int) -> dict[str, str]:
    from outfitswap_desktop.wiring import open_history

    with open_history() as history:
        found = history.get(number)
    if found is None:
        raise UsageProblem(
            f"There is no entry {number}.", reason="no_such_entry", hint="See `outfitswap history list`."
        )
    receipt = found.receipt
    scores = ", ".join(f"{name} {score:.3g}" for name, score in receipt.get("gates", {}).items())
    return {
        "entry": str(number),
        "root": str(receipt.get("safety", {}).get("root_sha256") or found.photo_sha256),
        "result": found.output_sha256,
        "gates": scores or "[unknown]",
    }
