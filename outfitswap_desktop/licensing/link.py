"""One request to the credits' server and its answer; everything that can go wrong with it becomes one of two errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from outfitswap_desktop import __version__
from outfitswap_desktop.errors import NotAvailable

if TYPE_CHECKING:
    import httpx
    from pydantic import BaseModel

    T = TypeVar("T", bound=BaseModel)

CONNECT_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 15.0
_TROUBLE: Final = frozenset({408, 425, 429})
"""Statuses that say "not now", as all from 500 on do: nothing was decided."""


class Unreachable(NotAvailable):
    """The server did not answer, or not as itself: whether the request had an effect is not known."""


class Refused(NotAvailable):
    """The server has said no: `reason` is its code, `status` that of HTTP; nothing has changed."""

    status: int = 0


def unreachable(why: str = "") -> Unreachable:
    """The error for a server that does not answer; `why` is the end of its sentence."""
    return Unreachable(
        f"The credits' server cannot be reached{why}.",
        reason="offline",
        hint="Connect to the internet and try again; the fabric engine needs neither network nor credits.",
    )


class Link:
    """Requests to one server; thread-safe. `heard` is told the server's time in milliseconds with every answer.

    `transport` and `verify` (an ssl.SSLContext) are there for tests; otherwise the system's certificates count.
    """

    def __init__(
        self,
        server: str,
        *,
        heard: Callable[[int], None] = lambda at: None,
        transport: httpx.BaseTransport | None = None,
        verify: Any = None,
    ) -> None:
        self.server = server
        self._heard = heard
        self._transport = transport
        self._verify = verify
        self._opened: httpx.Client | None = None
        self._turn = threading.Lock()

    def close(self) -> None:
        """Close what is open; the next request opens it again."""
        with self._turn:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: BaseModel | None = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        token: str | None = None,
        key: str | None = None,
    ) -> T:
        """The answer to one request, checked. `key` is its Idempotency-Key. Raises Unreachable or Refused."""
        from pydantic import ValidationError

        response = self._send(method, path, body=body, form=form, query=query, token=token, key=key)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as problem:
            raise unreachable(": what answers there is not one, or a newer one than this program knows") from problem

    def tell(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        token: str | None = None,
        key: str | None = None,
    ) -> None:
        """One request of whose answer only the status matters. Raises as `ask` does."""
        self._send(method, path, body=body, form=None, query=None, token=token, key=key)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None,
        form: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
        token: str | None,
        key: str | None,
    ) -> httpx.Response:
        import httpx

        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        content: dict[str, Any] = {}
        if body is not None:
            content = {"content": body.model_dump_json()}
            headers["Content-Type"] = "application/json"
        elif form is not None:
            content = {"data": dict(form)}
        try:
            response = self._client().request(
                method, f"{self.server}{path}", headers=headers, params=dict(query or {}), **content
            )
        except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, OSError, RuntimeError) as problem:
            raise unreachable() from problem  # RuntimeError: another thread closed the client meanwhile
        self._note_time(response)
        if response.status_code >= 500 or response.status_code in _TROUBLE:
            raise unreachable(f" just now (it answers {response.status_code})")
        if response.status_code >= 400:
            raise _refusal(response)
        if response.status_code >= 300:
            raise unreachable(": something else answers in its place, perhaps the sign-in page of a network")
        return response

    def _client(self) -> httpx.Client:
        import ssl

        import httpx

        with self._turn:
            if self._opened is None:
                context = self._verify if self._verify is not None else ssl.create_default_context()
                self._opened = httpx.Client(
                    transport=self._transport,
                    verify=context,
                    timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                    headers={"User-Agent": f"OutfitSwap-Desktop/{__version__}", "Accept": "application/json"},
                    follow_redirects=False,
                )
            return self._opened

    def _note_time(self, response: httpx.Response) -> None:
        try:
            self._heard(int(parsedate_to_datetime(response.headers["Date"]).timestamp() * 1000))
        except (KeyError, ValueError, TypeError, OverflowError):
            return


def _refusal(response: httpx.Response) -> Refused | Unreachable:
    from pydantic import ValidationError

    from outfitswap_desktop.licensing.wire.messages import Problem

    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return unreachable(f": what answers there is not one (it says {response.status_code})")
    refused = Refused(f"{problem.title}.", reason=problem.code, hint=problem.detail)
    refused.status = response.status_code
    return refused
