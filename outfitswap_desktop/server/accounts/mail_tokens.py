"""One-time tokens that go out by e-mail: to confirm an address, to set a new password."""

from __future__ import annotations

import secrets
from typing import Final, Literal

from sqlalchemy import Connection, delete, insert, select, update

from outfitswap_desktop.server.accounts.opened import digest
from outfitswap_desktop.server.tables.accounts import email_tokens

Purpose = Literal["verify", "reset"]
LIFETIME_MS: Final[dict[str, int]] = {"verify": 3 * 86_400_000, "reset": 3_600_000}


def make(tx: Connection, account_id: str | None, *, purpose: Purpose, now: int) -> str:
    """A fresh token (43 characters); earlier ones of the same purpose no longer work. For None: one that is nobody's."""
    drop(tx, account_id, purpose=purpose)
    token = secrets.token_urlsafe(32)
    tx.execute(
        insert(email_tokens).values(
            token_hash=digest(token), account_id=account_id, purpose=purpose, expires_at=now + LIFETIME_MS[purpose]
        )
    )
    return token


def use(tx: Connection, token: str, *, purpose: Purpose, now: int) -> str | None:
    """The account of a token, which is used up by it; None for one that does not work (any more)."""
    return tx.execute(
        update(email_tokens)
        .where(
            email_tokens.c.token_hash == digest(token),
            email_tokens.c.purpose == purpose,
            email_tokens.c.used_at.is_(None),
            email_tokens.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(email_tokens.c.account_id)
    ).scalar_one_or_none()


def owner(tx: Connection, token: str, *, purpose: Purpose, now: int) -> str | None:
    """What `use` would give; for the page that asks for a password, and before one is hashed."""
    return tx.execute(
        select(email_tokens.c.account_id).where(
            email_tokens.c.token_hash == digest(token),
            email_tokens.c.purpose == purpose,
            email_tokens.c.used_at.is_(None),
            email_tokens.c.expires_at > now,
        )
    ).scalar_one_or_none()


def drop(tx: Connection, account_id: str | None, *, purpose: Purpose | None = None) -> None:
    """Take back the tokens of an account."""
    which = [email_tokens.c.account_id == account_id]
    if purpose is not None:
        which.append(email_tokens.c.purpose == purpose)
    tx.execute(delete(email_tokens).where(*which))


def forget_old(tx: Connection, *, now: int) -> None:
    """Delete what no longer works."""
    tx.execute(delete(email_tokens).where(email_tokens.c.expires_at <= now))
