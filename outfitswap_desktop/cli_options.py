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
ModeOption = Annotated[
    str, typer.Option("--mode", help="quality, balanced (guidance only where it shows) or fast (few-step weights).")
]
StrengthOption = Annotated[
    float | None, typer.Option("--strength", min=0.0, max=1.0, help="How much is repainted. Default: the recipe's own.")
]
GuidanceOption = Annotated[
    float | None, typer.Option("--guidance", min=1.0, max=20.0, help="How closely the words are followed.")
]
PoseOption = Annotated[
    float | None, typer.Option("--pose", min=0.0, max=2.0, help="Weight of the pose ControlNet; 0 turns it off.")
]
DepthOption = Annotated[
    float | None, typer.Option("--depth", min=0.0, max=2.0, help="Weight of the depth ControlNet; 0 turns it off.")
]
GarmentWeightOption = Annotated[
    float | None, typer.Option("--garment-weight", min=0.0, max=1.5, help="How much a garment picture counts.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def help_when_alone(context: typer.Context) -> None:
    """Show the help of a group of commands when none of them was named."""
    if context.invoked_subcommand is None:
        show(context.get_help())
        raise typer.Exit
