"""What surrounds every request: an id, its time in the metrics, a line in the log, and a bound on its size."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import lru_cache
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.operations.metrics import Metrics
from outfitswap_desktop.server.problems import Refusal

LARGEST: Final = 5 * 1024 * 1024
"""Bytes of a body: more than 500 receipts at their largest."""
_QUIET: Final = frozenset({"/healthz", "/readyz"})


class _TooLarge(Exception):
    pass


class Watch:
    """ASGI middleware. Metrics and logs name a route by its template, so that no id makes a series of its own."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._seconds = lru_cache(maxsize=1_000)(metrics.requests.labels)
        self._log = structlog.get_logger(__name__).bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or what is none passed through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id = time.perf_counter(), new_id()
        status, taken, over = 500, 0, _announced(scope) > LARGEST

        async def counted() -> Message:
            nonlocal taken, over
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LARGEST:
                over = True
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            if over and message.get("status") != 413 and status == 500:
                return  # the framework's answer to a body that broke off
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                if not over:
                    with suppress(_TooLarge):
                        await self._app(scope, counted, noted)
                if over and status == 500:
                    await _refuse(noted)
            finally:
                self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = template(scope)
        self._seconds(scope["method"], route, str(status)).observe(seconds)
        if route in _QUIET and status < 400:
            return
        self._log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


def template(scope: Scope) -> str:
    """The path of a request with its parameters' names in place of their values; "unknown" where no route took it.

    The route's own `path` lacks the prefixes of the routers around it.
    """
    if scope.get("route") is None:
        return "unknown"
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in scope["path"].split("/"))


def _announced(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


async def _refuse(send: Send) -> None:
    refusal = Refusal(
        413, "too_large", title="The body is too large", detail="Please send less at once, for example fewer receipts."
    )
    body = json.dumps(refusal.document()).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
