"""What the pages need of the worker: somebody who answers a request later, on this thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from outfitswap_desktop.engine.messages import Problem


class Desk(Protocol):
    """Answers requests of engine.messages; a newer one with the same `key` takes the place of the older."""

    def ask(
        self,
        request: Any,
        answered: Callable[[Any], None],
        failed: Callable[[Problem], None] | None = None,
        *,
        key: str = "",
    ) -> int:
        """Ask; exactly one of the two is called later, on the thread that asked. Returns the request's number."""
        ...
