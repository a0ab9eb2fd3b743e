"""Writes the list of modules in ARCHITECTURE.md from their docstrings: uv run python docs/architecture.py."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "outfitswap_desktop"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- modules -->", "<!-- end of modules -->"


def first_sentence(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0].rstrip(".")


def modules() -> str:
    """The list as Markdown: one heading per room, one line per module."""
    rooms: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        rooms.setdefault(path.parent.relative_to(PACKAGE).as_posix(), []).append(path)
    lines = []
    for room, paths in rooms.items():
        inits = [path for path in paths if path.name == "__init__.py"]
        title = "Top level" if room == "." else f"`{room}/`"
        lines += ["", f"**{title}**: {first_sentence(inits[0])}.", ""]
        lines += [f"- `{path.stem}`: {first_sentence(path)}" for path in paths if path.name != "__init__.py"]
    return "\n".join(lines[1:])


def page(text: str) -> str:
    """`text` of ARCHITECTURE.md with the list of modules brought up to date."""
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _match: f"{BEGIN}\n{modules()}\n\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
