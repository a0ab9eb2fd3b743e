"""`outfitswap` and `python -m outfitswap_desktop`: no arguments (or a photo) open the window, all else is the command line."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def main() -> None:
    """Open the window or run the command line; never returns."""
    multiprocessing.freeze_support()  # a child of a frozen program begins here too
    arguments = sys.argv[1:]
    if not arguments:
        _window(None)
    if len(arguments) == 1 and Path(arguments[0]).suffix.lower() in _PICTURES:
        _window(Path(arguments[0]))
    from outfitswap_desktop.cli import main as command_line

    command_line()


def _window(photo: Path | None) -> None:
    from outfitswap_desktop import app

    raise SystemExit(app.run(photo))


if __name__ == "__main__":
    main()
