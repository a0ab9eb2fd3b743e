"""Python's -O and -OO take out asserts and docstrings: no gate may live in one, and none may lose its description's place."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import outfitswap_desktop
from outfitswap_desktop.safety import api

SAY = """
import json
from outfitswap_desktop.safety import api
print(json.dumps([[g.name, g.judges, repr(sorted(g.thresholds.items())), bool(g.about)] for g in api.gates()]))
"""


def said(*flags: str) -> list:
    run = subprocess.run([sys.executable, *flags, "-c", SAY], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(run.stdout)


def test_the_same_gates_with_the_same_limits_run_without_asserts_and_docstrings():
    plain = said()
    assert [row[0] for row in plain] == [gate.name for gate in api.gates()]
    assert len(plain) >= 16
    assert all(row[3] for row in plain)
    assert said("-O") == said("-OO") == plain


def test_no_gate_is_an_assert():
    """Those in the safety room tell the type checker that something is there; none compares, counts or calls a check."""
    room = Path(outfitswap_desktop.__file__).parent / "safety"
    told = re.compile(r"assert (isinstance\(\w+, \w+\)|[\w.]+ is not None)$")
    found = [
        ast.unparse(node)
        for path in sorted(room.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found
    assert [one for one in found if not told.match(one)] == []


REFUSED = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.errors import GateRefused
from outfitswap_desktop.safety.kernel import SafetyKernel
kernel = SafetyKernel()
source = kernel.open_photo(Path(sys.argv[1]))
for prompt, more in (("naked", {"consent": "self"}), ("navy shirt", {})):
    try:
        kernel.check_request(SwapRequest(Path("in.png"), Path("out.png"), prompt, **more), source)
        print("passed")
    except GateRefused as no:
        print(no.reason)
"""


@pytest.mark.parametrize("flag", [pytest.param("-B", marks=pytest.mark.slow), "-OO"])
def test_a_word_and_a_missing_consent_are_refused(flag, astronaut_file):
    run = subprocess.run(
        [sys.executable, flag, "-c", REFUSED, str(astronaut_file)],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    assert run.stdout.split() == ["prompt_nudity", "consent_needed"]
