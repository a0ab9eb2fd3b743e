"""What the accounts' rooms keep open while the server runs: the pepper, the password hasher, the sessions seen a moment ago."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from outfitswap_desktop.server.accounts.passwords import Passwords
from outfitswap_desktop.server.accounts.seen import SeenSessions
from outfitswap_desktop.server.config import Settings

PEPPER_FILE = "licence-pepper"


@dataclass(frozen=True, slots=True, repr=False)
class Accounts:
    """Opened once by `open_services`."""

    pepper: bytes
    passwords: Passwords
    seen: SeenSessions

    def derive(self, purpose: str, text: str) -> bytes:
        """32 bytes that only this server can make from `text`; `purpose` keeps uses apart (HMAC-SHA256, RFC 2104)."""
        return hmac.digest(self.pepper, f"outfitswap/{purpose}/v1\0{text}".encode(), "sha256")


def open_accounts(settings: Settings) -> Accounts:
    """Everything that needs no database; makes the pepper when none is set and none was made."""
    return Accounts(pepper=_pepper(settings), passwords=Passwords(), seen=SeenSessions())


def digest(secret: str) -> str:
    """How a secret of 128 random bits or more lies in the database: SHA-256, 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _pepper(settings: Settings) -> bytes:
    given = settings.licence_pepper.get_secret_value()
    if given:
        return given.encode()
    return _kept(settings.home / PEPPER_FILE)


def _kept(path: Path) -> bytes:
    """The secret in `path`, made when it is missing; of two processes that make it at once, one wins for both."""
    if not path.exists():
        mine = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(mine, path)
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return path.read_text().strip().encode()
