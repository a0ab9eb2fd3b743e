"""Which credits' server this program speaks to, and the root key that it believes: built in, named by the user, or none."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from outfitswap_desktop import paths
from outfitswap_desktop.errors import UsageProblem

SERVER_VARIABLE: Final = "OUTFITSWAP_LICENCE_SERVER"
"""Environment variable that names the credits' server, before all else; empty: as if it were not set."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address without a slash at its end, and its public root key in base64url ("" where none is built in)."""

    server: str
    root_key: str = ""


def find_address(facts: Mapping[str, str], *, source: Path | None = None) -> Address | None:
    """The server in use: the environment's, else the one that was named at an activation, else the build's own; None without.

    `facts` are those of the journal; `source` is another file than resources/licensing.toml. Raises UsageProblem
    ("bad_server").
    """
    own = _own(source)
    named = os.environ.get(SERVER_VARIABLE, "").strip() or facts.get("server", "")
    if not named:
        return own
    server = checked(named)
    return own if own is not None and own.server == server else Address(server)


def checked(server: str) -> str:
    """`server` in its one form. Raises UsageProblem ("bad_server"): only https, and http to this machine itself, will do."""
    parts = urlsplit(server.strip())
    fits = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not (fits and parts.hostname) or parts.query or parts.fragment or parts.username:
        raise UsageProblem(
            f"{server[:80]!r} is not the address of a credits' server.",
            reason="bad_server",
            hint="Give one that begins with https://",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _own(source: Path | None) -> Address | None:
    path = source if source is not None else paths.resource("licensing.toml")
    with path.open("rb") as stream:
        document = tomllib.load(stream)
    server = str(document.get("server", ""))
    return Address(checked(server), str(document.get("root_key", ""))) if server else None
