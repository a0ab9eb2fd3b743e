"""The lists of prompts beside this file, one a line."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def prompts(name: str) -> list[str]:
    """The lines of `name` without the commented ones."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]
