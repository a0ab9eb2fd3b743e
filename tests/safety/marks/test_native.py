"""The C2PA library comes from its own package, whatever lies in the folder or stands in the environment."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.marks import native

LOOK = """
import os, sys
from pathlib import Path
from outfitswap_desktop.safety.marks import native
c2pa = native.library()
print(Path(c2pa.c2pa._lib._name).resolve(), c2pa.sdk_version(), os.environ.get("C2PA_LIBRARY_NAME", "-"))
"""
ROOT = Path(__file__).resolve().parents[3]


def loaded_in(folder: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("where", [".", "artifacts", "libs"])
def test_a_library_planted_in_the_folder_is_not_loaded(tmp_path, where):
    real = Path(native.library().c2pa._lib._name).resolve()
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / where / real.name).write_bytes(b"not a library")
    named = tmp_path / "evil.so"
    named.write_bytes(b"not a library either")
    done = loaded_in(tmp_path, C2PA_LIBRARY_NAME=str(named), LD_LIBRARY_PATH=str(tmp_path / where))
    assert done.returncode == 0, done.stderr
    place, version, variable = done.stdout.split()
    assert Path(place) == real
    assert version == native.library().sdk_version()
    assert variable == str(named), "other programs' variables are left as they were"


def test_a_variable_is_put_back(monkeypatch):
    monkeypatch.setenv("C2PA_LIBRARY_NAME", "theirs")
    native.library()
    assert os.environ["C2PA_LIBRARY_NAME"] == "theirs"


def test_without_a_variable_none_appears(monkeypatch):
    monkeypatch.delenv("C2PA_LIBRARY_NAME", raising=False)
    native.library()
    assert "C2PA_LIBRARY_NAME" not in os.environ


def test_a_library_of_another_folder_is_refused(monkeypatch, tmp_path):
    other = SimpleNamespace(
        __file__=str(tmp_path / "c2pa" / "__init__.py"),
        c2pa=SimpleNamespace(_lib=SimpleNamespace(_name="/usr/lib/x.so")),
    )
    monkeypatch.setitem(sys.modules, "c2pa", other)
    with pytest.raises(NotAvailable, match="another folder") as caught:
        native.library()
    assert caught.value.reason == "marks_failed"
    other.c2pa._lib._name = str(tmp_path / "c2pa" / "libs" / "x.so")
    assert native.library() is other


@pytest.mark.parametrize("missing", ["package", "loader", "search", "odd search"])
def test_a_library_that_is_not_there_is_refused(monkeypatch, missing):
    for name in ("c2pa", "c2pa.lib"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    find = native.importlib.util.find_spec
    if missing == "package":
        monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: None)
    elif missing == "loader":
        monkeypatch.setattr(sys, "meta_path", [])
        package = SimpleNamespace(submodule_search_locations=["nowhere"])
        monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: package)
    else:
        odd = SimpleNamespace(_get_possible_search_paths=3) if missing == "odd search" else SimpleNamespace()
        monkeypatch.setattr(native.importlib.util, "module_from_spec", lambda spec: odd)
        loader = SimpleNamespace(exec_module=lambda module: None)
        finder = SimpleNamespace(find_spec=lambda name, places=None, target=None: SimpleNamespace(loader=loader))
        place = find("c2pa").submodule_search_locations
        monkeypatch.setattr(
            native.importlib.util, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=place)
        )
        monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=lambda *a: None), finder])
    with pytest.raises(NotAvailable, match="could not be loaded") as caught:
        native.library()
    assert caught.value.reason == "marks_failed"
    assert "c2pa.lib" not in sys.modules


def test_the_settings_keep_it_quiet():
    assert native.SETTINGS == {
        "version": 1,
        "core": {
            "allowed_network_hosts": [],
            "allow_redirects": False,
            "decode_identity_assertions": False,
            "max_decompressed_manifest_size_in_mb": 32,
            "backing_store_memory_threshold_in_mb": 1024,
        },
        "verify": {
            "verify_after_reading": True,
            "verify_after_sign": False,
            "verify_trust": True,
            "ocsp_fetch": False,
            "remote_manifest_fetch": False,
        },
        "builder": {"thumbnail": {"enabled": False}, "auto_timestamp_assertion": {"enabled": False}},
    }


def test_the_library_takes_every_setting_of_ours():
    """A misspelt name would be passed over in silence; a wrong kind of value shows that the name is known."""
    c2pa = native.library()
    for group in ("core", "verify"):
        for name in native.SETTINGS[group]:
            with pytest.raises(c2pa.C2paError):
                c2pa.Context.from_dict({group: {name: {"no": "such value"}}})
