"""The two addresses of signing in elsewhere: off to the provider, and back. Browsers come here, so they are always led on."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, StringConstraints

from outfitswap_desktop.server.accounts import oauth, promo, sessions
from outfitswap_desktop.server.accounts.limits import address, limited
from outfitswap_desktop.server.problems import Refusal, answers
from outfitswap_desktop.server.services import Services, ServicesDep

COOKIE: Final = "outfitswap-oauth"
PATH: Final = "/v1/auth/oauth"
SIGN_IN_PAGE: Final = "/sign-in"
Name = Annotated[str, Path(max_length=40, pattern=r"^[a-z]+$")]
Short = Annotated[str, Query(max_length=2000)]


class Back(BaseModel):
    """What a provider sends a browser back with."""

    state: Annotated[str, StringConstraints(max_length=2000)] = ""
    code: Annotated[str, StringConstraints(max_length=2000)] = ""
    error: Annotated[str, StringConstraints(max_length=2000)] = ""


class SiteCookies(Protocol):
    """How the account site has a browser carry a session (server.site)."""

    def set_session(self, response: Response, session_id: str) -> None:
        """Sign the id and set it as a cookie."""
        ...


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["signing in"])

    @routes.get(
        "/{provider}/start",
        operation_id="startOAuth",
        status_code=303,
        response_class=RedirectResponse,
        responses=answers(),
        dependencies=[limited("oauth")],
    )
    def start(provider: Name, services: ServicesDep, next: Short = "/") -> RedirectResponse:
        """Send the browser to the provider; `next` is the page of the site to show afterwards."""
        try:
            url, browser = oauth.start(services, provider, onward=next, now=services.clock())
        except Refusal as refusal:
            return _on(f"{SIGN_IN_PAGE}?done={refusal.code}")
        response = _on(url)
        response.set_cookie(
            COOKIE, browser, max_age=600, path=PATH, secure=_https(services), httponly=True, samesite="lax"
        )
        return response

    @routes.get(
        "/{provider}/callback",
        operation_id="finishOAuth",
        status_code=303,
        response_class=RedirectResponse,
        responses=answers(),
        dependencies=[limited("oauth")],
    )
    def callback(
        provider: Name, request: Request, services: ServicesDep, back: Annotated[Back, Query()]
    ) -> RedirectResponse:
        """Sign the browser in that comes back from the provider. Whatever goes wrong is told on the sign-in page."""
        now = services.clock()
        try:
            if back.error or not back.code or not back.state:
                raise Refusal(400, "oauth_denied", title="Not signed in", detail="The provider has not let you in.")
            signed = oauth.finish(
                services, provider, state=back.state, code=back.code, browser=request.cookies.get(COOKIE, ""), now=now
            )
            with services.database.transaction() as tx:
                session_id = sessions.open_for_site(
                    tx,
                    services,
                    signed.account_id,
                    agent=request.headers.get("user-agent", ""),
                    ip=address(request),
                    now=now,
                )
                promo.consider(tx, services, signed.account_id, ip=address(request), now=now)
            response = _on(signed.onward)
            cookies: SiteCookies = request.app.state.site_cookies
            cookies.set_session(response, session_id)
        except Refusal as refusal:
            response = _on(f"{SIGN_IN_PAGE}?done={refusal.code}")
        response.delete_cookie(COOKIE, path=PATH, secure=_https(services), httponly=True, samesite="lax")
        return response

    return routes


def _on(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _https(services: Services) -> bool:
    return services.settings.public_url.startswith("https://")
