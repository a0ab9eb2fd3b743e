"""The arguments and options that several administrators' commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Who = Annotated[str, typer.Argument(help="An account's id or its e-mail address.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the audit chain. No names or addresses.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def group(words: str) -> typer.Typer:
    """An empty group of commands."""
    return typer.Typer(help=words, no_args_is_help=True, rich_markup_mode=None)
