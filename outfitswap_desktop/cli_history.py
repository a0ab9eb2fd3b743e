"""`outfitswap history`: look back, take along, erase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outfitswap_desktop.cli_options import LARGEST, SETTINGS, JsonOption, help_when_alone
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.terminal import ask_typed, can_ask, say, show, show_json

if TYPE_CHECKING:
    from outfitswap_desktop.store.entry import Entry

history_app = typer.Typer(help="Look back at what was made.", **SETTINGS)


@history_app.callback()
def _history(context: typer.Context) -> None:
    help_when_alone(context)


@history_app.command("list")
def history_list(
    search: Annotated[str, typer.Option("--search", "-s", help="Words of the prompt.")] = "",
    before: Annotated[
        int | None, typer.Option("--before", min=1, max=LARGEST, help="Entries older than this number.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Most entries to list.")] = 20,
    json: JsonOption = False,
) -> None:
    """List entries, newest first."""
    from outfitswap_desktop.store.entry import entry_values
    from outfitswap_desktop.wiring import open_history

    with open_history() as history:
        entries = history.list(limit=limit, before=before, text=search)
    if json:
        more = entries[-1].id if len(entries) == limit else None
        show_json({"entries": [entry_values(entry) for entry in entries], "next_before": more})
        return
    for entry in entries:
        show(f"{entry.id:>6}  {entry.created:%Y-%m-%d %H:%M}  {entry.zone:<6}  {_wish(entry):<48}  {entry.output}")
    if not entries:
        say("No entry matches." if search else "No entries yet.")


def _wish(entry: Entry) -> str:
    """What was asked for, on one line: the words, else the name of the garment's picture."""
    garment = entry.receipt.get("garment") or {}
    words = entry.prompt.strip() or f"[{garment.get('name', '')}]"
    return "".join(c if c.isprintable() else " " for c in words)[:48]


@history_app.command("show")
def history_show(
    entry: Annotated[int, typer.Argument(min=1, max=LARGEST, help="Number of the entry.")], json: JsonOption = False
) -> None:
    """Show one entry with its receipt."""
    from outfitswap_desktop.store.entry import entry_values
    from outfitswap_desktop.wiring import open_history

    with open_history() as history:
        found = history.get(entry)
    if found is None:
        raise UsageProblem(f"There is no entry {entry}.", reason="no_such_entry", hint="See `outfitswap history list`.")
    values = entry_values(found)
    if json:
        show_json({**values, "receipt": found.receipt})
        return
    for name, value in values.items():
        show(f"{name:<16} {value if value is not None else '-'}")


@history_app.command("export")
def history_export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The ZIP file to write.")], json: JsonOption = False
) -> None:
    """Write everything to a ZIP: entries as JSON, results, thumbnails, and a README.

    Files that were changed or moved away since are left out; their entries say so.
    """
    from outfitswap_desktop.keeping import export_history
    from outfitswap_desktop.wiring import open_history

    with open_history() as history:
        answer = export_history(history, output)
    if json:
        show_json(answer)
        return
    show(answer["archive"])
    say(f"note: {answer['entries']} entries, {answer['files']} files; {answer['missing_files']} files were not there.")


@history_app.command("erase")
def history_erase(
    entries: Annotated[
        str, typer.Option("--entries", help="Numbers, with commas. Default: all, with consents and the program's log.")
    ] = "",
    files: Annotated[
        bool, typer.Option("--files", help="Delete the results, masks and receipts on the disk too.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also the audit log, the keys and all else in the program's folder.")
    ] = False,
    confirm: Annotated[
        str, typer.Option("--confirm", help="The word that the list asks for, where nobody can type.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Erase for good: lists first what goes, asks for a typed word, and ends with a receipt."""
    from outfitswap_desktop.keeping import erase, plan_erasure
    from outfitswap_desktop.wiring import open_history

    with open_history() as history:
        planned = plan_erasure(history, entries=_numbers(entries), files=files, everything=everything)
        if not json or not confirm:
            for line in planned.lines:
                say(line)
        if not confirm and can_ask():
            confirm = ask_typed(f"Type {planned.word} to erase this for good:")
        receipt = erase(history, planned, typed=confirm)
    if json:
        show_json(receipt)
        return
    for name, value in receipt.items():
        show(f"{name:<16} {value}")


def _numbers(text: str) -> tuple[int, ...] | None:
    """Entry numbers from "3, 5"; None when there are none. Raises UsageProblem."""
    if not text.strip():
        return None
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise UsageProblem(
            f"{text[:40]!r} is not a list of entry numbers.", reason="bad_entries", hint="Write them like 3,5,8."
        ) from None
