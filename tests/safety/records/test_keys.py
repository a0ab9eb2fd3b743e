"""One secret, made once: in a keyring that counts, under a passphrase, or in a private file that says so."""

import json
import multiprocessing
import os
import stat
import sys
import time
import types

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from outfitswap_desktop import private
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.records import keys as keys_module
from outfitswap_desktop.safety.records import locking, places
from outfitswap_desktop.safety.records.keys import ANCHOR_FILE, EMPTY, KEY_FILE, SAFETY, Anchor, Keys, Secret
from tests.safety.records.conftest import FakeKeyring, none_there

ANCHOR = Anchor(7, b"h" * 32, 123, "abc")


def made(folder, backend=None):
    return Keys(folder, find_backend=lambda: backend)


def public(keys) -> bytes:
    return keys.audit_key().public_key().public_bytes_raw()


def passphrase(tmp_path, monkeypatch, text: bytes = b"correct horse battery\n"):
    path = tmp_path / "passphrase"
    path.write_bytes(text)
    monkeypatch.setenv(private.PASSPHRASE_VARIABLE, str(path))
    return path


# --- where it lies ---


def test_without_a_keyring_it_is_a_private_file_and_says_so(folder):
    keys = made(folder)
    assert keys.place == "file"
    assert "only" in keys.notice
    assert private.PASSPHRASE_VARIABLE in keys.notice
    file = folder / SAFETY / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / SAFETY).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / SAFETY / ANCHOR_FILE).stat().st_mode) == 0o600
    assert public(made(folder)) == public(keys)
    assert keys.anchor() == EMPTY
    assert not list((folder / SAFETY).glob(".*.part"))


def test_the_notice_needs_no_other_question_first(folder):
    assert made(folder).notice
    assert made(folder, FakeKeyring()).notice


def test_in_a_keyring_no_secret_is_in_the_folder(folder, keyring):
    keys = made(folder, keyring)
    assert keys.place == "keyring"
    assert keys.notice == ""
    assert json.loads((folder / SAFETY / KEY_FILE).read_text()) == {"place": "keyring"}
    assert not (folder / SAFETY / ANCHOR_FILE).exists()
    assert len(keyring.entries) == 2
    assert {service for service, _ in keyring.entries} == {"OutfitSwap Desktop"}
    assert public(made(folder, keyring)) == public(keys)


def test_each_data_folder_has_its_own_entries(tmp_path, keyring):
    assert public(made(tmp_path / "a", keyring)) != public(made(tmp_path / "b", keyring))
    assert len(keyring.entries) == 4


def test_a_deleted_folder_finds_its_keyring_entries_again(folder, keyring):
    keys = made(folder, keyring)
    keys.set_anchor(ANCHOR)
    before = public(keys)
    for path in (folder / SAFETY).iterdir():
        path.unlink()
    again = made(folder, keyring)
    assert public(again) == before
    assert again.anchor() == ANCHOR


@pytest.mark.parametrize("method", ["get", "set"])
@pytest.mark.parametrize("way", ["broken", "hangs"])
def test_a_keyring_that_raises_or_hangs_does_not_count(folder, keyring, method, way):
    setattr(keyring, way, (f"{method}_password".split("_")[0],))
    keys = made(folder, keyring)
    started = time.monotonic()
    assert keys.place == "file"
    assert time.monotonic() - started < 5
    assert keys.notice


def test_a_keyring_that_forgets_does_not_count(folder, keyring):
    keyring.forgets = True
    assert made(folder, keyring).place == "file"


def test_a_finder_that_raises_or_hangs_is_no_keyring(monkeypatch):
    def broken():
        raise RuntimeError

    monkeypatch.setattr(private, "_find_backend", broken)
    assert private.real_backend() is None
    monkeypatch.setattr(private, "_find_backend", lambda: time.sleep(5))
    started = time.monotonic()
    assert private.real_backend() is None
    assert time.monotonic() - started < 3


def test_the_limit_is_two_seconds():
    import subprocess

    code = "from outfitswap_desktop import private; print(private.ANSWER_SECONDS)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "2.0\n"


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("keyring.backends.SecretService", True),
        ("keyring.backends.libsecret", True),
        ("keyring.backends.kwallet", True),
        ("keyring.backends.Windows", True),
        ("keyring.backends.macOS", True),
        ("keyring.backends.macOS.api", True),
        ("keyring.backends.fail", False),
        ("keyring.backends.null", False),
        ("keyrings.alt.file", False),
        ("keyring.backends.WindowsX", False),
        ("somebody.else", False),
    ],
)
@pytest.mark.parametrize("chained", [False, True])
def test_only_the_systems_own_backends_count(monkeypatch, module, counts, chained):
    monkeypatch.undo()
    backend = type("Keyring", (), {"__module__": module})()
    other = type("Keyring", (), {"__module__": "keyrings.alt.file"})()
    found = backend
    if chained:
        found = type("Chainer", (), {"__module__": "keyring.backends.chainer", "backends": [other, backend]})()
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_keyring=lambda: found))
    assert (private.real_backend() is backend) == counts
    assert counts or private.real_backend() is None


# --- passphrase ---


def test_under_a_passphrase_the_file_is_sealed(folder, tmp_path, monkeypatch):
    passphrase(tmp_path, monkeypatch)
    keys = made(folder)
    assert keys.place == "passphrase"
    assert keys.notice == ""
    assert "seed" not in json.loads((folder / SAFETY / KEY_FILE).read_text())
    assert stat.S_IMODE((folder / SAFETY / KEY_FILE).stat().st_mode) == 0o600
    assert public(made(folder)) == public(keys)
    passphrase(tmp_path, monkeypatch, b"correct horse battery")
    assert public(made(folder)) == public(keys), "the last line break is not part of it"
    passphrase(tmp_path, monkeypatch, b"correct horse battery\r\n")
    assert public(made(folder)) == public(keys)


@pytest.mark.parametrize("text", [b"another passphrase", b"correct horse battery\n\n", None])
def test_the_wrong_passphrase_makes_no_new_key(folder, tmp_path, monkeypatch, text):
    passphrase(tmp_path, monkeypatch)
    before = (made(folder).place, (folder / SAFETY / KEY_FILE).read_bytes())
    if text is None:
        monkeypatch.delenv(private.PASSPHRASE_VARIABLE)
    else:
        passphrase(tmp_path, monkeypatch, text)
    with pytest.raises(NotAvailable) as refusal:
        made(folder).secret()
    assert refusal.value.reason == "audit_unavailable"
    assert private.PASSPHRASE_VARIABLE in refusal.value.hint
    assert before[1] == (folder / SAFETY / KEY_FILE).read_bytes()


@pytest.mark.parametrize("text", [b"", b"1234567", b"1234567\n"])
def test_a_short_passphrase_is_refused(folder, tmp_path, monkeypatch, text):
    passphrase(tmp_path, monkeypatch, text)
    with pytest.raises(NotAvailable, match="too short"):
        made(folder).secret()
    passphrase(tmp_path, monkeypatch, b"12345678")
    assert made(folder).place == "passphrase"


@pytest.mark.parametrize("name", ["missing", "nul\0", "."])
def test_a_passphrase_file_that_cannot_be_read_is_no_reason_to_go_without(folder, tmp_path, monkeypatch, name):
    monkeypatch.setattr(private.os, "environ", {private.PASSPHRASE_VARIABLE: str(tmp_path / name)})
    with pytest.raises(NotAvailable, match="cannot be read"):
        made(folder).secret()


def test_a_sealed_key_that_was_damaged_is_replaced_and_kept(folder, tmp_path, monkeypatch):
    passphrase(tmp_path, monkeypatch)
    before = public(made(folder))
    file = folder / SAFETY / KEY_FILE
    document = json.loads(file.read_text())
    document["sealed"] = ("00" if document["sealed"][:2] != "00" else "11") + document["sealed"][2:]
    file.write_text(json.dumps(document))
    assert public(made(folder)) != before
    assert len(list((folder / SAFETY).glob(f"{KEY_FILE}.old-*"))) == 1


# --- damaged and missing ---


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"{}",
        b'{"place": "elsewhere"}',
        b'{"place": "file"}',
        b'{"place": "file", "seed": 5}',
        b'{"place": "file", "seed": "' + b"0" * 64 + b'", "check": "0000000000000000"}',
        b'{"place": "file", "seed": "' + b"z" * 64 + b'"}',
        b'{"place": "passphrase"}',
        b'{"place": "keyring"}',
        b"[" * 60_000,
        b" " * 70_000,
        b"\xff\xfe",
    ],
)
def test_a_damaged_key_is_replaced_and_kept_aside(folder, content):
    before = public(made(folder))
    file = folder / SAFETY / KEY_FILE
    file.write_bytes(content)
    keys = made(folder)
    assert public(keys) != before
    assert keys.place == "file"
    assert public(made(folder)) == public(keys)
    assert [path.read_bytes() for path in (folder / SAFETY).glob(f"{KEY_FILE}.old-*")] == [content]


def test_a_link_in_the_place_of_the_key_is_not_followed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(places.plain_document(b"s" * 32)))
    (folder / SAFETY).mkdir(parents=True)
    (folder / SAFETY / KEY_FILE).symlink_to(elsewhere)
    keys = made(folder)
    assert public(keys) != Secret(b"s" * 32).public
    assert not (folder / SAFETY / KEY_FILE).is_symlink()


def test_a_linked_folder_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    (folder / SAFETY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotAvailable, match="link"):
        made(folder).secret()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_folder_in_the_place_of_the_key_can_be_moved_aside(folder):
    (folder / SAFETY / KEY_FILE).mkdir(parents=True)
    assert made(folder).place == "file"


def test_a_file_in_the_place_of_the_folder_is_told(folder):
    folder.mkdir()
    (folder / SAFETY).write_text("x")
    with pytest.raises(NotAvailable) as refusal:
        made(folder).secret()
    assert refusal.value.reason == "audit_unavailable"


def test_when_nothing_can_be_written(folder, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys_module, "write_private", full)
    with pytest.raises(NotAvailable) as refusal:
        made(folder).secret()
    assert refusal.value.reason == "audit_unavailable"
    assert not (folder / SAFETY / KEY_FILE).exists()


def test_when_the_key_cannot_be_read(folder, monkeypatch):
    made(folder).secret()

    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(keys_module, "read_small", denied)
    with pytest.raises(NotAvailable) as refusal:
        made(folder).secret()
    assert refusal.value.reason == "audit_unavailable"
    monkeypatch.undo()
    keys = made(folder)
    keys.secret()
    keys.store("leaf", b"x")
    monkeypatch.setattr(keys_module, "read_small", denied)
    assert keys.load("leaf") is None
    with pytest.raises(NotAvailable):
        keys.anchor()


# --- a keyring that comes and goes ---


def test_a_keyring_that_went_away_is_replaced_by_a_file_and_still_known(folder, keyring):
    keys = made(folder, keyring)
    first = public(keys)
    keyring.broken = ("get",)
    second = made(folder, keyring)
    assert second.place == "file"
    assert second.notice
    assert public(second) != first
    assert set(second.known()) == {public(second)}, "out of reach"
    keyring.broken = ()
    third = made(folder, keyring)
    assert third.place == "file", "it stays where it is"
    assert public(third) == public(second)
    assert set(third.known()) == {public(second), first}
    assert set(made(folder).known()) == {public(second)}
    assert third.known()[first].mac(b"x") == keys.secret().mac(b"x")


@pytest.mark.parametrize("text", ["", "AAAA", "***", "é", "QUFB" * 30])
def test_a_damaged_keyring_entry_is_replaced(folder, keyring, text):
    before = public(made(folder, keyring))
    entry = next(key for key in keyring.entries if key[1].endswith(":seed"))
    keyring.entries[entry] = text
    keys = made(folder, keyring)
    assert keys.place == "keyring"
    assert public(keys) != before
    assert public(made(folder, keyring)) == public(keys)


def test_a_missing_keyring_entry_is_replaced(folder, keyring):
    before = public(made(folder, keyring))
    keyring.entries.clear()
    assert public(made(folder, keyring)) != before


def test_an_old_keyring_entry_that_is_damaged_is_not_known(folder, keyring):
    made(folder, keyring).secret()
    file = made(folder)
    file.secret()
    entry = next(key for key in keyring.entries if key[1].endswith(":seed"))
    for text in ("***", "AAAA"):
        keyring.entries[entry] = text
        assert len(made(folder, keyring).known()) == 1


def test_in_the_keyring_nothing_else_is_asked_for_older_keys(folder, keyring):
    keys = made(folder, keyring)
    assert set(keys.known()) == {public(keys)}


# --- races ---


def _race(folder, start, answers):
    start.wait()
    keys = Keys(folder, find_backend=none_there)
    answers.put(public(keys))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the race is run with forked processes")
def test_programs_that_race_get_one_key(folder):
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    racers = [context.Process(target=_race, args=(folder, start, answers)) for _ in range(6)]
    for racer in racers:
        racer.start()
    start.set()
    seen = {answers.get(timeout=60) for _ in racers}
    for racer in racers:
        racer.join(60)
    assert seen == {public(made(folder))}
    assert not list((folder / SAFETY).glob("*.old-*"))


def test_a_lock_that_is_not_given_back_is_told(folder, monkeypatch):
    monkeypatch.setattr(locking, "WAIT_SECONDS", 0.2)
    (folder / SAFETY).mkdir(parents=True)
    with locking.locked(folder / SAFETY / keys_module.LOCK_FILE):
        with pytest.raises(NotAvailable) as refusal:
            made(folder).secret()
        assert refusal.value.reason == "audit_unavailable"
    assert made(folder).place == "file"


def test_a_lock_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(NotAvailable), locking.locked(tmp_path / "missing" / "lock"):
        pass


def test_the_loser_of_a_race_takes_the_winners_key(folder, monkeypatch):
    winner = made(folder)
    answers = iter([None, *[made(folder)._quietly_found] * 1])
    loser = made(folder)
    found = Keys._quietly_found

    def late(self):
        first = next(answers, "past")
        if first is None:
            winner.secret()
            return None
        return found(self)

    monkeypatch.setattr(Keys, "_quietly_found", late)
    assert public(loser) == winner.secret().public
    assert not list((folder / SAFETY).glob("*.old-*"))


# --- what is drawn from it ---


def test_the_keys_are_drawn_from_the_seed_and_nothing_else():
    """Fixed values: a change would lose every key of every installation."""
    secret = Secret(bytes(range(32)))
    assert places.SEED_BYTES == 32
    assert secret.public.hex() == PUBLIC
    assert secret.mac_key.hex() == MAC_KEY
    assert secret.mac(b"ab", b"c") != secret.mac(b"a", b"bc")
    assert secret.mac(b"ab", b"c").hex() == MAC


PUBLIC = "e72e1fa4ded95432cb32ac733a8ec797cfa618a0939a9469335237a637303e04"
MAC_KEY = "1a4c3d4d806bdf2bfd4cf9e7e331afab170ba3227f049605edaa55e4795a9f1d"
MAC = "70003704c1a9436f8475b2053f93930c8db20d8ffd3950a19430246cf821bc47"
PRIVATE = "0x2c4ab7f4773edcfded826ac990385dde152ec223266bb31eadf7ecdc7d21c0d1"


def test_the_signing_key_is_p256_and_stays(folder, monkeypatch):
    keys = made(folder)
    pem = keys.signing_key()
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    key = load_pem_private_key(pem, None)
    assert isinstance(key.curve, ec.SECP256R1)
    assert made(folder).signing_key() == pem
    assert Keys(None).signing_key() != pem
    fixed = Keys(None)
    fixed._secret = Secret(bytes(range(32)))
    number = load_pem_private_key(fixed.signing_key(), None).private_numbers().private_value
    assert hex(number) == PRIVATE


def test_the_order_of_the_curve():
    assert ec.SECP256R1().group_order == keys_module._P256_ORDER


# --- small things ---


def test_small_things_are_kept_sealed(folder):
    keys = made(folder)
    assert keys.load("leaf-certificate") is None
    keys.store("leaf-certificate", b"-----BEGIN CERTIFICATE-----")
    assert made(folder).load("leaf-certificate") == b"-----BEGIN CERTIFICATE-----"
    file = folder / SAFETY / "leaf-certificate.sealed"
    assert b"CERTIFICATE" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.rename(folder / SAFETY / "other.sealed")
    assert keys.load("other") is None, "sealed under its own name"
    keys.store("empty", b"")
    assert keys.load("empty") == b""
    for content in (b"", b"x" * 27, b"x" * 28, b"x" * 70_000):
        (folder / SAFETY / "empty.sealed").write_bytes(content)
        assert keys.load("empty") is None
    (folder / SAFETY / "linked.sealed").symlink_to(folder / SAFETY / "other.sealed")
    assert keys.load("linked") is None


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "1a", "a" * 41, "a.b", "a\n"])
def test_odd_names_are_refused(folder, name):
    keys = made(folder)
    with pytest.raises(ValueError, match="name"):
        keys.store(name, b"x")
    with pytest.raises(ValueError, match="name"):
        keys.load(name)


def test_large_things_are_refused(folder):
    keys = made(folder)
    keys.store("a" * 40, b"x" * 32_768)
    assert keys.load("a" * 40) == b"x" * 32_768
    with pytest.raises(ValueError, match="32 kB"):
        keys.store("a", b"x" * 32_769)


def test_what_cannot_be_stored_is_told(folder, monkeypatch):
    keys = made(folder)
    keys.secret()

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys_module, "write_private", full)
    with pytest.raises(NotAvailable):
        keys.store("a", b"x")
    with pytest.raises(NotAvailable):
        keys.set_anchor(ANCHOR)


def test_in_memory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = Keys(None, find_backend=lambda: pytest.fail("no keyring is needed"))
    assert (keys.place, keys.notice) == ("memory", "")
    keys.store("a", b"x")
    assert keys.load("a") == b"x"
    assert keys.load("b") is None
    assert keys.anchor() == EMPTY
    keys.set_anchor(ANCHOR)
    assert keys.anchor() == ANCHOR
    assert set(keys.known()) == {public(keys)}
    assert not list(tmp_path.iterdir())


# --- the anchor ---


@pytest.mark.parametrize("backend", [None, FakeKeyring()])
def test_an_anchor_stays(folder, backend):
    keys = made(folder, backend)
    keys.set_anchor(ANCHOR)
    assert made(folder, backend).anchor() == ANCHOR


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"seq": -1, "hash": "' + "00" * 32 + '", "at": 1, "key": ""}',
             '{"seq": 1, "hash": "00", "at": 1, "key": ""}', '{"seq": Infinity, "hash": "", "at": 1, "key": ""}',
             '{"seq": 1, "hash": "zz", "at": 1, "key": ""}', "[" * 60_000],
)  # fmt: skip
def test_a_damaged_anchor_is_lost(folder, text):
    keys = made(folder)
    keys.secret()
    (folder / SAFETY / ANCHOR_FILE).write_text(text)
    assert keys.anchor() is None
    (folder / SAFETY / ANCHOR_FILE).unlink()
    assert keys.anchor() is None


def test_an_anchor_in_a_keyring_that_is_out_of_reach(folder, keyring):
    keys = made(folder, keyring)
    keys.secret()
    keyring.broken = ("get",)
    with pytest.raises(NotAvailable):
        keys.anchor()
    with pytest.raises(NotAvailable):
        keys.set_anchor(ANCHOR)


def test_a_key_that_is_made_anew_keeps_the_anchor(folder, keyring):
    for backend in (None, keyring):
        place = folder / ("k" if backend else "f")
        keys = made(place, backend)
        keys.set_anchor(ANCHOR)
        (place / SAFETY / KEY_FILE).unlink()
        for entry in [entry for entry in keyring.entries if entry[1].endswith(":seed")]:
            keyring.entries[entry] = "***"
        again = made(place, backend)
        assert public(again) != public(keys)
        assert again.anchor() == ANCHOR


def test_a_damaged_anchor_in_a_keyring_is_left_for_the_log_to_tell(folder, keyring):
    made(folder, keyring).secret()
    for entry in list(keyring.entries):
        keyring.entries[entry] = "***"
    assert made(folder, keyring).anchor() is None


def test_writing_privately_leaves_nothing_behind(tmp_path, monkeypatch):
    def broken(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(private.os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        private.write_private(tmp_path / "a", b"x")
    assert not list(tmp_path.iterdir())


def test_deleting_from_a_keyring(folder, keyring):
    place = private.KeyringPlace(keyring, folder)
    assert not place.delete("a")
    place.put("a", b"x")
    assert place.delete("a")
    keyring.entries["OutfitSwap Desktop", place._user("a")] = "***"
    assert place.delete("a"), "a damaged one too"
    assert place.get("a") is None
    keyring.broken = ("delete",)
    keyring.entries["OutfitSwap Desktop", place._user("a")] = "AAAA"
    with pytest.raises(private.UnreachableError):
        place.delete("a")


def test_a_keyring_that_gives_back_rubbish_does_not_count(folder, keyring):
    class Garbling(FakeKeyring):
        def get_password(self, service, username):
            return "***" if (service, username) in self.entries else None

    with pytest.raises(private.UnreachableError):
        private.KeyringPlace(Garbling(), folder).put("a", b"x")
