"""Writing: one rename, never over a source, nothing left behind when the disk or the folder says no."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from outfitswap_desktop.errors import KnownError, NotAvailable, UsageProblem
from outfitswap_desktop.safety import writing


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_stage_writes_a_part_beside_the_final_file_and_publish_renames_it(tmp_path):
    final = tmp_path / "new" / "deep" / "out.png"
    staged = writing.stage(b"picture", final)
    assert staged.part.parent == staged.final.parent == final.parent.resolve()
    assert staged.part.name.startswith(".out.png.")
    assert staged.part.suffix == ".part"
    assert staged.sha256 == hashlib.sha256(b"picture").hexdigest()
    assert staged.size == 7
    assert not final.exists()
    writing.publish(staged)
    assert final.read_bytes() == b"picture"
    assert left_in(tmp_path) == ["out.png"]


def test_publish_replaces_an_older_result_in_one_step(tmp_path):
    final = tmp_path / "out.png"
    final.write_bytes(b"old")
    staged = writing.stage(b"new", final)
    assert final.read_bytes() == b"old"
    writing.publish(staged)
    assert final.read_bytes() == b"new"


def test_the_planned_part_is_the_part_that_is_written(tmp_path):
    planned = writing.plan(tmp_path / "out.json", role="receipt")
    assert left_in(tmp_path) == []
    staged = writing.stage(b"{}", planned)
    assert (staged.role, staged.part, staged.final) == ("receipt", planned.part, planned.final)


def test_parts_of_names_that_start_alike_do_not_meet(tmp_path):
    long = "x" * 120
    parts = {writing.plan(tmp_path / f"{long}{end}").part for end in ("a.png", "b.png", "c.png")}
    assert len(parts) == 3


def test_a_name_cut_inside_a_letter_is_still_a_name(tmp_path):
    staged = writing.stage(b"x", tmp_path / ("я" * 60 + "ab.png"))
    staged.part.name.encode("utf-8")
    writing.publish(staged)
    assert staged.final.exists()


@pytest.mark.parametrize("way", ["same", "dots", "symlink_to_it", "symlinked_folder", "hard_link"])
def test_never_over_a_source(tmp_path, way):
    folder = tmp_path / "photos"
    folder.mkdir()
    source = folder / "me.png"
    source.write_bytes(b"the photo")
    final = source
    if way == "dots":
        final = folder / ".." / "photos" / "me.png"
    elif way == "symlink_to_it":
        final = tmp_path / "link.png"
        final.symlink_to(source)
    elif way == "symlinked_folder":
        (tmp_path / "there").symlink_to(folder, target_is_directory=True)
        final = tmp_path / "there" / "me.png"
    elif way == "hard_link":
        final = tmp_path / "hard.png"
        os.link(source, final)
    for attempt in (lambda: writing.plan(final, forbid=[source]), lambda: writing.stage(b"x", final, forbid=[source])):
        with pytest.raises(UsageProblem) as caught:
            attempt()
        assert caught.value.reason == "over_source"
    assert source.read_bytes() == b"the photo"
    assert not [name for name in left_in(tmp_path) if name.endswith(".part")]


def test_a_source_that_turns_up_at_the_place_later_is_still_not_written_over(tmp_path):
    source = tmp_path / "me.png"
    source.write_bytes(b"the photo")
    final = tmp_path / "out.png"
    staged = writing.stage(b"x", final, forbid=[source])
    os.link(source, final)
    with pytest.raises(UsageProblem) as caught:
        writing.publish(staged)
    assert caught.value.reason == "over_source"
    assert source.read_bytes() == b"the photo"


def test_a_link_to_something_else_is_replaced_and_not_followed(tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(b"other")
    final = tmp_path / "out.png"
    final.symlink_to(other)
    writing.publish(writing.stage(b"new", final))
    assert other.read_bytes() == b"other"
    assert not final.is_symlink()
    assert final.read_bytes() == b"new"


@pytest.mark.parametrize("failing", ["open", "write", "write_zero", "fsync", "close"])
@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (errno.ENOSPC, NotAvailable, "disk_full"),
        (errno.EIO, NotAvailable, "not_saved"),
        (errno.EROFS, NotAvailable, "read_only"),
    ],
)
def test_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch, failing, code, kind, reason):
    final = tmp_path / "out.png"
    final.write_bytes(b"old")
    real = getattr(os, failing.removesuffix("_zero"))

    def broken(*args, **kwargs):
        if failing == "open" and not str(args[0]).endswith(".part"):
            return real(*args, **kwargs)
        if failing == "write_zero":
            return 0
        if failing == "close":
            real(*args)
        if failing == "write" and len(args[1]) > 4:
            return real(args[0], args[1][:4])  # a part of it arrives before the disk is full
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, failing.removesuffix("_zero"), broken)
    with pytest.raises(kind) as caught:
        writing.stage(b"a picture that does not fit", final)
    monkeypatch.undo()
    assert caught.value.reason == ("disk_full" if failing == "write_zero" else reason)
    assert caught.value.hint
    assert left_in(tmp_path) == ["out.png"]
    assert final.read_bytes() == b"old"


def test_a_cancel_while_writing_takes_the_part_away(tmp_path, monkeypatch):
    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writing.stage(b"x", tmp_path / "out.png")
    assert left_in(tmp_path) == []


def test_a_rename_that_fails_is_told_and_keeps_the_old_file(tmp_path, monkeypatch):
    final = tmp_path / "out.png"
    final.write_bytes(b"old")
    staged = writing.stage(b"new", final)

    def denied(self, target):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "replace", denied)
    with pytest.raises(NotAvailable):
        writing.publish(staged)
    assert final.read_bytes() == b"old"
    writing.discard(staged)
    assert left_in(tmp_path) == ["out.png"]


TINY = """
import sys
from pathlib import Path
from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.safety import writing
try:
    writing.stage(b"x" * (3 << 20), Path(sys.argv[1]) / "out.png")
except KnownError as problem:
    print(problem.reason)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_truly_full_disk(tmp_path):
    mount = tmp_path / "tiny"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=False).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        said = subprocess.run([sys.executable, "-c", TINY, str(mount)], capture_output=True, text=True, check=True)
        assert said.stdout.strip() == "disk_full"
        assert left_in(mount) == []
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="a read-only folder does not stop this user")
def test_a_read_only_folder(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        with pytest.raises(NotAvailable) as caught:
            writing.stage(b"x", folder / "out.png")
    finally:
        folder.chmod(0o700)
    assert caught.value.reason == "read_only"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 300 + ".png", "bad_name"),
        ("nul\0.png", "bad_name"),
        ("file/out.png", "not_a_folder"),
        ("folder", "is_a_folder"),
    ],
)
def test_places_that_cannot_be_written(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(KnownError) as caught:
        writing.stage(b"x", tmp_path / name)
    assert caught.value.reason == reason
    assert left_in(tmp_path) == ["file"]


def test_discard_touches_parts_alone(tmp_path):
    keep = tmp_path / "keep.png"
    keep.write_bytes(b"x")
    with pytest.raises(ValueError, match="not a part"):
        writing.discard(keep)
    assert keep.exists()
    writing.discard(tmp_path / "gone.part")


def test_withdraw_takes_only_what_is_ours(tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    assert not writing.withdraw(mine, hashlib.sha256(b"other").hexdigest())
    assert mine.exists()
    assert writing.withdraw(mine, hashlib.sha256(b"mine").hexdigest())
    assert not mine.exists()
    assert not writing.withdraw(mine, hashlib.sha256(b"mine").hexdigest())
