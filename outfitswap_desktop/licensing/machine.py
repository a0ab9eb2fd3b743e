"""What this machine says of itself when it signs in: a hash of its id, a label, a system. Hints only; the key is the proof."""

from __future__ import annotations

import hashlib
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_ID_FILES: Final = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def fingerprint() -> str:
    """64 hex digits that stay the same on this machine until its system is installed anew; the id itself does not leave it."""
    return hashlib.sha256(b"outfitswap machine 1\0" + _machine_id().encode()).hexdigest()


def label() -> str:
    """The machine's name, 1 to 80 printable characters."""
    return _printable(platform.node(), 80) or "this computer"


def system() -> str:
    """The operating system, 1 to 40 printable characters."""
    return _printable(f"{platform.system()} {platform.release()}", 40) or "unknown"


def _machine_id() -> str:
    if sys.platform == "win32":
        import winreg

        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as key:
            return str(winreg.QueryValueEx(key, "MachineGuid")[0])
    for name in _ID_FILES:
        with suppress(OSError):
            text = Path(name).read_text(encoding="ascii", errors="replace").strip()
            if text:
                return text
    return f"{platform.node()} {platform.machine()}"


def _printable(text: str, most: int) -> str:
    return "".join(c for c in text if c.isprintable()).strip()[:most]
