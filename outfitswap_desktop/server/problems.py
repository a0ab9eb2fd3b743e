"""What the server refuses, as RFC 9457 bodies: one sentence for the user with the way out, and a code for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from outfitswap_desktop.licensing.wire.messages import Problem


class Refusal(Exception):
    """A request that is refused: `status` of HTTP, `code` for programs, `detail` one sentence with the way out."""

    def __init__(
        self, status: int, code: str, *, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The body."""
        return {
            "type": f"urn:outfitswap:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented refusals of a route, for `responses=`; 422 and 429 belong to every route; 403 (a frozen account) to
    each for which one must be signed in.
    """
    wanted = {*statuses, 422, 429, *((403,) if 401 in statuses else ())}
    return {status: {"model": Problem, "content": {"application/problem+json": {}}} for status in wanted}


def install(app: FastAPI) -> None:
    """Have every refusal of `app`, its own and the framework's, leave in one form."""

    @app.exception_handler(Refusal)
    def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return _answer(refusal)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0] if error.errors() else {"loc": (), "msg": "cannot be read"}
        where = ".".join(str(part) for part in first["loc"])
        return _answer(
            Refusal(422, "invalid_request", title="The request cannot be read", detail=f"{where}: {first['msg']}.")
        )

    @app.exception_handler(HTTPException)
    def other(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # the framework's word for bytes that are no UTF-8, as for other unreadable bodies
            unreadable = "Send JSON in UTF-8."
            return _answer(Refusal(422, "invalid_request", title="The request cannot be read", detail=unreadable))
        code = {401: "not_signed_in", 404: "not_found", 405: "wrong_method"}.get(error.status_code, "refused")
        return _answer(
            Refusal(
                error.status_code,
                code,
                title=str(error.detail),
                detail=f"{error.detail}.",
                headers=error.headers,
            )
        )


def _answer(refusal: Refusal) -> JSONResponse:
    return JSONResponse(
        refusal.document(), refusal.status, headers=refusal.headers, media_type="application/problem+json"
    )
