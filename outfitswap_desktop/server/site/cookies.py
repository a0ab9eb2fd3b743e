"""What the browser carries: a signed session, a signed visit before it, and the tokens that prove a form to be ours."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from fastapi import Response
from itsdangerous import BadSignature, TimestampSigner

from outfitswap_desktop.server.services import Services

SESSION_S: Final = 14 * 86_400
"""As long as a session of the site lives unused (accounts.sessions.SITE_LIFETIME_MS)."""
VISIT_S: Final = 86_400
FORM_S: Final = 12 * 3_600
"""How long a page may stay open before its forms are refused."""
FRESH_S: Final = 3_600
"""A session's cookie that is older is made again, and the session lives on."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session's id from its cookie. `stale`: the cookie should be made again."""

    id: str
    stale: bool


class Cookies:
    """Makes and reads the cookies of one server. Over https they are bound to this very host (the prefix __Host-)."""

    def __init__(self, services: Services) -> None:
        given = services.settings.site_secret.get_secret_value()
        secret = given.encode() if given else services.accounts.derive("site", "cookies")
        self._secure = services.settings.public_url.startswith("https://")
        prefix = "__Host-" if self._secure else ""
        self.session_name = f"{prefix}outfitswap-session"
        self.visit_name = f"{prefix}outfitswap-visit"
        self._sessions, self._visits, self._forms = (
            _Signer(secret, f"outfitswap/site/{use}/v1", services) for use in ("session", "visit", "form")
        )

    def read_session(self, text: str | None) -> Session | None:
        """The session that the cookie names; whether it still stands is the database's to say."""
        found = self._sessions.read(text, SESSION_S)
        return None if found is None else Session(found[0], stale=found[1] > FRESH_S)

    def set_session(self, response: Response, session_id: str) -> None:
        """Have the browser carry this session."""
        self._set(response, self.session_name, self._sessions.write(session_id), SESSION_S)

    def drop_session(self, response: Response) -> None:
        """Have the browser forget its session."""
        response.delete_cookie(self.session_name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def read_visit(self, text: str | None) -> str | None:
        """The visit before any session."""
        found = self._visits.read(text, VISIT_S)
        return None if found is None else found[0]

    def set_visit(self, response: Response, visit: str) -> None:
        """Have the browser carry this visit."""
        self._set(response, self.visit_name, self._visits.write(visit), VISIT_S)

    def form_token(self, bound_to: str) -> str:
        """The token in every form of a page, bound to a session or a visit."""
        return self._forms.write(bound_to)

    def form_is_ours(self, token: str, *, bound_to: str) -> bool:
        """Whether a form came from a page that was drawn for this session or visit."""
        found = self._forms.read(token, FORM_S)
        return found is not None and secrets.compare_digest(found[0], bound_to)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")


def new_visit() -> str:
    """128 random bits."""
    return secrets.token_urlsafe(16)


class _Signer(TimestampSigner):
    """Signs with HMAC-SHA256 by the services' clock."""

    def __init__(self, secret: bytes, salt: str, services: Services) -> None:
        import hashlib

        super().__init__(secret, salt=salt.encode(), digest_method=hashlib.sha256)
        self._clock = services.clock

    def get_timestamp(self) -> int:
        """Seconds since 1970 UTC."""
        return self._clock() // 1000

    def write(self, value: str) -> str:
        """`value` with time and signature."""
        return self.sign(value).decode()

    def read(self, text: str | None, seconds: int) -> tuple[str, int] | None:
        """The value and its age in seconds; None for what is not ours or too old."""
        if not text or len(text) > 300:
            return None
        try:
            value, at = self.unsign(text, max_age=seconds, return_timestamp=True)
        except (BadSignature, UnicodeEncodeError):
            return None
        return value.decode(), self.get_timestamp() - int(at.timestamp())
