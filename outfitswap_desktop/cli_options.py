"""What the modules of the command line share: settings of typer, options, and help for whoever types no sub-command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from outfitswap_desktop.terminal import show

LARGEST = 2**63 - 1
"""Of seeds and entry numbers: what SQLite and every other program can hold."""
SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "invoke_without_command": True,
}
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def help_when_alone(context: typer.Context) -> None:
    """Show the help of a group of commands when none of them was named."""
    if context.invoked_subcommand is None:
        show(context.get_help())
        raise typer.Exit
