"""How the imitation answers what it refuses: the error bodies of the API that the official SDK knows."""

from __future__ import annotations

from typing import Any


class Trouble(Exception):
    """A refused request. `started` says whether the work had begun, which is when an idempotency key remembers it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        started: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.started = started
        self._error = {"type": kind, "message": message, "code": code, "param": param}

    def document(self) -> dict[str, Any]:
        """The body."""
        return {"error": {key: value for key, value in self._error.items() if value is not None}}


def missing(kind: str, ident: str) -> Trouble:
    """Nothing has this id."""
    return Trouble(404, f"No such {kind}: '{ident}'", code="resource_missing", param="id")
