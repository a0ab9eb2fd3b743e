"""Lists of words are the ones that this version came with, or no prompt is allowed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import apart, deny, exceptions, lists, pinned, pins, policy, wordbook
from tests.safety.prompt import pin

FILES = sorted(pins.PINS)
READERS = {
    "policy/deny/en.txt": lists.read,
    "policy/exceptions.txt": exceptions._automaton,
    "policy/harmless.txt": exceptions._harmless,
    "policy/ordinary.txt": lambda: apart.ordinary(()),
    "policy/vocabulary/garments.txt": wordbook.words,
    "policy/vocabulary/refused.txt": wordbook.words,
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A copy of resources/policy that is read instead of the program's."""
    shutil.copytree(resources_dir() / pinned.POLICY, tmp_path / pinned.POLICY)
    for module in (pinned, lists, exceptions, apart, wordbook):
        monkeypatch.setattr(module, "resources_dir", lambda: tmp_path)
    caches = [exceptions._automaton, exceptions._harmless, wordbook.words]
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


def said(call) -> str:
    with pytest.raises(NotAvailable) as caught:
        call()
    assert caught.value.reason == "policy_broken"
    assert "no prompt is allowed" in caught.value.hint
    return caught.value.message


def test_the_table_is_that_of_the_lists():
    """After a change of a list on purpose: python -m tests.safety.prompt.pin."""
    assert pin.table() == pins.PINS
    assert len(pins.PINS) >= 60
    assert Path(pins.__file__).read_text(encoding="utf-8") == pin.text(pins.PINS)


def test_an_unchanged_copy_is_read(home):
    for read in READERS.values():
        assert read() is not None


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("how", ["added", "emptied", "cut", "one sign", "missing"])
def test_a_changed_list_is_refused_with_its_name(home, name, how):
    path = home / name
    text = path.read_text(encoding="utf-8")
    changed = {
        "added": text + "\nnaked\n",
        "emptied": "",
        "cut": text[: len(text) // 2],
        "one sign": text.replace("e", "a", 1),
    }
    if how == "missing":
        path.unlink()
    else:
        path.write_text(changed[how], encoding="utf-8")
    message = said(READERS[name])
    assert path.name in message
    if how != "missing":
        assert message.endswith("it is not the one that came with this version.")


@pytest.mark.parametrize("folder", ["deny", "vocabulary"])
def test_a_list_that_did_not_come_with_this_version_is_refused(home, folder):
    (home / "policy" / folder / "zz.txt").write_text("[nudity]\nzorb\n", encoding="utf-8")
    message = said(lists.read if folder == "deny" else wordbook.words)
    assert message == "The list zz.txt of the prompt policy cannot be used: it did not come with this version."


@pytest.mark.parametrize("name", [name for name in FILES if name.count("/") == 2][::7])
def test_a_list_that_is_missing_is_named(home, name):
    (home / name).unlink()
    read = lists.read if "/deny/" in name else wordbook.words
    assert said(read) == f"The list {Path(name).name} of the prompt policy cannot be used: it is missing."


def test_a_folder_without_lists_is_refused(home):
    shutil.rmtree(home / "policy" / "deny")
    assert "there is no file in it" in said(lists.list_files)


def test_other_ends_of_lines_are_the_same_list(home):
    path = home / "policy" / "harmless.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert exceptions._harmless()


def test_a_list_elsewhere_is_none_of_ours(tmp_path):
    path = tmp_path / "en.txt"
    shutil.copy(resources_dir() / "policy/deny/en.txt", path)
    assert "not the one" in said(lambda: pinned.content(path))


def test_exceptions_without_a_phrase_are_an_error(monkeypatch):
    monkeypatch.setattr(exceptions, "phrases", lambda: iter(()))
    exceptions._automaton.cache_clear()
    assert "nothing is in it" in said(exceptions._automaton)


BROKEN = """
import sys
from pathlib import Path
from outfitswap_desktop import paths
home = Path(sys.argv[1])
paths.resources_dir = lambda: home
from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.safety.prompt import policy
try:
    print("allowed", policy.check("navy linen shirt").allowed)
except KnownError as problem:
    print(problem.reason)
"""


@pytest.mark.parametrize("flag", ["-B", "-OO"])
@pytest.mark.parametrize("name", ["policy/exceptions.txt", "policy/vocabulary/colours.txt"])
def test_a_whole_program_with_a_changed_list_allows_nothing(tmp_path, flag, name):
    shutil.copytree(resources_dir() / pinned.POLICY, tmp_path / pinned.POLICY)
    (tmp_path / name).write_text("", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, flag, "-c", BROKEN, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout.strip() == "policy_broken"


def test_the_policy_and_the_lists_read_what_is_pinned():
    assert policy.check("navy linen shirt").allowed
    assert {f"policy/deny/{language}.txt" for language in deny.languages()} <= set(FILES)
