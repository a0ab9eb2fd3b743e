"""`outfitswap models` from end to end against a hub of our own: answers, sentences and exit codes."""

import json
import zipfile

import pytest

from outfitswap_desktop.cli import run
from outfitswap_desktop.weights.catalogue import read_catalogue
from tests.weights.conftest import (  # noqa: F401
    FILES,
    SAM,
    UNET,
    catalogue_file,
    hub,
    mirror,
    no_environment,
)
from tests.weights.hub import COMMIT
from tests.weights.test_importing import GOOD, checkpoint

COMMANDS = ("list", "get", "verify", "import", "remove", "network", "pin")


@pytest.fixture(autouse=True)
def ours(catalogue_file, monkeypatch):  # noqa: F811
    monkeypatch.setattr("outfitswap_desktop.paths.resource", lambda name: catalogue_file.parent / name)
    monkeypatch.setattr("outfitswap_desktop.cli_models.can_ask", lambda: False)


@pytest.fixture
def ask(capsys):
    def asked(*arguments):
        code = run([*map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return asked


def error(answer):
    return answer["error"]["kind"], answer["error"]["reason"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys, command):
    assert run(["models", command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_list_says_what_there_is_before_any_click(hub, ask, own_home):  # noqa: F811
    code, answer = ask("models", "list")
    assert code == 0
    assert answer["folder"] == str(own_home / "weights")
    assert answer["free_bytes"] > 0
    rows = {row["id"]: row for row in answer["weights"]}
    tiny, strict, plain = rows["tiny"], rows["strict"], rows["plain"]
    assert (tiny["state"], tiny["bytes"], tiny["size_is_estimate"], tiny["pinned"]) == ("missing", 3400000, True, False)
    assert (plain["bytes"], plain["size_is_estimate"], plain["pinned"]) == (len(SAM), False, True)
    assert strict["licence"] == {
        "name": "Research only", "url": "https://example.org/research", "commercial": False, "restrictions": True,
        "asks": True, "accepted": None,
    }  # fmt: skip
    assert hub.seen == []


def test_list_for_people(capsys, ask):
    ask("models", "get", "plain")
    assert run(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    plain = next(line for line in lines if " plain " in line)
    assert plain.split()[:4] == ["installed", "plain", "0.9", "MB"]
    assert "  pinned " in plain
    strict = next(line for line in lines if " strict " in line)
    assert "not pinned yet" in strict
    assert "not for commercial work" in strict


def test_get_verify_repair_remove(hub, ask, own_home, capsys):  # noqa: F811
    code, answer = ask("models", "get", "tiny", "plain")
    assert code == 0
    assert [row["id"] for row in answer["weights"]] == ["tiny", "plain"]
    assert answer["weights"][0]["revision"] == COMMIT
    assert ask("models", "verify") == (
        0,
        {
            "weights": [
                {"id": each, "damage": {}, "repaired": False, "state": "installed"} for each in ("tiny", "plain")
            ]
        },
    )
    path = own_home / "weights" / "tiny" / "vae" / "diffusion.safetensors"
    path.write_bytes(b"x")
    code, answer = ask("models", "verify", "tiny")
    assert code == 4
    assert list(answer["weights"][0]["damage"]) == ["vae/diffusion.safetensors"]
    assert run(["models", "verify", "tiny"]) == 4
    assert "vae/diffusion.safetensors" in capsys.readouterr().out
    hub.seen.clear()
    code, answer = ask("models", "verify", "tiny", "--repair")
    assert (code, answer["weights"][0]["repaired"], answer["weights"][0]["state"]) == (0, True, "installed")
    assert [seen.path.rpartition("/")[2] for seen in hub.downloads()] == ["diffusion.safetensors"]
    code, answer = ask("models", "remove", "tiny")
    assert code == 0
    assert answer["weights"][0]["freed"] > len(UNET)
    code, answer = ask("models", "verify", "tiny")
    assert (code, *error(answer)) == (4, "not_available", "weights_missing")


def test_what_else_an_engine_needs_is_said(ask, catalogue_file, capsys):  # noqa: F811
    text = catalogue_file.read_text(encoding="utf-8")
    catalogue_file.write_text(text.replace('engines = ["tiny"]\noptional = true\npickle', 'engines = ["tiny"]\npickle'))
    assert run(["models", "get", "tiny"]) == 0
    assert "the engine tiny needs plain too" in capsys.readouterr().err
    assert run(["models", "get", "plain"]) == 0
    assert "needs" not in capsys.readouterr().err


def test_a_dry_run_fetches_nothing(hub, ask):  # noqa: F811
    code, answer = ask("models", "get", "tiny", "--dry-run")
    assert code == 0
    (row,) = answer["weights"]
    assert (row["basis"], row["fits"], row["bytes"]) == ("hub", True, row["left"])
    assert hub.downloads() == []


def test_licences(hub, ask, capsys, monkeypatch):  # noqa: F811
    code, answer = ask("models", "get", "strict")
    assert (code, *error(answer)) == (4, "not_available", "licence_not_accepted")
    assert hub.seen == []
    monkeypatch.setattr("outfitswap_desktop.cli_models.can_ask", lambda: True)
    monkeypatch.setattr("outfitswap_desktop.cli_models.ask_typed", lambda _question: "no")
    assert run(["models", "get", "strict"]) == 4
    said = capsys.readouterr().err
    assert "https://example.org/research" in said
    assert "does not allow commercial use" in said
    monkeypatch.setattr("outfitswap_desktop.cli_models.ask_typed", lambda _question: "accept")
    assert run(["models", "get", "strict"]) == 0
    capsys.readouterr()
    _, answer = ask("models", "list")
    assert next(row for row in answer["weights"] if row["id"] == "strict")["licence"]["accepted"].startswith("20")


def test_accepting_on_the_command_line(ask):
    assert ask("models", "get", "strict", "--accept-licence")[0] == 0


def test_usage(ask):
    for arguments in (
        ("get",),
        ("get", "nonsense"),
        ("remove", "../history"),
        ("verify", "nonsense"),
        ("import", "tiny"),
    ):
        code, answer = ask("models", *arguments)
        assert (code, answer["error"]["kind"]) == (2, "usage"), arguments


def test_network_settings_count(hub, mirror, ask):  # noqa: F811
    code, answer = ask("models", "network", "--offline", "--mirror", mirror.url)
    assert (code, answer["offline"], answer["mirrors"]) == (0, True, [mirror.url])
    code, answer = ask("models", "get", "plain")
    assert (code, *error(answer)) == (4, "not_available", "offline")
    assert ask("models", "network", "--mirror", "nonsense")[0] == 2
    code, answer = ask("models", "network", "--online", "--mirror", "")
    assert (answer["offline"], answer["mirrors"]) == (False, [])
    assert ask("models", "get", "plain")[0] == 0
    assert ask("models", "network")[1]["hub"] == hub.url


def test_import(ask, tmp_path, own_home):
    mine = checkpoint(tmp_path / "mine.pth", GOOD)
    code, answer = ask("models", "import", "plain", mine)
    assert (code, *error(answer)) == (3, "input_refused", "not_asked")
    code, answer = ask("models", "import", "plain", mine, "--yes")
    assert (code, answer["by"], answer["state"]) == (0, "structure", "installed")
    for path, content in FILES.items():
        (tmp_path / "tiny" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tiny" / path).write_bytes(content)
    code, answer = ask("models", "import", "tiny", tmp_path / "tiny")
    assert (code, *error(answer)) == (4, "not_available", "hash_unknown")
    code, answer = ask("models", "import", "tiny", tmp_path / "tiny", "--ask-hub")
    assert (code, answer["by"], answer["state"], answer["missing"]) == (0, "hash", "installed", [])
    (tmp_path / "other.safetensors").write_bytes(UNET[::-1])
    code, answer = ask("models", "import", "tiny", tmp_path / "other.safetensors", "--yes")
    assert (code, *error(answer)) == (3, "input_refused", "wrong_hash")
    with zipfile.ZipFile(tmp_path / "bad.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n.")
    code, answer = ask("models", "import", "plain", tmp_path / "bad.pth", "--yes")
    assert (code, *error(answer)) == (3, "input_refused", "unknown_pickle")


def test_pin(ask, catalogue_file):  # noqa: F811
    code, answer = ask("models", "pin", "--catalogue", catalogue_file, "tiny", "strict")
    assert code == 0
    assert {row["revision"] for row in answer["weights"]} == {COMMIT}
    assert all(read_catalogue(catalogue_file).get(each).pinned for each in ("tiny", "strict", "plain"))
    code, answer = ask("models", "pin", "--catalogue", catalogue_file, "--revision", "v1")
    assert (code, answer["error"]["kind"]) == (2, "usage")


def test_a_hub_that_does_not_answer(hub, ask, capsys):  # noqa: F811
    hub.close()
    code, answer = ask("models", "get", "tiny")
    assert (code, *error(answer)) == (4, "not_available", "no_network")
    assert "Errno" not in answer["error"]["message"]
    assert run(["models", "get", "tiny"]) == 4
    said = capsys.readouterr().err
    assert said.count("\n") == 1, "one line"
