"""What is deployed, as far as it can be checked without a container engine: the files' syntax and their promises."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import requests
import yaml

from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.operations.metrics import Metrics

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DESKTOP = ("pyside6", "numpy", "opencv", "torch", "mediapipe", "pillow", "onnxruntime")


def check(*words: str, folder: Path = DEPLOY) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_proxy_pass_their_own_linters():
    check("promtool", "check", "rules", "alerts.yml")
    check("promtool", "test", "rules", "alerts_test.yml")
    check("caddy", "validate", "--adapter", "caddyfile", "--config", "Caddyfile")


def test_dashboard_and_alerts_ask_for_metrics_that_exist():
    known = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    known |= {
        f"{family.name}{end}" for family in Metrics().registry.collect() for end in ("", "_total", "_count", "_bucket")
    }
    board = json.loads((DEPLOY / "grafana/outfitswap.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    asked += [rule["expr"] for rule in rules]
    names = {name for expression in asked for name in re.findall(r"outfitswap_\w+", expression)}
    assert names <= known
    assert len(names) > 15
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_image_is_small_without_root_and_watched():
    lines = (DEPLOY / "Dockerfile").read_text()
    last = lines.split("\nFROM ")[-1]
    assert lines.startswith("# syntax=")
    assert "-slim-" in last.splitlines()[0]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert last.index("USER ") < last.index("ENTRYPOINT")
    assert "HEALTHCHECK" in last
    assert "/readyz" in last
    assert "uv" not in re.findall(r"^COPY (?!--from=build).*", last, re.MULTILINE)
    date = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    assert f"EXCLUDE_NEWER={date}" in lines
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", lines, re.MULTILINE):
        assert all((ROOT / part).exists() for part in source.split()), source


def test_compose_names_settings_that_exist_and_opens_no_more_than_the_proxy():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert {name.lower() for name in services["server"]["environment"]} <= set(Settings.model_fields)
    assert [name for name, service in services.items() if "ports" in service and "profiles" not in service] == ["proxy"]
    assert compose["networks"]["inside"]["internal"] is True
    for name in ("database", "redis"):
        assert services[name]["networks"] == ["inside"]
        assert "healthcheck" in services[name]


def test_the_manual_names_every_setting():
    table = (ROOT / "docs/operations.md").read_text()
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in table] == []


@pytest.mark.slow
def test_the_wheel_installs_alone_and_serves(tmp_path):
    """Builds the wheel and installs it with what it asks for, from the registry, into an environment with nothing else."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    date = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    environment = {**os.environ, "UV_EXCLUDE_NEWER": date}
    environment.pop("PYTHONPATH", None)

    def uv(*words: str) -> str:
        done = subprocess.run(["uv", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    uv("build", "--wheel", "server", "-o", str(tmp_path / "dist"))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    bare = tmp_path / "bare"
    uv("venv", "--python", sys.executable, str(bare))
    uv("pip", "install", "--python", str(bare), str(wheel))
    listed = uv("pip", "list", "--python", str(bare)).lower()
    assert not [name for name in DESKTOP if name in listed]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [bare / "bin/outfitswap-server", "serve", "--port", "0"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "METRICS_PORT": "0"},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"Listening on (\S+)", log.read_text())):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        assert requests.get(f"{found[1]}/readyz", timeout=10).json()["status"] == "ready"
        assert "<html" in requests.get(found[1], timeout=10).text
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert "First start" in log.read_text()
    installed = next(bare.glob("lib/python*/site-packages/outfitswap_desktop"))
    rooms = {part.name for part in installed.iterdir() if part.name != "__pycache__"}
    assert rooms == {"__init__.py", "errors.py", "licensing", "server"}
    assert ast.parse((installed / "__init__.py").read_text())
