"""Named places at which a test has the process die, so that a crash between two effects is tried on purpose."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "OUTFITSWAP_SERVER_FAILPOINT"
"""Names a place, or is not set, as it is wherever the server serves users."""


def pass_by(name: str) -> None:
    """Die here without any cleaning up, as by kill -9, when the variable names this place."""
    if os.environ.get(VARIABLE) == name:
        os._exit(137)
