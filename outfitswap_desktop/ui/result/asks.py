"""What the result page needs of the engine's client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from outfitswap_desktop.engine.messages import Problem


class Asks(Protocol):
    """What the page needs of the engine: `ui.worker.Desk` is one."""

    def ask(
        self,
        request: Any,
        answered: Callable[[Any], None],
        failed: Callable[[Problem], None] | None = None,
        progressed: Callable[[Any], None] | None = None,
        *,
        key: str = "",
    ) -> int:
        """Ask for something; callbacks come on the window's thread."""
