"""The server's keys: made once, changed under the root key, and never believed beyond what the newest list says."""

from __future__ import annotations

import multiprocessing
import queue
import stat
import sys
import threading
from pathlib import Path

import pytest

from outfitswap_desktop.licensing.wire.blobs import BlobError, new_key, public_of
from outfitswap_desktop.licensing.wire.keylist import MOST_KEYS, read_key_list
from outfitswap_desktop.server.keys import folder as files
from outfitswap_desktop.server.keys.change import DAY_MS, OVERLAP_MS, KeysUnusable
from outfitswap_desktop.server.keys.signing import SigningKeys, root_shown
from tests.server.conftest import START, Hand


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def keys(tmp_path: Path, clock: Hand) -> SigningKeys:
    return SigningKeys(tmp_path / "keys", clock=clock)


def _states(keys: SigningKeys, purpose: str) -> list[str]:
    return sorted(key.state for key in keys.key_list().keys.values() if key.purpose == purpose)


def _next(keys: SigningKeys, purpose: str) -> str:
    return next(key.kid for key in keys.key_list().keys.values() if (key.purpose, key.state) == (purpose, "next"))


def test_an_empty_folder_gets_all_it_needs(keys, tmp_path) -> None:
    for purpose in ("lease", "token"):
        assert _states(keys, purpose) == ["active", "next"]
        kid, private = keys.active(purpose)
        assert kid.startswith(f"{purpose}-")
        verifiers = keys.verifiers(purpose)
        assert len(verifiers) == 2
        verifiers[kid].verify(private.sign(b"x"), b"x")
    again = SigningKeys(tmp_path / "keys", clock=Hand())
    assert again.published() == keys.published()
    assert again.root_public == keys.root_public
    assert root_shown(keys).count(" ") == 7


def test_the_list_is_the_roots(keys) -> None:
    found = read_key_list(keys.published(), keys.root_public, at_least_version=START // 1000)
    assert found == keys.key_list()
    with pytest.raises(BlobError) as other:
        read_key_list(keys.published(), public_of(new_key()), at_least_version=1)
    assert other.value.reason == "bad_signature"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_secrets_are_the_owners_alone(keys, tmp_path) -> None:
    for path in (tmp_path / "keys").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert not list((tmp_path / "keys").glob("*.part"))


def test_activating_retires_what_was_in_use(keys, clock, tmp_path) -> None:
    before, _ = keys.active("lease")
    follower = _next(keys, "lease")
    keys.activate(follower)
    assert keys.active("lease")[0] == follower
    assert _states(keys, "lease") == ["active", "next", "retired"]
    assert before in keys.verifiers("lease")
    assert not files.secret_path(tmp_path / "keys", before).exists()
    assert keys.key_list().keys[before].not_after == START + OVERLAP_MS["lease"]
    clock.forward(days=OVERLAP_MS["lease"] / DAY_MS, seconds=0.001)
    assert before not in keys.verifiers("lease")
    keys.new("token")
    assert before not in keys.key_list().keys
    with pytest.raises(KeysUnusable) as twice:
        keys.activate(follower)
    assert twice.value.reason == "key_not_next"


def test_a_revoked_key_counts_for_nothing_and_is_followed(keys, clock, tmp_path) -> None:
    lost, _ = keys.active("token")
    follower = _next(keys, "token")
    keys.revoke(lost)
    assert keys.active("token")[0] == follower
    assert lost not in keys.verifiers("token")
    assert not files.secret_path(tmp_path / "keys", lost).exists()
    assert keys.key_list().keys[lost].state == "revoked"
    for signed_at in (START - 1, START + DAY_MS):
        with pytest.raises(BlobError) as revoked:
            keys.key_list().verifier(lost, "token", signed_at=signed_at)
        assert revoked.value.reason == "revoked_key"
    with pytest.raises(KeysUnusable) as twice:
        keys.revoke(lost)
    assert twice.value.reason == "key_ended"
    keys.revoke(_next(keys, "token"))
    keys.revoke(keys.active("token")[0])
    assert _states(keys, "token").count("active") == 1
    clock.forward(days=401)
    keys.new("lease")
    assert lost not in keys.key_list().keys


def test_retiring_lets_old_signatures_count(keys) -> None:
    first, private = keys.active("token")
    keys.retire(first)
    assert keys.active("token")[0] != first
    keys.verifiers("token")[first].verify(private.sign(b"x"), b"x")
    with pytest.raises(KeysUnusable):
        keys.retire(first)
    keys.revoke(first)
    assert first not in keys.verifiers("token")


def test_every_change_is_a_higher_version(keys, clock) -> None:
    versions = [keys.key_list().version]
    for change in (lambda: keys.new("lease"), lambda: keys.activate(_next(keys, "lease")), lambda: keys.new("token")):
        change()
        versions.append(keys.key_list().version)
    clock.forward(days=2)
    keys.new("lease")
    versions.append(keys.key_list().version)
    assert versions == sorted(set(versions))
    assert versions[-1] >= clock() // 1000


def test_unknown_keys_and_purposes_mixed_up_are_refused(keys) -> None:
    kid, _ = keys.active("lease")
    for action in (keys.activate, keys.retire, keys.revoke):
        with pytest.raises(KeysUnusable) as unknown:
            action("../../etc/passwd")
        assert unknown.value.reason == "key_unknown"
    with pytest.raises(BlobError) as wrong:
        keys.key_list().verifier(kid, "token", signed_at=START)
    assert wrong.value.reason == "unknown_key"


def test_the_root_key_may_be_taken_away(keys, tmp_path) -> None:
    root = tmp_path / "keys" / files.ROOT
    elsewhere = root.rename(tmp_path / "safe.key")
    before = keys.published()
    away = SigningKeys(tmp_path / "keys", clock=Hand())
    assert away.active("lease")[0] == keys.active("lease")[0]
    with pytest.raises(KeysUnusable) as missing:
        away.new("lease")
    assert missing.value.reason == "root_missing"
    files.write_secret(root, new_key())
    with pytest.raises(KeysUnusable) as wrong:
        away.revoke(away.active("lease")[0])
    assert wrong.value.reason == "root_wrong"
    assert away.published() == before
    elsewhere.rename(root)
    away.new("lease")
    assert _states(away, "lease") == ["active", "next", "next"]


def test_another_process_s_change_is_seen(keys, tmp_path) -> None:
    other = SigningKeys(tmp_path / "keys", clock=Hand())
    first, _ = keys.active("lease")
    other.revoke(first)
    assert keys.active("lease")[0] == other.active("lease")[0] != first


def test_damage_is_told_and_never_signed_over(keys, tmp_path) -> None:
    folder = tmp_path / "keys"
    kid, _ = keys.active("lease")
    listed = (folder / files.LIST).read_text()
    secret = files.secret_path(folder, kid).read_text()

    def opened() -> None:
        SigningKeys(folder, clock=Hand())

    def damaged(path: Path, text: str | None) -> None:
        kept = path.read_text()
        path.unlink() if text is None else path.write_text(text)
        with pytest.raises(KeysUnusable) as found:
            opened()
        assert found.value.reason == "keys_unreadable"
        path.write_text(kept)

    damaged(folder / files.LIST, listed[:60] + ("A" if listed[60] != "A" else "B") + listed[61:])
    damaged(files.secret_path(folder, kid), None)
    damaged(files.secret_path(folder, kid), "AAAA\n")
    damaged(files.secret_path(folder, kid), files.secret_path(folder, _next(keys, "lease")).read_text())
    damaged(folder / files.ROOT_PUBLIC, None)
    damaged(folder / files.ROOT_PUBLIC, (folder / files.ROOT).read_text())
    assert files.secret_path(folder, kid).read_text() == secret
    opened()
    (folder / files.ROOT).unlink()
    (folder / files.LIST).unlink()
    with pytest.raises(KeysUnusable):
        opened()


def test_a_list_is_never_longer_than_programs_read(keys) -> None:
    for _ in range(MOST_KEYS - len(keys.key_list().keys)):
        keys.new("lease")
    with pytest.raises(KeysUnusable) as full:
        keys.new("token")
    assert full.value.reason == "keys_full"
    lost = keys.active("lease")[0]
    keys.revoke(lost)
    assert keys.key_list().keys[lost].state == "revoked"
    assert _states(keys, "lease").count("active") == 1
    assert len(read_key_list(keys.published(), keys.root_public, at_least_version=1).keys) == MOST_KEYS


def test_a_change_that_fails_changes_nothing(keys, tmp_path, monkeypatch) -> None:
    before = keys.published()
    monkeypatch.setattr("outfitswap_desktop.server.keys.change.write_secret", _full)
    with pytest.raises(OSError, match="no space"):
        keys.new("lease")
    monkeypatch.undo()
    assert SigningKeys(tmp_path / "keys", clock=Hand()).published() == before
    keys.new("lease")


def _full(*_: object) -> None:
    raise OSError("no space left")


def _open(folder: str, found) -> None:
    keys = SigningKeys(Path(folder), clock=Hand())
    kid = keys.new("lease")
    found.put((keys.root_public, kid))


def _together(tmp_path: Path, several: list, found) -> None:
    """Four at once open an empty folder and each adds a key: one root, no key lost."""
    for one in several:
        one.start()
    told = [found.get(timeout=300) for _ in several]
    for one in several:
        one.join()
    keys = SigningKeys(tmp_path / "keys", clock=Hand())
    assert {root for root, _ in told} == {keys.root_public}
    assert {kid for _, kid in told} <= set(keys.key_list().keys)
    assert _states(keys, "lease") == ["active"] + ["next"] * 5


def test_threads_that_start_at_once_agree(tmp_path) -> None:
    found: queue.Queue = queue.Queue()
    arguments = (str(tmp_path / "keys"), found)
    _together(tmp_path, [threading.Thread(target=_open, args=arguments) for _ in range(4)], found)


@pytest.mark.slow
def test_processes_that_start_at_once_agree(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    arguments = (str(tmp_path / "keys"), found)
    _together(tmp_path, [context.Process(target=_open, args=arguments) for _ in range(4)], found)
