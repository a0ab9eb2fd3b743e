"""Commands that look and judge, and change nothing: words, files, the audit log; and the text of a report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from outfitswap_desktop.cli_options import SETTINGS, JsonOption, help_when_alone
from outfitswap_desktop.errors import InputRefused, UsageProblem
from outfitswap_desktop.terminal import say, show, show_json

prompt_app = typer.Typer(help="What may be asked for.", **SETTINGS)
audit_app = typer.Typer(help="The record of what was released and refused.", **SETTINGS)


def add_checks(app: typer.Typer) -> None:
    """Hang these commands below `app`."""
    app.add_typer(prompt_app, name="prompt")
    app.add_typer(audit_app, name="audit")
    app.command("verify")(verify)
    app.command("report")(report)


@prompt_app.callback()
def _prompt(context: typer.Context) -> None:
    help_when_alone(context)


@audit_app.callback()
def _audit(context: typer.Context) -> None:
    help_when_alone(context)


@prompt_app.command("check")
def prompt_check(
    text: Annotated[str | None, typer.Argument(help="One prompt.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A text file, one prompt per line; - for stdin.")] = None,
    json: JsonOption = False,
) -> None:
    """Say whether prompts would be accepted, and why not. The exit code is 3 when one would not."""
    from outfitswap_desktop.safety.api import check_prompts

    if (text is None) == (file is None):
        raise UsageProblem("Give one prompt, or --file.", reason="usage", hint='outfitswap prompt check "navy linen"')
    answers = check_prompts([text] if text is not None else _lines(file))
    if json:
        show_json(
            [
                {
                    "prompt": answer.prompt,
                    "allowed": answer.allowed,
                    "category": answer.category,
                    "word": answer.word,
                    "suggestions": list(answer.suggestions),
                }
                for answer in answers
            ]
        )
    else:
        for answer in answers:
            show(f"{'allowed' if answer.allowed else 'refused'}  {answer.prompt}")
            if not answer.allowed:
                show(f"         {answer.message} {answer.hint}".rstrip())
    if not all(answer.allowed for answer in answers):
        raise typer.Exit(InputRefused.exit_code)


def _lines(file: Path | None) -> list[str]:
    """The lines of a text file that are not empty."""
    from outfitswap_desktop.core.tables import read_text

    if str(file) == "-":
        text = sys.stdin.read()
    else:
        assert file is not None
        text, _ = read_text(file)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputRefused("There is no line to check.", reason="empty", hint="Write one prompt per line.")
    return lines


def verify(
    file: Annotated[Path, typer.Argument(help="A picture: JPEG, PNG or WebP.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Read the marks of a picture: XMP, content credentials (C2PA), and the invisible one."""
    from outfitswap_desktop.safety.api import verify_file
    from outfitswap_desktop.wiring import open_ledger

    with open_ledger() as ledger:
        found = verify_file(file, ledger)
    if json:
        show_json(found)
        return
    for name in ("xmp", "c2pa", "mark"):
        facts = dict(found[name])
        state = "valid" if facts.pop("valid") else "not valid"
        there = facts.pop("present")
        show(f"{name:<6} {state if there else 'not there'}")
        for key, value in facts.items():
            if there and value not in (None, "", [], {}):
                show(f"       {key}: {value}")


@audit_app.command("verify")
def audit_verify(json: JsonOption = False) -> None:
    """Check the audit log's chain and signature. The exit code is 3 when it was tampered with."""
    from outfitswap_desktop.wiring import open_ledger

    with open_ledger() as ledger:
        found, notice = ledger.verify(), ledger.notice
    if json:
        show_json(found.as_json())
    else:
        show(found.sentence)
        if notice:
            say(f"note: {notice}")
    if not found.ok:
        raise typer.Exit(InputRefused.exit_code)


def report(
    kind: Annotated[
        str, typer.Option("--kind", help="problem, or dmca for the notice of a copyright owner.")
    ] = "problem",
    entry: Annotated[int | None, typer.Option("--entry", min=1, help="The entry of the history it is about.")] = None,
    json: JsonOption = False,
) -> None:
    """Print the text of a report or of a DMCA notice, to be filled in and sent by you; nothing is sent by the program."""
    from outfitswap_desktop.reports import make_report

    document = make_report(kind, entry=entry)
    if json:
        show_json(document)
        return
    show(document["text"])
    say("note: nothing was sent. Copy the text, fill in what is between [brackets], and send it yourself.")
