"""Signing in on a machine without a browser (RFC 8628): it shows a short code, which is entered on another one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from outfitswap_desktop.licensing.wire.messages import DeviceCode
from outfitswap_desktop.server.accounts.grants import GrantRefusal, invalid_grant
from outfitswap_desktop.server.accounts.limits import count
from outfitswap_desktop.server.accounts.opened import digest
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import device_codes

LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, no digits: nothing is misread, no words come about (RFC 8628, 6.1); eight of them are 34.5 bits."""
LENGTH: Final = 8
LIFETIME_MS: Final = 600_000
INTERVAL_S: Final = 5
_SLOWER_S: Final = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """A program that waits for its code to be approved; `client` is what it says of itself."""

    user_code: str
    client: str
    expires_at: int


def start(tx: Connection, services: Services, *, client: str, now: int) -> DeviceCode:
    """Codes for a program that wants to sign in."""
    device_code = secrets.token_urlsafe(32)
    while True:
        user_code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        insert_new = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        row = insert_new(device_codes).values(
            device_code_hash=digest(device_code),
            user_code=user_code,
            state="pending",
            expires_at=now + LIFETIME_MS,
            interval_s=INTERVAL_S,
            client=client[:80],
        )
        if tx.execute(row.on_conflict_do_nothing().returning(device_codes.c.user_code)).first() is not None:
            break
    page = f"{services.settings.public_url}/device"
    return DeviceCode(
        device_code=device_code,
        user_code=shown(user_code),
        verification_uri=page,
        verification_uri_complete=f"{page}?code={shown(user_code)}",
        expires_in=LIFETIME_MS // 1000,
        interval=INTERVAL_S,
    )


def find(tx: Connection, services: Services, user_code: str, *, account_id: str, now: int) -> Waiting | None:
    """Who waits for `user_code`, however it was typed; None for a code that nobody waits for.

    Each look counts against the account that looks: Refusal 429 after ten in ten minutes, so that codes cannot be tried out.
    """
    count(services, "user_code", account_id)
    row = tx.execute(
        select(device_codes).where(
            device_codes.c.user_code == _typed(user_code),
            device_codes.c.state == "pending",
            device_codes.c.expires_at > now,
        )
    ).first()
    return None if row is None else Waiting(shown(row.user_code), row.client, row.expires_at)


def approve(tx: Connection, user_code: str, account_id: str, *, now: int) -> bool:
    """Let the program in that waits for `user_code`, once its user has seen who it is (`find`); False when none waits."""
    return _decide(tx, user_code, state="approved", account_id=account_id, now=now)


def deny(tx: Connection, user_code: str, *, now: int) -> bool:
    """Send it away; False when none waits."""
    return _decide(tx, user_code, state="denied", account_id=None, now=now)


def poll(tx: Connection, device_code: str, *, now: int) -> str | GrantRefusal:
    """The account that approved, once; before and otherwise the refusals of RFC 8628, 3.5.

    They are returned, not raised, because asking too fast is remembered: let the transaction commit, then raise.
    """
    mine = digest(device_code)
    row = tx.execute(select(device_codes).where(device_codes.c.device_code_hash == mine).with_for_update()).first()
    if row is None or row.state == "used":
        return invalid_grant()
    if row.expires_at <= now:
        return _refusal("expired_token", "This code is too old; ask for a new one.")
    if row.state == "denied":
        return _refusal("access_denied", "Signing in was refused in the browser.")
    which = device_codes.c.device_code_hash == mine
    if row.state == "approved":
        tx.execute(update(device_codes).where(which).values(state="used", last_poll=now))
        account_id: str = row.account_id
        return account_id
    too_fast = row.last_poll is not None and now - row.last_poll < row.interval_s * 1000
    interval = row.interval_s + (_SLOWER_S if too_fast else 0)
    tx.execute(update(device_codes).where(which).values(last_poll=now, interval_s=interval))
    if too_fast:
        return _refusal("slow_down", f"Ask every {interval} seconds.")
    return _refusal("authorization_pending", "The code has not been entered yet.")


def shown(user_code: str) -> str:
    """The code as it is shown: two groups of four."""
    return f"{user_code[:4]}-{user_code[4:]}"


def forget_old(tx: Connection, *, now: int) -> None:
    """Delete what is over."""
    tx.execute(delete(device_codes).where(device_codes.c.expires_at <= now - 3_600_000))


def _decide(tx: Connection, user_code: str, *, state: str, account_id: str | None, now: int) -> bool:
    row = tx.execute(
        update(device_codes)
        .where(
            device_codes.c.user_code == _typed(user_code),
            device_codes.c.state == "pending",
            device_codes.c.expires_at > now,
        )
        .values(state=state, account_id=account_id)
        .returning(device_codes.c.user_code)
    ).first()
    return row is not None


def _typed(user_code: str) -> str:
    return "".join(letter for letter in user_code[:40].upper() if letter.isalnum())


def _refusal(code: str, detail: str) -> GrantRefusal:
    return GrantRefusal(400, code, title="Not signed in yet", detail=detail)
