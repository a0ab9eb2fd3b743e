"""Signing in through the system's browser (RFC 8252, PKCE S256, loopback) or with a code on another machine (RFC 8628)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.licensing.link import Link, Refused, Unreachable

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.wire.messages import DeviceCode, Tokens

CLIENT_ID: Final = "outfitswap-desktop"
CALLBACK: Final = "/cb"
WAIT_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.2
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>OutfitSwap</title>
<meta name="viewport" content="width=device-width"><style>body{{font:1.1rem system-ui,sans-serif;margin:20vh auto;
max-width:26rem;padding:0 1rem;color-scheme:light dark}}</style></head><body><h1>{title}</h1><p>{text}</p></body></html>"""


class _Waiting(HTTPServer):
    """Waits on 127.0.0.1 for the one answer that carries our state."""

    def __init__(self, state: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state
        self.timeout = LOOK_SECONDS
        self.code = ""
        self.refused = ""


class _Handler(BaseHTTPRequestHandler):
    server: _Waiting
    timeout = 5
    """Seconds for one connection: a browser that opens one in advance and says nothing does not block the next."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        words = {name: values[0] for name, values in parse_qs(asked.query).items()}
        mine = hmac.compare_digest(words.get("state", "").encode(), self.server.state.encode())
        if asked.path != CALLBACK or not mine or self.server.code or self.server.refused:
            self._show(404, "Nothing here", "Start signing in again from OutfitSwap.")
            return
        if words.get("code"):
            self.server.code = words["code"]
            self._show(200, "You are signed in", "You may close this page and go back to OutfitSwap.")
            return
        self.server.refused = words.get("error", "unknown")
        self._show(200, "Not signed in", "You may close this page; in OutfitSwap you can try again.")

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: the query holds the code."""

    def _show(self, status: int, title: str, text: str) -> None:
        page = _PAGE.format(title=title, text=text).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)


def with_browser(
    link: Link,
    proof: Callable[[], str],
    *,
    open_url: Callable[[str], None],
    cancel: Callable[[], bool],
    wait_seconds: float = WAIT_SECONDS,
) -> Tokens:
    """The tokens of whoever signs in in the browser. `proof` makes a device proof for "sign-in".

    Raises NotAvailable ("sign_in_cancelled", "sign_in_timed_out", "sign_in_refused"), Unreachable, Refused.
    """
    from outfitswap_desktop.licensing.wire.messages import Tokens

    verifier = secrets.token_urlsafe(48)
    state = secrets.token_urlsafe(24)
    with _Waiting(state) as waiting:
        back = f"http://127.0.0.1:{waiting.server_port}{CALLBACK}"
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": back,
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        open_url(f"{link.server}/authorize?{urlencode(query)}")
        until = time.monotonic() + wait_seconds
        while not waiting.code and not waiting.refused:
            if cancel():
                raise _cancelled()
            if time.monotonic() > until:
                raise _timed_out()
            waiting.handle_request()
        if waiting.refused:
            raise _refused()
        code = waiting.code
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": back,
        "device": proof(),
    }
    return link.ask("POST", "/v1/token", Tokens, form=form)


def start_device_code(link: Link, *, client: str) -> DeviceCode:
    """A code to be entered on another machine; `client` is what this one says of itself there."""
    from outfitswap_desktop.licensing.wire.messages import DeviceCode

    return link.ask("POST", "/v1/device/code", DeviceCode, form={"client_id": CLIENT_ID, "client": client})


def wait_for_device_code(
    link: Link,
    code: DeviceCode,
    proof: Callable[[], str],
    *,
    cancel: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> Tokens:
    """The tokens once the code was approved; asks as often as the server wants. Raises as `with_browser` does."""
    from outfitswap_desktop.licensing.wire.messages import Tokens

    until = time.monotonic() + code.expires_in
    interval = float(code.interval)
    while True:
        _pause(interval, cancel, sleep)
        if time.monotonic() > until:
            raise _timed_out()
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "client_id": CLIENT_ID,
            "device_code": code.device_code,
            "device": proof(),
        }
        try:
            return link.ask("POST", "/v1/token", Tokens, form=form)
        except Unreachable:
            continue
        except Refused as problem:
            if problem.reason == "slow_down":
                interval += 5
            elif problem.reason == "expired_token":
                raise _timed_out() from problem
            elif problem.reason == "access_denied":
                raise _refused() from problem
            elif problem.reason != "authorization_pending":
                raise


def _pause(seconds: float, cancel: Callable[[], bool], sleep: Callable[[float], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if cancel():
            raise _cancelled()
        sleep(min(LOOK_SECONDS, left))
    if cancel():
        raise _cancelled()


def _challenge(verifier: str) -> str:
    """PKCE's S256 (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def _cancelled() -> NotAvailable:
    return NotAvailable("Signing in was cancelled.", reason="sign_in_cancelled")


def _timed_out() -> NotAvailable:
    return NotAvailable(
        "Nobody signed in in time.", reason="sign_in_timed_out", hint="Try again; the page waits for two minutes."
    )


def _refused() -> NotAvailable:
    return NotAvailable("Signing in was refused in the browser.", reason="sign_in_refused", hint="Try again.")
