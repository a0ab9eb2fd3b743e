"""Lists that tests write for themselves are read; the program's own are held to their hashes in every test."""

from pathlib import Path

import pytest

from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import pinned


@pytest.fixture(autouse=True)
def own_lists(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies below resources/ is checked as ever; test_pinned.py itself checks every list."""
    if request.path.name == "test_pinned.py":
        return
    content, files = pinned.content, pinned.files

    def content_or_own(path: Path) -> bytes:
        return content(path) if path.is_relative_to(resources_dir()) else path.read_bytes()

    def files_or_own(folder: Path) -> tuple[Path, ...]:
        found = tuple(sorted(folder.glob("*.txt")))
        return files(folder) if folder.is_relative_to(resources_dir()) else found

    monkeypatch.setattr(pinned, "content", content_or_own)
    monkeypatch.setattr(pinned, "files", files_or_own)
