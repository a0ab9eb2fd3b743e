"""Puts the account site into the application."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.site import entry, handover, legal, overview, owner, shop
from outfitswap_desktop.server.site.cookies import Cookies
from outfitswap_desktop.server.site.visit import as_refusal, of_request

_FOR_PROGRAMS = ("/v1/", "/.well-known/", "/healthz", "/readyz", "/openapi.json", "/docs", "/redoc")


def install(app: FastAPI, services: Services) -> None:
    """Add the site's routes to `app`, and a page for what a browser does not find. After problems.install."""
    app.state.site_cookies = Cookies(services)
    for part in (shop, entry, handover, overview, owner, legal):
        app.include_router(part.router())
    for_programs = app.exception_handlers[HTTPException]

    @app.exception_handler(HTTPException)
    async def nothing_here(request: Request, error: HTTPException) -> Response:
        in_browser = "text/html" in request.headers.get("accept", "")
        if in_browser and not request.url.path.startswith(_FOR_PROGRAMS):
            return await run_in_threadpool(lambda: of_request(request).refused(as_refusal(error)))
        answer: Response = await run_in_threadpool(for_programs, request, error)  # type: ignore[arg-type]
        return answer
