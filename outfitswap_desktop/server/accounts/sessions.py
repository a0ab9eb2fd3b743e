"""Sessions: opened by every way of signing in, kept alive by refresh tokens that work once, and ended by their owner.

A row is a family: all refresh tokens that followed from one sign-in. Whoever comes with one that was used before ends the
family, because then two hold it; only a lost answer may be asked for again, shortly, from the same device.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.messages import Session, Tokens
from outfitswap_desktop.server.accounts import tokens as access
from outfitswap_desktop.server.accounts.opened import digest
from outfitswap_desktop.server.accounts.seen import Caller, Seen
from outfitswap_desktop.server.operations import audit
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import (
    accounts,
    authorization_codes,
    devices,
    sessions,
    spent_refresh_tokens,
)

if TYPE_CHECKING:
    from outfitswap_desktop.server.services import Services

LIFETIME_MS: Final = 60 * 86_400_000
"""A session that is not used for so long ends (a site's session: `SITE_LIFETIME_MS`)."""
SITE_LIFETIME_MS: Final = 14 * 86_400_000
GRACE_MS: Final = 10_000
"""For so long a used refresh token gives the same answer again: the first one may have been lost on the way."""
Kind = Literal["program", "site"]


@dataclass(frozen=True, slots=True)
class Open:
    """A session that stands: who it is, how the account stands (`closing`: a deletion can still be undone)."""

    caller: Caller
    account_state: Literal["active", "frozen", "closed"]
    closing: bool


def open_session(
    tx: Connection,
    services: Services,
    account_id: str,
    *,
    device_id: str | None,
    kind: Kind,
    agent: str,
    ip: str,
    now: int,
) -> Tokens:
    """Sign `account_id` in; who calls has made sure that it is they.

    While an account is closing, only the site may be entered, to undo it. Raises Refusal 403 "account_closing", 401
    "account_closed".
    """
    session_id, refresh_token = _begin(
        tx, services, account_id, device_id=device_id, kind=kind, agent=agent, ip=ip, now=now
    )
    return _tokens(
        services, account_id=account_id, session_id=session_id, device_id=device_id, refresh=refresh_token, now=now
    )


def open_for_site(tx: Connection, services: Services, account_id: str, *, agent: str, ip: str, now: int) -> str:
    """`open_session` for a browser, which carries nothing but the session's id (signed); returns that."""
    session_id, _ = _begin(tx, services, account_id, device_id=None, kind="site", agent=agent, ip=ip, now=now)
    return session_id


def refresh(
    tx: Connection,
    services: Services,
    token: str,
    *,
    device_key: bytes | None = None,
    agent: str,
    ip: str,
    now: int,
) -> Tokens | Refusal:
    """New tokens for a refresh token, which is used up by it.

    `device_key`: the key of the device that proved itself with this request, if one did.

    A Refusal is returned, not raised, because its effect stays: the family of a token that was used twice ends. Let the
    transaction commit, then raise it.
    """
    mine = digest(token)
    row = _row(tx, sessions.c.refresh_hash == mine)
    if row is None:
        return _spent(tx, services, token, device_key=device_key, agent=agent, now=now)
    ended = _ended(row, now)
    if ended is not None:
        return ended
    if device_key is not None and device_key != row["device_key"]:
        return _not_yours()
    new = _successor(services, token, row["id"])
    expires = now + (LIFETIME_MS if row["kind"] == "program" else SITE_LIFETIME_MS)
    tx.execute(insert(spent_refresh_tokens).values(token_hash=mine, session_id=row["id"], expires_at=row["expires_at"]))
    tx.execute(
        update(sessions)
        .where(sessions.c.id == row["id"])
        .values(
            refresh_hash=digest(new),
            rotated_from=mine,
            rotated_at=now,
            last_used=now,
            expires_at=expires,
            ip_truncated=truncated(ip),
            agent=agent[:200],
        )
    )
    return _of_row(services, row, refresh=new, now=now)


def revoke(tx: Connection, services: Services, session_id: str, *, account_id: str, now: int) -> bool:
    """End one session of an account; False when it has no such open session."""
    services.accounts.seen.forget(session_id)
    row = tx.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.account_id == account_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(sessions.c.id)
    ).first()
    return row is not None


def revoke_all(
    tx: Connection,
    services: Services,
    account_id: str,
    *,
    now: int,
    but: str | None = None,
    device_id: str | None = None,
) -> int:
    """End all open sessions of an account, all but one, or only those of one device; returns how many."""
    which = [sessions.c.account_id == account_id, sessions.c.revoked_at.is_(None)]
    if but is not None:
        which.append(sessions.c.id != but)
    if device_id is not None:
        which.append(sessions.c.device_id == device_id)
    rows = tx.execute(update(sessions).where(*which).values(revoked_at=now).returning(sessions.c.id)).scalars().all()
    for each in rows:
        services.accounts.seen.forget(each)
    return len(rows)


def authenticate(services: Services, token: str, *, now: int) -> tuple[Caller, bool] | None:
    """Who comes with an access token, and whether their account is frozen; None for nobody.

    A session that was asked for within five seconds is believed without a query.
    """
    mine = digest(token)
    known = services.accounts.seen.find(mine, now=now)
    if known is not None:
        return known.caller, known.frozen
    try:
        claims = access.read(services.keys, token, issuer=services.settings.public_url, now=now)
    except access.BadToken:
        return None
    with services.database.reading() as tx:
        found = look(tx, claims.session_id, now=now)
    if found is None or found.account_state == "closed":
        return None
    caller = found.caller
    if caller.account_id != claims.account_id:
        return None
    frozen = found.account_state == "frozen"
    services.accounts.seen.keep(
        Seen(token=mine, caller=caller, expires_at=claims.expires_at, asked_at=now, frozen=frozen)
    )
    return caller, frozen


def look(tx: Connection, session_id: str, *, now: int) -> Open | None:
    """The open session of an id, for the site's cookie; None when it has ended or its account is gone."""
    row = _row(tx, sessions.c.id == session_id, lock=False)
    if row is None or _ended(row, now) is not None:
        return None
    caller = Caller(row["account_id"], row["id"], row["device_id"], row["kind"])
    return Open(caller, row["account_state"], closing=row["account_state"] == "closed")


def bind(tx: Connection, services: Services, session_id: str, *, device_id: str) -> str | None:
    """Let a session that has no device be this one's; returns the device that it has."""
    services.accounts.seen.forget(session_id)
    tx.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.device_id.is_(None))
        .values(device_id=device_id, kind="program")
    )
    return tx.execute(select(sessions.c.device_id).where(sessions.c.id == session_id)).scalar_one_or_none()


def touch(tx: Connection, session_id: str, *, now: int) -> None:
    """The site was used: its session lives on."""
    tx.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.kind == "site")
        .values(last_used=now, expires_at=now + SITE_LIFETIME_MS)
    )


def listed(tx: Connection, account_id: str, *, this: str | None, now: int) -> tuple[Session, ...]:
    """All open sessions of an account, the last used first."""
    rows = tx.execute(
        select(sessions)
        .where(sessions.c.account_id == account_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
        .order_by(sessions.c.last_used.desc(), sessions.c.id)
    ).mappings()
    return tuple(
        Session(
            id=row["id"],
            device_id=row["device_id"],
            kind=row["kind"],
            created_at=row["created_at"],
            last_used=row["last_used"],
            expires_at=row["expires_at"],
            agent=row["agent"],
            this=row["id"] == this,
        )
        for row in rows
    )


def forget_old(tx: Connection, *, now: int) -> int:
    """Delete what has ended for thirty days, except what a lasting row still names; returns how many sessions."""
    tx.execute(delete(spent_refresh_tokens).where(spent_refresh_tokens.c.expires_at <= now))
    before = now - 30 * 86_400_000
    old = select(sessions.c.id).where((sessions.c.expires_at <= before) | (sessions.c.revoked_at <= before))
    tx.execute(delete(spent_refresh_tokens).where(spent_refresh_tokens.c.session_id.in_(old)))
    tx.execute(delete(authorization_codes).where(authorization_codes.c.session_id.in_(old)))
    gone = tx.execute(delete(sessions).where(sessions.c.id.in_(old)).returning(sessions.c.id)).scalars().all()
    return len(gone)


def truncated(ip: str) -> str:
    """The network of an address (/24, IPv6: /48): enough to see strangers, too little to find a person. "" for none."""
    try:
        address = ipaddress.ip_address(ip.split("%", 1)[0])
    except ValueError:
        return ""
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False).network_address)


def _begin(
    tx: Connection,
    services: Services,
    account_id: str,
    *,
    device_id: str | None,
    kind: Kind,
    agent: str,
    ip: str,
    now: int,
) -> tuple[str, str]:
    row = tx.execute(select(accounts.c.state, accounts.c.closes_at).where(accounts.c.id == account_id)).first()
    if row is None or (row.state == "closed" and (row.closes_at is None or row.closes_at <= now)):
        raise Refusal(401, "account_closed", title="This account is closed", detail="Make a new account to go on.")
    if row.state == "closed" and kind == "program":
        raise Refusal(
            403,
            "account_closing",
            title="This account is being deleted",
            detail=f"Sign in at {services.settings.public_url} to keep it, then try again.",
        )
    session_id, refresh_token = new_id(), _opaque(secrets.token_bytes(32))
    tx.execute(
        insert(sessions).values(
            id=session_id,
            account_id=account_id,
            device_id=device_id,
            kind=kind,
            refresh_hash=digest(refresh_token),
            created_at=now,
            last_used=now,
            expires_at=now + (LIFETIME_MS if kind == "program" else SITE_LIFETIME_MS),
            ip_truncated=truncated(ip),
            agent=agent[:200],
        )
    )
    return session_id, refresh_token


def _spent(
    tx: Connection, services: Services, token: str, *, device_key: bytes | None, agent: str, now: int
) -> Tokens | Refusal:
    mine = digest(token)
    session_id = tx.execute(
        select(spent_refresh_tokens.c.session_id).where(spent_refresh_tokens.c.token_hash == mine)
    ).scalar_one_or_none()
    row = _row(tx, sessions.c.id == session_id) if session_id is not None else None
    if row is None:
        return _not_yours()
    ended = _ended(row, now)
    if ended is not None:
        return ended
    new = _successor(services, token, row["id"])
    lately = row["rotated_from"] == mine and row["refresh_hash"] == digest(new) and now - row["rotated_at"] <= GRACE_MS
    same_device = device_key == row["device_key"] if device_key is not None else agent[:200] == row["agent"]
    if lately and same_device:
        return _of_row(services, row, refresh=new, now=now)
    revoke(tx, services, row["id"], account_id=row["account_id"], now=now)
    audit.record(
        tx,
        actor=row["account_id"],
        action="session.refresh_reused",
        target=row["id"],
        detail={"device": row["device_id"]},
        now=now,
    )
    return Refusal(
        401,
        "session_ended",
        title="This sign-in has ended",
        detail="It was used from two places at once; please sign in again.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _row(tx: Connection, which: Any, *, lock: bool = True) -> RowMapping | None:
    query = (
        select(
            sessions,
            accounts.c.state.label("account_state"),
            accounts.c.closes_at,
            devices.c.public_key.label("device_key"),
        )
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .outerjoin(devices, devices.c.id == sessions.c.device_id)
        .where(which)
    )
    if lock:
        query = query.with_for_update(of=sessions)
    return tx.execute(query).mappings().first()


def _ended(row: RowMapping, now: int) -> Refusal | None:
    closed = row["account_state"] == "closed" and not (
        row["kind"] == "site" and row["closes_at"] is not None and row["closes_at"] > now
    )
    if row["revoked_at"] is None and row["expires_at"] > now and not closed:
        return None
    return Refusal(
        401,
        "session_ended",
        title="This sign-in has ended",
        detail="Please sign in again.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _not_yours() -> Refusal:
    return Refusal(
        401,
        "not_signed_in",
        title="Not signed in",
        detail="Please sign in.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _successor(services: Services, token: str, session_id: str) -> str:
    """The refresh token after `token`: always the same one, so that a lost answer can be given again without being kept."""
    return _opaque(services.accounts.derive("refresh", f"{session_id}\0{token}"))


def _opaque(secret: bytes) -> str:
    """43 characters: short enough for every keyring."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _of_row(services: Services, row: RowMapping, *, refresh: str, now: int) -> Tokens:
    return _tokens(
        services,
        account_id=row["account_id"],
        session_id=row["id"],
        device_id=row["device_id"],
        refresh=refresh,
        now=now,
    )


def _tokens(
    services: Services, *, account_id: str, session_id: str, device_id: str | None, refresh: str, now: int
) -> Tokens:
    claims = access.Claims(account_id, session_id, device_id, now + access.LIFETIME_S * 1000)
    return Tokens(
        access_token=access.issue(services.keys, claims, issuer=services.settings.public_url, now=now),
        expires_in=access.LIFETIME_S,
        refresh_token=refresh,
        account_id=account_id,
        device_id=device_id,
    )
