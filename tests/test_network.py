"""A whole swap makes no connection: it passes with INET sockets blocked, and where the system lets us, without a network."""

import json
import os
import shutil
import subprocess
import sys

import pytest

BLOCKED = """
import socket, sys

def deny(event, args):
    if event == "socket.__new__" and args[1] in (socket.AF_INET, socket.AF_INET6):
        raise OSError("INET sockets are blocked")
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        raise OSError("network use is blocked: " + event)

sys.addaudithook(deny)
try:
    socket.socket(socket.AF_INET)
except OSError:
    pass
else:
    sys.exit("the block does not hold")
from outfitswap_desktop.cli import run
sys.exit(run(sys.argv[1:]))
"""


def swap(prefix, photo, output, **env):
    command = [*prefix, "swap", str(photo), "--prompt", "navy linen", "-o", str(output), "--json"]
    command += ["--adult-consent", "self", "--adult-attested"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **env})


def test_a_swap_with_inet_sockets_blocked(tmp_path, astronaut_file):
    done = swap([sys.executable, "-c", BLOCKED], astronaut_file, tmp_path / "out.png")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outside_mask_changed_pixels"] == 0


@pytest.mark.slow
def test_no_library_leaves_an_identity_in_the_home(tmp_path, astronaut_file):
    """ONNX Runtime keeps a device id and a data base for its maker unless it is told not to before it is imported."""
    home = tmp_path / "fresh"
    home.mkdir()
    done = swap(
        [sys.executable, "-m", "outfitswap_desktop"],
        astronaut_file,
        tmp_path / "out.png",
        HOME=str(home),
        XDG_CACHE_HOME="",
    )
    assert done.returncode == 0, done.stderr
    assert [path for path in home.rglob("*") if "onnx" in path.name.lower() or "device" in path.name.lower()] == []


@pytest.mark.slow
def test_a_swap_in_a_network_namespace_of_its_own(tmp_path, astronaut_file):
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let us make a network namespace (unshare -rn)")
    done = swap([unshare, "-rn", sys.executable, "-m", "outfitswap_desktop"], astronaut_file, tmp_path / "out.png")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outside_mask_changed_pixels"] == 0
