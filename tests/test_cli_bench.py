"""`outfitswap bench` on machines with and without torch."""

import importlib.util
import json

import pytest

from outfitswap_desktop.cli import run

WITHOUT_TORCH = importlib.util.find_spec("torch") is None


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTFITSWAP_HOME", str(tmp_path / "home"))


@pytest.fixture
def no_torch(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))


def test_without_torch_the_way_out_is_told(capsys, no_torch):
    assert run(["bench"]) == 4
    told = capsys.readouterr().err
    assert "uv sync --extra gpu" in told
    assert told.count("\n") == 1


def test_without_torch_the_document_is_an_error(capsys, no_torch):
    assert run(["bench", "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["reason"]) == ("not_available", "torch_missing")


@pytest.mark.parametrize("arguments", [["--suite", "huge"], ["--only", "Z99"]])
def test_nonsense_is_refused_before_anything_is_measured(capsys, arguments):
    assert run(["bench", *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_a_folder_that_is_not_there_is_refused_at_once(capsys, tmp_path):
    assert run(["bench", "-o", str(tmp_path / "nowhere" / "bench.json")]) == 4
    assert "does not exist" in capsys.readouterr().err


def test_help_names_the_suites(capsys):
    assert run(["bench", "--help"]) == 0
    assert "--suite" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(WITHOUT_TORCH, reason="torch is not installed: uv run --extra gpu pytest")
def test_one_measurement_as_table_and_as_document(capsys, tmp_path):
    file = tmp_path / "bench.json"
    assert run(["bench", "--only", "C11", "-o", str(file)]) == 0
    shown = capsys.readouterr()
    assert "encodes for the 2nd outfit" in shown.out
    assert "C11" in shown.err
    written = json.loads(file.read_text("utf-8"))
    assert [row["id"] for row in written["rows"]] == ["C11"]
    assert run(["bench", "--only", "C11", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["rows"][0]["reached"] is True
    assert shown.err == ""
