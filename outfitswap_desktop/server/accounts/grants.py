"""Signing in through the browser (RFC 8252): an authorization code for a program on the same machine, bound to it by PKCE."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Connection, delete, insert, select, update

from outfitswap_desktop.server.accounts import sessions
from outfitswap_desktop.server.accounts.opened import digest
from outfitswap_desktop.server.operations import audit
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import authorization_codes
from outfitswap_desktop.server.tables.accounts import sessions as sessions_table

CLIENT_ID: Final = "outfitswap-desktop"
CALLBACK_PATH: Final = "/cb"
LIFETIME_MS: Final = 60_000
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_STATE: Final = re.compile(r"[\x21-\x7e]{16,200}")
_HOSTS: Final = frozenset({"127.0.0.1", "::1"})


class GrantRefusal(Refusal):
    """A refusal of the token endpoint: its body says `error` too, as RFC 6749 (5.2) and RFC 8628 (3.5) name it."""

    def document(self) -> dict[str, Any]:
        return {**super().document(), "error": self.code, "error_description": self.detail}


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a program asks for, checked; `port` is where it waits."""

    redirect_uri: str
    state: str
    challenge: str

    @property
    def port(self) -> int:
        return urlsplit(self.redirect_uri).port or 80


def start_authorization(
    *,
    response_type: str,
    client_id: str,
    redirect_uri: str,
    state: str,
    code_challenge: str,
    code_challenge_method: str,
) -> Authorization:
    """Check the query of GET /authorize. Raises Refusal 400 "bad_authorization".

    Show that refusal as a page: nobody may be sent on to an address that was not checked. Only the way of this program is
    known: a code, PKCE with S256, and http://127.0.0.1:PORT/cb (or [::1]).
    """
    wrong = (
        ("response_type", response_type != "code"),
        ("client_id", client_id != CLIENT_ID),
        ("redirect_uri", not _loopback(redirect_uri)),
        ("state", _STATE.fullmatch(state) is None),
        ("code_challenge_method", code_challenge_method != "S256"),
        ("code_challenge", _CHALLENGE.fullmatch(code_challenge) is None),
    )
    for name, bad in wrong:
        if bad:
            raise Refusal(
                400,
                "bad_authorization",
                title="The program's question cannot be read",
                detail=f"Its {name} is not as it should be; start signing in again from the program.",
            )
    return Authorization(redirect_uri, state, code_challenge)


def approve(tx: Connection, asked: Authorization, account_id: str, *, now: int) -> str:
    """Where to send the browser on to, with a code that lives a minute and works once."""
    code = secrets.token_urlsafe(32)
    tx.execute(
        insert(authorization_codes).values(
            code_hash=digest(code),
            account_id=account_id,
            challenge=asked.challenge,
            redirect_uri=asked.redirect_uri,
            expires_at=now + LIFETIME_MS,
        )
    )
    return f"{asked.redirect_uri}?{urlencode({'code': code, 'state': asked.state})}"


def deny(asked: Authorization) -> str:
    """Where to send the browser on to when its user says no."""
    return f"{asked.redirect_uri}?{urlencode({'error': 'access_denied', 'state': asked.state})}"


def redeem_code(
    tx: Connection, services: Services, *, code: str, verifier: str, redirect_uri: str, now: int
) -> str | GrantRefusal:
    """The account that a code stands for, used up by it, whatever comes of it.

    A refusal is returned, not raised: its effects stay (a wrong verifier ends the code, a second use ends the session that
    came of the first). Let the transaction commit, then raise it.
    """
    mine = digest(code)
    row = tx.execute(
        select(authorization_codes).where(authorization_codes.c.code_hash == mine).with_for_update()
    ).first()
    if row is None:
        return invalid_grant()
    if row.used_at is not None:
        if row.session_id is not None and sessions.revoke(
            tx, services, row.session_id, account_id=row.account_id, now=now
        ):
            audit.record(
                tx,
                actor=row.account_id,
                action="session.code_reused",
                target=row.session_id,
                detail={},
                now=now,
            )
        return invalid_grant()
    tx.execute(update(authorization_codes).where(authorization_codes.c.code_hash == mine).values(used_at=now))
    good = (
        row.expires_at > now
        and _VERIFIER.fullmatch(verifier) is not None
        and hmac.compare_digest(challenge_of(verifier), row.challenge)
        and hmac.compare_digest(redirect_uri.encode(), row.redirect_uri.encode())
    )
    account_id: str = row.account_id
    return account_id if good else invalid_grant()


def remember_session(tx: Connection, *, code: str, refresh_token: str) -> None:
    """Note the session that came of a code (its first refresh token), so that the code's second use can end it."""
    came_of_it = select(sessions_table.c.id).where(sessions_table.c.refresh_hash == digest(refresh_token))
    tx.execute(
        update(authorization_codes)
        .where(authorization_codes.c.code_hash == digest(code))
        .values(session_id=came_of_it.scalar_subquery())
    )


def challenge_of(verifier: str) -> str:
    """PKCE's S256 (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def forget_old(tx: Connection, *, now: int) -> None:
    """Delete codes that have been over for a day (until then their second use is noticed)."""
    tx.execute(delete(authorization_codes).where(authorization_codes.c.expires_at <= now - 86_400_000))


def invalid_grant() -> GrantRefusal:
    """A code or token that does not work (any more)."""
    return GrantRefusal(
        400, "invalid_grant", title="Signing in did not work", detail="Start signing in again from the program."
    )


def _loopback(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    if parts.hostname not in _HOSTS or port is None or not 1024 <= port <= 65535:
        return False
    host = f"[{parts.hostname}]" if parts.hostname == "::1" else parts.hostname
    return uri == f"http://{host}:{port}{CALLBACK_PATH}"
