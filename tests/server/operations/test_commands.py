"""The command line as an operator uses it, on SQLite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.server.__main__ import app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.services import open_services
from tests.server.operations.conftest import Crowd

ROOT = Path(__file__).parents[3]
HEAVY = ("sqlalchemy", "fastapi", "stripe", "alembic", "uvicorn", "pydantic", "cryptography")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """One command; its exit code and what it printed."""
    monkeypatch.setenv("OUTFITSWAP_SERVER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def once(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words))
        if isinstance(result.exception, KnownError):
            return result.exception.exit_code, result.exception.message
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout

    return once


def test_help_loads_nothing_heavy():
    code = f"""
import sys
sys.argv = ["outfitswap-server", "--help"]
from outfitswap_desktop.server.__main__ import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "serve" in done.stdout


def test_a_day_of_an_operator(run, tmp_path):
    assert run("admin", "ledger", "verify")[0] == 4
    assert run("migrate", "--check")[0] == 3
    assert run("migrate")[0] == 0
    assert run("migrate", "--check")[0] == 0
    services = open_services(Settings(outfitswap_server_home=tmp_path / "home"))
    one = Crowd(services)(credits=10)
    services.close()
    who = one.account_id
    assert run("admin", "credits", "grant", who, "5")[0] == 2
    given = run("admin", "credits", "grant", who, "5", "--reason", "sorry", "--ref", "t1", "--bucket", "paid", "--json")
    assert json.loads(given[1])[0]["given"] == 5
    again = run("admin", "credits", "grant", who, "5", "--reason", "sorry", "--ref", "t1", "--bucket", "paid", "--json")
    assert json.loads(again[1])[0]["given"] == 0
    assert run("admin", "credits", "revoke", who, "100", "--reason", "fraud")[0] == 0
    found = json.loads(run("admin", "accounts", "find", who, "--json")[1])[0]
    assert found["available"] == 0
    assert found["debt"] > 0
    assert run("admin", "accounts", "freeze", who, "--reason", "fraud") == (0, f"{who} is frozen.\n")
    assert run("admin", "accounts", "freeze", who, "--reason", "fraud")[0] == 3
    assert run("admin", "accounts", "unfreeze", who, "--reason", "paid")[0] == 0
    assert run("admin", "accounts", "find", "nobody@example.org") == (3, "There is no such account.")
    keys = run("admin", "licences", "issue", "--count", "3", "--credits", "7", "--reason", "shop")[1].split()
    assert len(set(keys)) == 3
    kid = run("admin", "keys", "new", "lease", "--reason", "yearly")[1].strip()
    assert run("admin", "keys", "activate", kid, "--reason", "yearly")[0] == 0
    assert kid in run("admin", "keys", "list")[1]
    assert (
        run("admin", "packs", "put", "tiny", "--title", "Ten", "--credits", "10", "--amount", "99", "--reason", "x")[0]
        == 0
    )
    assert "tiny" in run("admin", "packs", "list")[1]
    for words in (("leases", "list"), ("orders", "list"), ("mail", "list"), ("credits", "history", who)):
        assert run("admin", *words)[0] == 0
    assert run("admin", "reservations", "expire")[0] == 0
    assert run("admin", "accounts", "export", who, str(tmp_path / "out.json"), "--reason", "asked")[0] == 0
    assert (tmp_path / "out.json").stat().st_mode & 0o077 == 0
    assert run("admin", "ledger", "verify")[0] == 0
    assert run("admin", "ledger", "balances")[0] == 0
    assert run("admin", "accounts", "delete", who, "--reason", "asked")[0] == 0
    code, words = run("admin", "audit", "verify")
    assert code == 0
    assert int(words.split()[0]) >= 10
    actions = {row["action"] for row in json.loads(run("admin", "audit", "list", "--json")[1])}
    assert {"credits.grant", "credits.revoke", "account.freeze", "licence.issue", "key.activate"} <= actions
    assert run("backup", str(tmp_path / "copy.tar"))[0] == 0
    assert run("restore", str(tmp_path / "copy.tar"))[0] == 2


def test_a_wrong_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("PORT", "99999999")
    code, words = run("migrate")
    assert code == 2
    assert words.startswith("PORT")
