"""The command that measures this machine: our engines beside plain diffusers, as a table or a document."""

from __future__ import annotations

import json as encoder
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from outfitswap_desktop.cli_options import JsonOption
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.terminal import say, show, show_json


class Suite(StrEnum):
    """How much is measured."""

    QUICK = "quick"
    FULL = "full"


def bench(
    suite: Annotated[Suite, typer.Option("--suite", help="quick: under five minutes; full: under ten.")] = Suite.QUICK,
    only: Annotated[str, typer.Option("--only", help="Measurements by id, e.g. G1,G3,C10.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the JSON document here.")] = None,
    json: JsonOption = False,
) -> None:
    """Measure this machine: our engines beside plain diffusers in the same run.

    Uses random weights of the true architectures; nothing is downloaded. Without a CUDA card what the processor can
    answer is measured, and the rest is named.
    """
    from outfitswap_desktop.ml.bench.suite import run_suite

    _refuse_unwritable(output)
    report = run_suite(
        suite=suite.value,
        only=[name for name in only.replace(" ", ",").split(",") if name],
        tell=(lambda _: None) if json else say,
    )
    document = report.as_json()
    if output is not None:
        _write(output, encoder.dumps(document, indent=2) + "\n")
    if json:
        show_json(document)
        return
    for line in report.lines():
        show(line)


def _refuse_unwritable(output: Path | None) -> None:
    """Before minutes are spent."""
    if output is not None and not output.absolute().parent.is_dir():
        raise NotAvailable(
            f"The folder of {output} does not exist.", reason="output_unwritable", hint="Make it, or name another."
        )


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise NotAvailable(
            f"{output} could not be written: {problem.strerror}.", reason="output_unwritable", hint="Name another file."
        ) from problem
