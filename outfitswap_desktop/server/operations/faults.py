"""What becomes of our own bugs and of a database that is away: a problem body for the client, a log line, and Sentry if set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from outfitswap_desktop import __version__
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.operations.logs import clean
from outfitswap_desktop.server.operations.requests import template
from outfitswap_desktop.server.problems import Refusal

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint


def install(app: FastAPI) -> None:
    """Answer what no route has caught; a request with the same id may be sent again after either answer."""

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    def away(request: Request, error: Exception) -> JSONResponse:
        structlog.get_logger(__name__).warning("database_away", error=type(error).__name__, path=_route(request))
        return _answer(
            Refusal(
                503,
                "database_away",
                title="The server cannot reach its records",
                detail="Nothing was changed that you were not told of; please send the same request again in a moment.",
                headers={"Retry-After": "2"},
            )
        )

    @app.exception_handler(DataError)
    def unstorable(request: Request, error: DataError) -> JSONResponse:
        structlog.get_logger(__name__).warning("unstorable", path=_route(request))
        return _answer(
            Refusal(
                422,
                "invalid_request",
                title="The request cannot be stored",
                detail="A text holds a character, or a number is of a size, that cannot be stored.",
            )
        )

    @app.exception_handler(DBAPIError)
    def broken(request: Request, error: DBAPIError) -> JSONResponse:
        if error.connection_invalidated:
            return away(request, error)
        return bug(request, error)

    @app.exception_handler(Exception)
    def bug(request: Request, error: Exception) -> JSONResponse:
        structlog.get_logger(__name__).error("bug", path=_route(request), exc_info=error)
        return _answer(
            Refusal(
                500,
                "bug",
                title="The server made a mistake",
                detail="This is our fault and has been noted; please send the same request again later.",
            )
        )


def open_sentry(settings: Settings) -> bool:
    """Report bugs to Sentry if a DSN is set: without users, addresses, bodies or local variables."""
    dsn = settings.sentry_dsn.get_secret_value()
    if not dsn:
        return False
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        release=f"outfitswap-server@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=scrub,
    )
    return True


def scrub(event: Event, _: Hint) -> Event | None:
    """A Sentry event without what names a person or opens a door."""
    event.pop("user", None)
    request = cast(dict[str, Any], event.get("request") or {})
    for name in ("data", "cookies", "headers", "query_string", "env"):
        request.pop(name, None)
    return cast("Event", clean(cast(dict[str, Any], event)))


def _route(request: Request) -> str:
    return template(request.scope)


def _answer(refusal: Refusal) -> JSONResponse:
    return JSONResponse(
        refusal.document(), refusal.status, headers=refusal.headers, media_type="application/problem+json"
    )
