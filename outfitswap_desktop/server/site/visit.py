"""One request of a browser: who it is, what a page for them looks like, and how refusals become pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import Depends, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from outfitswap_desktop.server.accounts import people, sessions
from outfitswap_desktop.server.accounts.people import Person
from outfitswap_desktop.server.accounts.sessions import Open
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.site.cookies import Cookies, new_visit
from outfitswap_desktop.server.site.headers import protect
from outfitswap_desktop.server.site.notices import NOTICES, TROUBLES
from outfitswap_desktop.server.site.pages.drawing import draw

LARGEST_FORM: Final = 5 * 1024 * 1024
"""Bytes; the largest file of wire.offline and what a form puts around it."""
_SIGN_IN: Final = "/sign-in"
AnyResponse = TypeVar("AnyResponse", bound=Response)


class Visit:
    """One request, opened by `visit`. Nothing of it outlives the request."""

    def __init__(self, request: Request, opened: Services, cookies: Cookies) -> None:
        self.request = request
        self.services = opened
        self.now = opened.clock()
        self._cookies = cookies
        self._new_visit: str | None = None
        self._visit = cookies.read_visit(request.cookies.get(cookies.visit_name))
        self.session: Open | None = None
        self.person: Person | None = None
        self._stale = False
        self._enter(request.cookies.get(cookies.session_name))

    def _enter(self, cookie: str | None) -> None:
        found = self._cookies.read_session(cookie)
        if found is None:
            return
        with self.services.database.reading() as tx:
            session = sessions.look(tx, found.id, now=self.now)
            if session is None or session.caller.kind != "site":
                return
            self.session, self.person = session, people.get(tx, session.caller.account_id)
        self._stale = found.stale

    @property
    def account_id(self) -> str:
        """The account that is signed in; raises Refusal 401."""
        return self.signed_in().caller.account_id

    @property
    def ip(self) -> str:
        """The browser's address, as the proxy says it."""
        return self.request.client.host if self.request.client else ""

    @property
    def agent(self) -> str:
        """The browser's name."""
        return self.request.headers.get("user-agent", "")[:200]

    def signed_in(self) -> Open:
        """The session; raises Refusal 401, which leads to the sign-in page and back."""
        if self.session is None:
            raise Refusal(401, "not_signed_in", title="Not signed in", detail="Please sign in.")
        return self.session

    def may_look(self) -> None:
        """Raises Refusal 401 for who is not signed in, and 403 while the account is closing: then it is kept or left."""
        if self.signed_in().closing:
            raise Refusal(
                403,
                "account_closing",
                title="This account is being deleted",
                detail="You can undo that until the day named on the account's page.",
            )

    def check_form(self, token: str) -> None:
        """Raises Refusal 403 for a form that did not come from a page of this session or visit."""
        origin = self.request.headers.get("origin")
        ours = {urlsplit(self.services.settings.public_url).netloc, self.request.headers.get("host")}
        foreign = origin is not None and urlsplit(origin).netloc not in ours
        foreign |= self.request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
        bound_to = self._bound_to()
        if foreign or not bound_to or not self._cookies.form_is_ours(token, bound_to=bound_to):
            raise Refusal(
                403,
                "form_expired",
                title="This form has expired",
                detail="Go back, load the page again and send it once more; cookies must be allowed for this site.",
            )

    def page(self, template: str, *, status: int = 200, form_target: str = "", **values: Any) -> HTMLResponse:
        """A page from a template; `form_target` as in headers.protect."""
        if not self._bound_to():
            self._visit = self._new_visit = new_visit()
        drawn = draw(
            template,
            {
                "csrf": self._cookies.form_token(self._bound_to()),
                "person": self.person,
                "closing": self.session is not None and self.session.closing,
                "notice": NOTICES.get(self.request.query_params.get("done", "")),
                "path": self.request.url.path,
                "refresh": None,
                "wrong": TROUBLES.get(self.request.query_params.get("done", "")),
                **values,
            },
        )
        response = HTMLResponse(drawn, status)
        protect(response, https=self._https, form_target=form_target)
        return self._kept(response)

    def go(self, path: str, *, done: str = "") -> RedirectResponse:
        """On to a page of ours after a form, or elsewhere; `done` names a notice to show there."""
        sign = "&" if "?" in path else "?"
        response = RedirectResponse(f"{path}{sign}done={done}" if done else path, 303)
        protect(response, https=self._https)
        return self._kept(response)

    def refused(self, refusal: Refusal) -> Response:
        """The page of a refusal; who is not signed in is led to do so."""
        if refusal.code in {"not_signed_in", "session_ended"} and refusal.status == 401:
            there = self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else "")
            query = f"?next={quote(there, safe='')}" if self.request.method == "GET" and there != "/" else ""
            return self.go(_SIGN_IN + query)
        if refusal.code == "account_closing" and self.session is not None:
            return self.page("closing.html", status=403)
        response = self.page("refused.html", status=refusal.status, refusal=refusal)
        response.headers.update({name: text for name, text in refusal.headers.items() if name == "Retry-After"})
        return response

    def welcome(self, session_id: str, path: str) -> RedirectResponse:
        """On to `path` with a session that was opened just now; an older one of this browser is none of it."""
        response = self.go(path)
        response.delete_cookie(self._cookies.visit_name, path="/")
        self._cookies.set_session(response, session_id)
        return response

    def farewell(self, path: str, *, done: str = "") -> RedirectResponse:
        """On to `path` without a session."""
        response = self.go(path, done=done)
        self._cookies.drop_session(response)
        return response

    @property
    def _https(self) -> bool:
        return self.services.settings.public_url.startswith("https://")

    def _bound_to(self) -> str:
        if self.session is not None:
            return f"session:{self.session.caller.session_id}"
        return f"visit:{self._visit}" if self._visit else ""

    def _kept(self, response: AnyResponse) -> AnyResponse:
        if self._new_visit:
            self._cookies.set_visit(response, self._new_visit)
        if self._stale and self.session is not None:
            with self.services.database.transaction() as tx:
                sessions.touch(tx, self.session.caller.session_id, now=self.now)
            self._cookies.set_session(response, self.session.caller.session_id)
        return response


def here(path: str | None, *, otherwise: str) -> str:
    """`path` when it is one of this site (never "//host" or "/\\host"), else `otherwise`."""
    if path is None or len(path) > 2000 or not path.startswith("/") or path.startswith(("//", "/\\")):
        return otherwise
    return otherwise if any(ord(letter) < 33 or letter == "\\" for letter in path) else path


def visit(request: Request) -> Visit:
    """The visit of this request."""
    return of_request(request)


def signed(found: Annotated[Visit, Depends(visit)]) -> Visit:
    """A visit that is signed in; while the account is closing only undoing it is left."""
    found.may_look()
    return found


def posted(found: Annotated[Visit, Depends(visit)], csrf: Annotated[str, Form(max_length=300)] = "") -> Visit:
    """A visit whose form is ours."""
    found.check_form(csrf)
    return found


def settling(found: Annotated[Visit, Depends(signed)], csrf: Annotated[str, Form(max_length=300)] = "") -> Visit:
    """A signed-in visit with a form that is ours; of a frozen account too, which may settle what it has begun."""
    found.check_form(csrf)
    return found


def changing(found: Annotated[Visit, Depends(settling)]) -> Visit:
    """A signed-in visit that may change something, with a form that is ours. Raises Refusal 403 for a frozen account."""
    if found.signed_in().account_state == "frozen":
        raise Refusal(
            403,
            "account_frozen",
            title="This account is frozen",
            detail="You can still see and export everything; please write to us to have it opened again.",
        )
    return found


VisitDep = Annotated[Visit, Depends(visit)]
SignedDep = Annotated[Visit, Depends(signed)]
PostedDep = Annotated[Visit, Depends(posted)]
SettlingDep = Annotated[Visit, Depends(settling)]
ChangingDep = Annotated[Visit, Depends(changing)]


class Page(APIRoute):
    """A route of the site: what is refused below it becomes a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with its guard."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                _measure(request)
                return await handle(request)
            except Refusal as refusal:
                return await run_in_threadpool(of_request(request).refused, refusal)
            except (RequestValidationError, HTTPException) as error:
                found = as_refusal(error)
                return await run_in_threadpool(lambda: of_request(request).refused(found))

        return guarded


def as_refusal(error: RequestValidationError | HTTPException) -> Refusal:
    """What the framework refuses, in our words."""
    if isinstance(error, HTTPException) and error.status_code == 404:
        return Refusal(
            404, "not_found", title="There is no such page", detail="Check the address, or start at the overview."
        )
    status = error.status_code if isinstance(error, HTTPException) else 422
    return Refusal(
        status,
        "invalid_request",
        title="This cannot be read",
        detail="Go back, check what you entered and send it again.",
    )


def of_request(request: Request) -> Visit:
    """The visit of a request, opened at first use."""
    found: Visit | None = getattr(request.state, "visit", None)
    if found is None:
        found = Visit(request, request.app.state.services, request.app.state.site_cookies)
        request.state.visit = found
    return found


def _measure(request: Request) -> None:
    if request.method != "POST":
        return
    length = request.headers.get("content-length")
    if length is None or not length.isdigit() or int(length) > LARGEST_FORM:
        raise Refusal(413, "too_large", title="This is too large", detail="Choose a smaller file.")
