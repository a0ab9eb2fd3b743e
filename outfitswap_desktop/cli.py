"""The command line: every sub-command is a thin layer over the same runner that the window and the library use.

Nothing heavy is imported before a sub-command runs, so that --help answers at once.
"""

from __future__ import annotations

import sys

try:
    from enum import StrEnum
    from pathlib import Path
    from typing import TYPE_CHECKING, Annotated, Any

    import typer
    from typer.exceptions import TyperException

    from outfitswap_desktop import __version__, terminal
    from outfitswap_desktop.errors import BatchIncomplete, Cancelled, UsageProblem
    from outfitswap_desktop.terminal import cancel_on_interrupt, fail, progress, say, show, show_json
except KeyboardInterrupt:  # a Ctrl-C while the program starts: no traceback
    sys.exit(130)

if TYPE_CHECKING:
    from outfitswap_desktop.core.zones import Zone
    from outfitswap_desktop.runner import Outcome
    from outfitswap_desktop.store.entry import Entry


class ZoneName(StrEnum):
    """Garment zones as typed on the command line (core.zones.Zone would load the image libraries)."""

    TOP = "top"
    BOTTOM = "bottom"
    DRESS = "dress"
    OUTER = "outer"
    FULL = "full"


LARGEST = 2**63 - 1
"""Of seeds and entry numbers: what SQLite and every other program can hold."""
SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "invoke_without_command": True,
}
app = typer.Typer(
    help="Change what somebody wears in a photo, on this machine, and nothing but the clothes.", **SETTINGS
)
history_app = typer.Typer(help="Look back at what was made.", **SETTINGS)
app.add_typer(history_app, name="history")

Photo = Annotated[Path, typer.Argument(help="The photo: JPEG, PNG or WebP.", show_default=False)]
Prompt = Annotated[str, typer.Option("--prompt", "-p", help='What to wear, e.g. "navy pinstripe linen shirt".')]
ZoneOption = Annotated[
    ZoneName | None,
    typer.Option(
        "--zone", "-z", case_sensitive=False, help="Which garment. Default: the one the prompt names, else the largest."
    ),
]
PersonOption = Annotated[
    int | None, typer.Option("--person", min=1, help="Who, counted from 1, left to right. Default: the largest.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
EngineOption = Annotated[str, typer.Option("--engine", help="auto or fabric (the embedded engine).")]
ConsentOption = Annotated[
    str | None,
    typer.Option(
        "--adult-consent", help="Your statement: self, release:FILE, synthetic or licensed; kept in the receipt."
    ),
]


@app.callback()
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        show(f"outfitswap {__version__}")
        raise typer.Exit
    _help_when_alone(context)


@history_app.callback()
def _history(context: typer.Context) -> None:
    _help_when_alone(context)


def _help_when_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(context.get_help())
        raise typer.Exit


@app.command()
def swap(
    photo: Photo,
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .png (lossless), .jpg or .webp.")],
    prompt: Prompt = "",
    garment: Annotated[Path | None, typer.Option("--garment", "-g", help="Picture of a fabric or a garment.")] = None,
    zone: ZoneOption = None,
    mask: Annotated[Path | None, typer.Option("--mask", help="Own mask, of the photo's size, white = change.")] = None,
    person: PersonOption = None,
    engine: EngineOption = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST, help="Same seed, same result.")] = 0,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="For diffusion engines; fabric has none.")] = None,
    quality: Annotated[int, typer.Option("--quality", min=1, max=100, help="Of JPEG and WebP.")] = 95,
    strip_metadata: Annotated[bool, typer.Option("--strip-metadata", help="Write no EXIF or XMP.")] = False,
    consent: ConsentOption = None,
    json: JsonOption = False,
) -> None:
    """Swap one garment in one photo."""
    from outfitswap_desktop.core.job import SwapRequest, refuse_nonsense
    from outfitswap_desktop.wiring import make_runner

    request = SwapRequest(
        photo=photo,
        output=output,
        prompt=prompt,
        garment=garment,
        mask=mask,
        zone=_zone(zone),
        person=person,
        engine=engine,
        seed=seed,
        steps=steps,
        quality=quality,
        keep_metadata=not strip_metadata,
        consent=consent,
    )
    refuse_nonsense(request)
    with cancel_on_interrupt() as cancel, progress(quiet=json) as report, make_runner(request.engine) as runner:
        outcome = runner.run(request, report=report, cancel=cancel)
    if json:
        show_json(outcome.as_json())
    else:
        _tell(outcome)


def _tell(outcome: Outcome) -> None:
    for line in (*outcome.limits, *outcome.notes, *outcome.fallbacks):
        say(f"note: {line}")
    show(str(outcome.output))


def _zone(name: ZoneName | None) -> Zone | None:
    from outfitswap_desktop.core.zones import Zone

    return None if name is None else Zone(name.value)


@app.command()
def segment(
    photo: Photo,
    output: Annotated[Path, typer.Option("--output", "-o", help="Mask to write: 8-bit PNG, 0 or 255.")],
    zone: Annotated[
        ZoneName | None,
        typer.Option("--zone", "-z", case_sensitive=False, help="Which garment. Default: the largest."),
    ] = None,
    person: PersonOption = None,
    overlay: Annotated[Path | None, typer.Option("--overlay", help="Also draw the mask over the photo.")] = None,
    json: JsonOption = False,
) -> None:
    """Find a person's garments and write the mask of one."""
    from outfitswap_desktop.segmenting import segment_to_file
    from outfitswap_desktop.wiring import make_runner

    with cancel_on_interrupt() as cancel, progress(quiet=json) as report, make_runner("auto") as runner:
        answer = segment_to_file(
            runner, photo, output, zone=_zone(zone), person=person, overlay=overlay, report=report, cancel=cancel
        )
    if json:
        show_json(answer)
        return
    for line in (*answer["notes"], *answer["fallbacks"]):
        say(f"note: {line}")
    for region in answer["regions"]:
        show(f"{region['zone']:<7} confidence {region['confidence']:.2f}  box {region['box']}")
    show(answer["mask"])


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path("outfitswap-demo"),
    json: JsonOption = False,
) -> None:
    """Dress a bundled photo four times.

    Writes the photo, the results with their masks and receipts, and a contact sheet.
    """
    from outfitswap_desktop.demo import run_demo
    from outfitswap_desktop.wiring import make_runner

    with cancel_on_interrupt() as cancel, progress(quiet=json) as report, make_runner("auto") as runner:
        answer = run_demo(runner, output, report=report, cancel=cancel)
    if json:
        show_json(answer)
        return
    for row in answer["results"]:
        show(
            f"{row['prompt']}: {row['output']}  ({row['outside_mask_changed_pixels']} pixels changed outside the mask)"
        )
    show(f"Look at {answer['contact_sheet']}")


@app.command()
def batch(
    source: Annotated[Path, typer.Argument(metavar="FOLDER|CSV", help="A folder of photos, or a CSV manifest.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    outfits: Annotated[Path | None, typer.Option("--outfits", help="One prompt per line, or CSV/JSON.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Do only what is missing.")] = False,
    engine: EngineOption = "auto",
    consent: ConsentOption = None,
    json: JsonOption = False,
) -> None:
    """Run photos x outfits; a bad photo fails alone.

    The exit code is 5 when some jobs failed. A summary and a contact sheet are written beside the results.
    """
    from outfitswap_desktop.batch import run_batch
    from outfitswap_desktop.wiring import make_runner

    with cancel_on_interrupt() as cancel, progress(quiet=json) as report, make_runner(engine) as runner:
        summary = run_batch(
            runner,
            source,
            output=output,
            outfits=outfits,
            resume=resume,
            engine=engine,
            consent=consent,
            report=report,
            cancel=cancel,
        )
    if json:
        show_json(summary)
    else:
        show(
            f"{summary['done']} done, {summary['skipped']} already there, {summary['failed']} failed: {summary['summary']}"
        )
        for line in summary["notes"]:
            say(f"note: {line}")
        for row in summary["jobs"]:
            if row["state"] == "failed":
                what = f"{row['photo']}, {row['outfit']}" if row["outfit"] else row["photo"]
                say(f"failed: {what}: {row['error']['message']} {row['error']['hint']}".rstrip())
    if summary["failed"]:
        raise typer.Exit(BatchIncomplete.exit_code)


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


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Tell what this machine has and what it lacks."""
    from outfitswap_desktop.doctor import examine

    report = examine()
    if json:
        show_json(report.as_json())
        return
    for row in report.rows:
        show(f"{row.state:<8} {row.name:<24} {row.value}")
        if row.advice:
            show(f"{'':<8} {'':<24} -> {row.advice}")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command line and leaves with the exit codes of the errors module."""
    terminal.open_standard_streams()
    code = run(sys.argv[1:] if arguments is None else arguments)
    terminal.ignore_interrupts()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code, never raises."""
    as_json = "--json" in arguments
    with terminal.logging_to_file():
        try:
            code = app(arguments, standalone_mode=False, prog_name="outfitswap")
            if code == Cancelled.exit_code:  # typer's answer to a Ctrl-C outside of a job
                raise Cancelled
            terminal.finish()
            return code if isinstance(code, int) else 0
        except TyperException as problem:
            return fail(_usage(problem), as_json=as_json)
        except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001  the last resort: everything becomes one sentence
            return fail(problem, as_json=as_json)


def _usage(problem: TyperException) -> UsageProblem:
    text = problem.format_message() if hasattr(problem, "format_message") else str(problem)
    text = text.replace("Value error, ", "").replace("Input should", "it should").rstrip(".")
    context = getattr(problem, "ctx", None)
    command = context.command_path if context is not None else "outfitswap"
    return UsageProblem(f"{text}.", reason="usage", hint=f"See {command} --help.")
