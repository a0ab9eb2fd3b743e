"""The pages say what is there: the map lists every module, the README's commands exist, links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_map_lists_every_module():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    architecture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(architecture)
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert architecture.page(text) == text, "run: uv run python docs/architecture.py"


def test_the_readme_names_real_commands_and_options(capsys):
    from outfitswap_desktop.cli import run

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install uv && uv run outfitswap demo" in text
    assert "uv run pytest" in text
    assert re.search(r"^uv run outfitswap +#", text, re.MULTILINE), "the window"
    commands = re.findall(r"^uv run outfitswap +([^# ].*?)(?: +#.*)?$", text, re.MULTILINE)
    assert commands
    for command in commands:
        words = re.findall(r'"[^"]*"|\S+', command)
        group = words[:2] if words[0] == "history" else words[:1]
        assert run([*group, "--help"]) == 0
        offered = capsys.readouterr().out
        for option in (word for word in words if word.startswith("-")):
            assert re.search(rf"{option}\b", offered), f"{option} of: {command}"


@pytest.mark.parametrize(
    "page", sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), f"{page} links to {target}"
