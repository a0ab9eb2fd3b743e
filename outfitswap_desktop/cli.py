"""The command line: every sub-command is a thin layer over the same runner that the window and the library use.

Nothing heavy is imported before a sub-command runs, so that --help answers at once.
"""

from __future__ import annotations

import sys

try:
    from enum import StrEnum
    from pathlib import Path
    from typing import TYPE_CHECKING, Annotated

    import typer
    from typer.exceptions import TyperException

    from outfitswap_desktop import __version__, terminal
    from outfitswap_desktop.cli_bench import bench
    from outfitswap_desktop.cli_checks import add_checks
    from outfitswap_desktop.cli_history import history_app
    from outfitswap_desktop.cli_licence import licence_app
    from outfitswap_desktop.cli_models import models_app
    from outfitswap_desktop.cli_options import (
        LARGEST,
        SETTINGS,
        DepthOption,
        GarmentWeightOption,
        GuidanceOption,
        JsonOption,
        ModeOption,
        PoseOption,
        StrengthOption,
        help_when_alone,
    )
    from outfitswap_desktop.errors import BatchIncomplete, Cancelled, UsageProblem
    from outfitswap_desktop.terminal import cancel_on_interrupt, fail, progress, say, show, show_json
except KeyboardInterrupt:  # a Ctrl-C while the program starts: no traceback
    sys.exit(130)

if TYPE_CHECKING:
    from outfitswap_desktop.core.zones import Zone
    from outfitswap_desktop.runner import Outcome


class ZoneName(StrEnum):
    """Garment zones as typed on the command line (core.zones.Zone would load the image libraries)."""

    TOP = "top"
    BOTTOM = "bottom"
    DRESS = "dress"
    OUTER = "outer"
    FULL = "full"


app = typer.Typer(
    help="Change what somebody wears in a photo, on this machine, and nothing but the clothes.", **SETTINGS
)
app.add_typer(history_app, name="history")
app.add_typer(models_app, name="models")
app.add_typer(licence_app, name="licence")
add_checks(app)
app.command("bench")(bench)

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
EngineOption = Annotated[
    str,
    typer.Option("--engine", help="auto, fabric (embedded), or one with weights: sd15, sdxl, klein, qwen."),
]
ConsentOption = Annotated[
    str | None,
    typer.Option(
        "--adult-consent",
        help="Your statement that the person is an adult and agrees: self, release:FILE, synthetic or licensed. "
        "Asked once per photo, kept for twelve months.",
    ),
]
AttestedOption = Annotated[
    bool,
    typer.Option(
        "--adult-attested",
        help="State a second time that the person is an adult, where their age cannot be told or looks under 25.",
    ),
]


@app.callback()
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        show(f"outfitswap {__version__}")
        raise typer.Exit
    help_when_alone(context)


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
    attested: AttestedOption = False,
    outline: Annotated[
        Path | None, typer.Option("--outline", help="The person's outline, drawn, where nobody is found; with --mask.")
    ] = None,
    variations: Annotated[
        int,
        typer.Option("--variations", min=1, max=16, help="Results with seeds counting up; numbers go to their names."),
    ] = 1,
    mode: ModeOption = "quality",
    strength: StrengthOption = None,
    guidance: GuidanceOption = None,
    pose: PoseOption = None,
    depth: DepthOption = None,
    garment_weight: GarmentWeightOption = None,
    json: JsonOption = False,
) -> None:
    """Swap one garment in one photo."""
    from outfitswap_desktop.asking import run_asking
    from outfitswap_desktop.core.job import SwapRequest, Wishes, refuse_nonsense, variations_of
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
        adult_attested=attested,
        outline=outline,
        wishes=Wishes(mode, strength, guidance, pose, depth, garment_weight),
    )
    refuse_nonsense(request)
    with cancel_on_interrupt() as cancel, make_runner(request.engine) as runner:
        outcomes = [run_asking(runner, one, quiet=json, cancel=cancel) for one in variations_of(request, variations)]
    if json:
        documents = [outcome.as_json() for outcome in outcomes]
        show_json(documents[0] if variations == 1 else {**documents[0], "variations": documents})
    else:
        for outcome in outcomes:
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
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST, help="For rows that name none.")] = 0,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="For diffusion engines.")] = None,
    mode: ModeOption = "quality",
    strength: StrengthOption = None,
    guidance: GuidanceOption = None,
    pose: PoseOption = None,
    depth: DepthOption = None,
    garment_weight: GarmentWeightOption = None,
    consent: ConsentOption = None,
    attested: AttestedOption = False,
    consents: Annotated[
        Path | None, typer.Option("--consents", help="A CSV with photo, consent and adult (yes or no) for each photo.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run photos x outfits; a bad photo fails alone.

    The exit code is 5 when some jobs failed. A summary and a contact sheet are written beside the results.
    """
    from outfitswap_desktop.asking import introduce
    from outfitswap_desktop.batch import run_batch
    from outfitswap_desktop.core.job import Wishes
    from outfitswap_desktop.wiring import make_runner

    with cancel_on_interrupt() as cancel, make_runner(engine) as runner:
        if not json:
            introduce(runner)
        with progress(quiet=json) as report:
            summary = run_batch(
                runner,
                source,
                output=output,
                outfits=outfits,
                resume=resume,
                engine=engine,
                seed=seed,
                steps=steps,
                wishes=Wishes(mode, strength, guidance, pose, depth, garment_weight),
                consent=consent,
                adult_attested=attested,
                consents=consents,
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
