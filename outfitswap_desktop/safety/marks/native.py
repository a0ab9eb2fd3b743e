"""The C2PA library: loaded from its own package alone, and set so that it never touches the network or makes thumbnails."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.errors import NotAvailable

SETTINGS: Final[Mapping[str, Any]] = {
    "version": 1,
    "core": {
        "allowed_network_hosts": [],
        "allow_redirects": False,
        "decode_identity_assertions": False,
        "max_decompressed_manifest_size_in_mb": 32,
        "backing_store_memory_threshold_in_mb": 1024,  # above it c2pa would put the picture into a temporary file
    },
    "verify": {
        "verify_after_reading": True,
        "verify_after_sign": False,  # the seal reads everything back itself, from the finished bytes
        "verify_trust": True,
        "ocsp_fetch": False,
        "remote_manifest_fetch": False,
    },
    "builder": {"thumbnail": {"enabled": False}, "auto_timestamp_assertion": {"enabled": False}},
}

_NAME_VARIABLE: Final = "C2PA_LIBRARY_NAME"
_LOADER: Final = "c2pa.lib"


def library() -> Any:
    """The c2pa module. Raises NotAvailable ("marks_failed") when it is missing or its native part came from elsewhere.

    Left to itself, c2pa 0.38 loads its native library from the current folder, or by a name in an environment variable: a
    file planted there would sign, and vouch for, anything.
    """
    try:
        if "c2pa" not in sys.modules:
            _prepare()
        with _without(_NAME_VARIABLE):
            module: Any = importlib.import_module("c2pa")
        folder = Path(str(module.__file__)).resolve().parent
        loaded = Path(module.c2pa._lib._name).resolve()
    except Exception as problem:
        raise failed("the C2PA library could not be loaded") from problem
    if not loaded.is_relative_to(folder):
        raise failed("the C2PA library was loaded from another folder than its own")
    return module


def context(*, anchor: bytes | None = None) -> Any:
    """Settings for one reading or signing; with `anchor` (PEM of a root certificate) what it signed reads as "Trusted"."""
    settings = dict(SETTINGS)
    if anchor is not None:
        settings["trust"] = {"trust_anchors": anchor.decode("ascii")}
    return library().Context.from_dict(settings)


def failed(why: str) -> NotAvailable:
    """The one refusal of this room: the picture could not be marked, or the marks not read back, so it is not saved."""
    return NotAvailable(
        f"The picture was not saved, because its marks could not be set: {why}.",
        reason="marks_failed",
        hint="Try again; if it happens again, run `outfitswap doctor`.",
    )


def _prepare() -> None:
    """Put c2pa's own loader in place before c2pa asks for it, with its package's folder as the only place to look in."""
    package = importlib.util.find_spec("c2pa")
    if package is None or not package.submodule_search_locations:
        raise ImportError("c2pa is not installed")
    places = list(package.submodule_search_locations)
    found = (finder.find_spec(_LOADER, places) for finder in sys.meta_path)
    spec = next((spec for spec in found if spec is not None and spec.loader is not None), None)
    if spec is None or spec.loader is None:
        raise ImportError("c2pa has no loader")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(module._get_possible_search_paths):  # what is put in its place below must be what it looks for
        raise ImportError("c2pa has another loader than version 0.38")
    module._get_possible_search_paths = lambda: [Path(places[0]) / "libs"]
    sys.modules[_LOADER] = module


@contextmanager
def _without(variable: str) -> Iterator[None]:
    kept = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[variable] = kept
