"""Writes the table of the word lists' hashes after a list was changed on purpose: `python -m tests.safety.prompt.pin`."""

from pathlib import Path

from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import pinned, pins

HEAD = '''"""SHA-256 of every word list below resources/, written by `python -m tests.safety.prompt.pin`."""

from __future__ import annotations

from typing import Final

PINS: Final[dict[str, str]] = {
'''


def table() -> dict[str, str]:
    home = resources_dir()
    lists = sorted((home / pinned.POLICY).rglob("*.txt"))
    return {path.relative_to(home).as_posix(): pinned.digest(path.read_bytes()) for path in lists}


def text(hashes: dict[str, str]) -> str:
    return HEAD + "".join(f'    "{name}": "{digest}",\n' for name, digest in hashes.items()) + "}\n"


if __name__ == "__main__":
    Path(pins.__file__).write_text(text(table()), encoding="utf-8", newline="\n")
