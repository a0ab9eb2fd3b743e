"""Where the secrets lie: the keyring, a sealed file, a plain file; and a real Secret Service."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.licensing.vault import SECRETS_FILE, Vault
from outfitswap_desktop.private import PASSPHRASE_VARIABLE, real_backend


class Keyring:
    """A keyring that can be locked."""

    def __init__(self):
        self.kept = {}
        self.locked = False

    def get_password(self, service, username):
        if self.locked:
            raise RuntimeError
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        if self.locked:
            raise RuntimeError
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


def test_the_keyring_comes_first(tmp_path):
    keyring = Keyring()
    vault = Vault(tmp_path, find_backend=lambda: keyring)
    assert vault.put("session", b"secret") == "keyring"
    assert vault.get("session") == b"secret"
    assert list(tmp_path.iterdir()) == []
    assert Vault(tmp_path / "other", find_backend=lambda: keyring).get("session") is None
    vault.delete("session")
    assert keyring.kept == {}


def test_without_one_a_file_that_only_its_owner_reads(tmp_path):
    vault = Vault(tmp_path, find_backend=lambda: None)
    assert vault.put("session", b"secret") == "file"
    assert vault.put("device", b"\0\1") == "file"
    path = tmp_path / SECRETS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Vault(tmp_path, find_backend=lambda: None)
    assert (again.get("session"), again.get("device")) == (b"secret", b"\0\1")
    again.delete("session")
    again.delete("device")
    assert not path.exists()


def test_a_locked_keyring_falls_back_and_takes_over_again(tmp_path):
    keyring = Keyring()
    vault = Vault(tmp_path, find_backend=lambda: keyring)
    vault.put("session", b"old")
    keyring.locked = True
    assert vault.get("session") is None
    assert vault.put("session", b"new") == "file"
    keyring.locked = False
    assert vault.get("session") == b"new"
    assert vault.put("session", b"newer") == "keyring"
    assert vault.get("session") == b"newer"
    assert not (tmp_path / SECRETS_FILE).exists()


def test_a_passphrase_seals_the_file(tmp_path, monkeypatch):
    words = tmp_path / "words"
    words.write_text("long enough\n")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, str(words))
    vault = Vault(tmp_path, find_backend=lambda: None)
    assert vault.put("session", b"secret") == "passphrase"
    assert b"secret" not in (tmp_path / SECRETS_FILE).read_bytes()
    assert "session" not in (tmp_path / SECRETS_FILE).read_text()
    assert Vault(tmp_path, find_backend=lambda: None).get("session") == b"secret"
    for text in ("something else\n", "short\n"):
        words.write_text(text)
        with pytest.raises(NotAvailable):
            Vault(tmp_path, find_backend=lambda: None).get("session")
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    with pytest.raises(NotAvailable) as caught:
        vault.get("session")
    assert caught.value.reason == "secrets_unusable"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"place": "file"}', '{"place": "file", "secrets": {"session": 1}}'])
def test_a_damaged_file_is_as_if_nobody_had_signed_in(tmp_path, text):
    (tmp_path / SECRETS_FILE).write_text(text)
    vault = Vault(tmp_path, find_backend=lambda: None)
    assert vault.get("session") is None
    vault.put("session", b"x")
    assert vault.get("session") == b"x"


def test_null_and_plain_backends_do_not_count():
    assert real_backend() is None


REAL = """
import sys
from pathlib import Path
from outfitswap_desktop.licensing.vault import Vault
vault = Vault(Path(sys.argv[1]))
assert vault.put("session", b"s" * 43) == "keyring", "not in the keyring"
assert vault.put("device", bytes(range(32))) == "keyring"
again = Vault(Path(sys.argv[1]))
assert again.get("device") == bytes(range(32))
again.delete("session")
assert again.get("session") is None
assert not list(Path(sys.argv[1]).iterdir())
print("kept")
"""


def test_a_real_secret_service(tmp_path):
    if not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")):
        pytest.skip("gnome-keyring and dbus are not installed")
    folder, home, run = tmp_path / "data", tmp_path / "home", tmp_path / "run"
    for one in (folder, home, run):
        one.mkdir(mode=0o700)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_KEYRING_BACKEND"}
    environment |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(run), "XDG_DATA_HOME": str(home / "share")}
    script = tmp_path / "real.py"
    script.write_text(REAL)
    unlock = "printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1"
    command = f"{unlock}; {json.dumps(sys.executable)} {script} {folder}"
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", command],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "kept" in done.stdout, done.stderr
