"""The settings: kept, read back, checked, and never in the way of a start."""

import os
import sqlite3
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from outfitswap_desktop.store.settings import RECENT_KEPT, Settings, SettingsStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own" / "settings.db"


@pytest.fixture
def opened(path):
    stores = []

    def make():
        stores.append(SettingsStore(path))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def test_what_was_set_is_there_at_the_next_start(opened):
    store = opened()
    assert store.values == Settings()
    store.change(theme="dark", quality=80, keep_metadata=False, output_folder="/bilder/größe")
    store.close()
    again = opened()
    assert again.values == Settings(theme="dark", quality=80, keep_metadata=False, output_folder="/bilder/größe")
    assert again.note == ""


@pytest.mark.parametrize(
    "wrong",
    [
        *({"theme": "pink"}, {"quality": 0}, {"quality": 101}, {"quality": 90.0}, {"quality": True}, {"format": "gif"}),
        *({"overlay_colour": "red"}, {"overlay_opacity": 100}, {"language": "../x"}, {"keep_metadata": 1}),
    ],
)
def test_a_value_that_is_not_allowed_changes_nothing(opened, wrong):
    store = opened()
    store.change(quality=77)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        store.change(**wrong)
    with pytest.raises(TypeError):
        store.change(nothing_of_that_name=1)
    assert store.values == Settings(quality=77)
    assert opened().values == Settings(quality=77)


def test_reset_takes_settings_back_and_leaves_the_rest(opened):
    store = opened()
    store.change(theme="light", notify=False)
    store.keep("geometry", b"\x00\xff")
    store.opened(Path("/a.png"))
    assert store.reset() == Settings()
    again = opened()
    assert again.values == Settings()
    assert again.kept("geometry") == b"\x00\xff"
    assert again.recent() == (Path("/a.png"),)
    assert again.kept("another") is None


def test_recent_photos_newest_first_each_once_and_not_endless(opened):
    store = opened()
    for number in range(RECENT_KEPT + 6):
        store.opened(Path(f"/{number}.png"))
    store.opened(Path("/20.png"))
    found = opened().recent(limit=100)
    assert len(found) == RECENT_KEPT
    assert found[:2] == (Path("/20.png"), Path(f"/{RECENT_KEPT + 5}.png"))
    assert len(set(found)) == len(found)
    store.forget_recent(Path("/20.png"))
    assert Path("/20.png") not in store.recent(limit=100)
    store.forget_recent()
    assert store.recent() == ()


def test_no_photo_is_remembered_for_who_wants_none(opened):
    store = opened()
    store.change(remember_recent=False)
    store.opened(Path("/a.png"))
    assert store.recent() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
def test_a_name_that_is_no_text_is_remembered(opened):
    name = Path(os.fsdecode(b"/caf\xe9.png"))
    opened().opened(name)
    assert opened().recent() == (name,)


@pytest.mark.parametrize("content", [b"not a database at all, " * 400, b"SQLite format 3\x00" + b"\x07" * 5000])
def test_a_damaged_file_falls_back_to_defaults_and_is_kept(opened, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    store = opened()
    assert store.values == Settings()
    assert "damaged" in store.note
    kept = [other for other in path.parent.iterdir() if "damaged" in other.name]
    assert [other.read_bytes() for other in kept] == [content]
    assert kept[0].name in store.note
    store.change(theme="dark")
    again = opened()
    assert (again.values.theme, again.note) == ("dark", "")


def test_values_of_another_version_are_left_out_one_by_one(opened, path):
    opened().change(theme="dark", quality=70)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE settings SET value = '\"neon\"' WHERE name = 'theme'")
        connection.execute("INSERT INTO settings VALUES ('from_the_future', '3'), ('notify', 'no json')")
    connection.close()
    assert opened().values == Settings(quality=70)


def test_a_folder_that_cannot_be_written_is_said_and_settings_last_until_the_end(tmp_path):
    (tmp_path / "own").write_text("a file where the folder should be")
    store = SettingsStore(tmp_path / "own" / "settings.db")
    assert "cannot be kept" in store.note
    assert store.change(theme="dark").theme == "dark"
    store.opened(Path("/a.png"))
    store.keep("geometry", b"1")
    assert (store.values.theme, store.recent(), store.kept("geometry")) == ("dark", (), None)


def test_a_file_that_another_program_holds_does_not_stop_the_start(opened, path):
    opened().change(quality=60)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    store = opened()
    assert store.change(theme="dark").theme == "dark"
    assert "cannot be kept" in store.note
    holder.execute("ROLLBACK")
    holder.close()


def test_every_setting_has_a_default_of_its_own_type():
    assert all(type(field.default) in (str, int, bool) for field in fields(Settings))


def test_reading_settings_loads_nothing_heavy():
    code = "import sys, outfitswap_desktop.store.settings; print([m for m in ('sqlite_utils', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
