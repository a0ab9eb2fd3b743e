"""Signing in elsewhere, under way: what a browser was sent off with, remembered for ten minutes and used once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert

from outfitswap_desktop.server.accounts.opened import digest
from outfitswap_desktop.server.tables.accounts import oauth_states

LIFETIME_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Left:
    """What was remembered of a browser that left. `onward` is where it goes afterwards."""

    nonce: str
    verifier: str
    onward: str


def leave(tx: Connection, *, provider: str, state: str, left: Left, now: int) -> str:
    """Remember a browser that is sent off; returns the secret that it takes along in a cookie (43 characters)."""
    browser = secrets.token_urlsafe(32)
    tx.execute(
        insert(oauth_states).values(
            state_hash=digest(state),
            provider=provider,
            browser_hash=digest(browser),
            nonce=left.nonce,
            verifier=left.verifier,
            onward=left.onward,
            expires_at=now + LIFETIME_MS,
        )
    )
    return browser


def come_back(tx: Connection, *, provider: str, state: str, browser: str, now: int) -> Left | None:
    """What was remembered, and forgotten by this; None for a state that was used, is too old, or is another browser's."""
    row = tx.execute(
        delete(oauth_states)
        .where(
            oauth_states.c.state_hash == digest(state),
            oauth_states.c.provider == provider,
            oauth_states.c.browser_hash == digest(browser),
        )
        .returning(oauth_states.c.nonce, oauth_states.c.verifier, oauth_states.c.onward, oauth_states.c.expires_at)
    ).first()
    return None if row is None or row.expires_at <= now else Left(row.nonce, row.verifier, row.onward)


def forget_old(tx: Connection, *, now: int) -> None:
    """Delete what nobody came back for."""
    tx.execute(delete(oauth_states).where(oauth_states.c.expires_at <= now))
