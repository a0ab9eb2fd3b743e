"""Free credits for a new account: once for a person, a device and, within bounds, a network; never a word of suspicion."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from outfitswap_desktop.server.accounts.disposable import is_disposable
from outfitswap_desktop.server.accounts.people import get
from outfitswap_desktop.server.accounts.sessions import truncated
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import abuse_marks, devices

CAMPAIGN: Final = "welcome"
PER_NETWORK_AND_DAY: Final = 3
KEPT_MS: Final = 90 * 86_400_000
"""How long the marks of an account outlive its erasure."""
_DAY_MS: Final = 86_400_000
_DOTLESS: Final = frozenset({"gmail.com", "googlemail.com"})


def consider(tx: Connection, services: Services, account_id: str, *, ip: str, now: int) -> bool:
    """Give the free credits if the address is proven and a device signed in, and nothing speaks against it; True if given.

    Called whenever one of the two has just happened.
    """
    from outfitswap_desktop.server.ledger import credits

    settings = services.settings
    person = get(tx, account_id)
    if settings.free_credits == 0 or person is None or person.state != "active":
        return False
    if person.email is None or person.email_verified_at is None:
        return False
    fingerprints = tx.execute(
        select(devices.c.fingerprint, devices.c.public_key)
        .where(devices.c.account_id == account_id, devices.c.state == "active")
        .order_by(devices.c.last_seen.desc())
    ).all()
    if not fingerprints or _had(tx, account_id):
        return False
    if is_disposable(person.email):
        return _missed(services, "disposable")
    marks = [("email", one_person(person.email)), *(("device", row.fingerprint) for row in fingerprints[:1])]
    attempt = tx.begin_nested()
    for kind, value in marks:
        if not _mark(tx, services, kind, value, account_id=account_id, now=now):
            attempt.rollback()
            return _missed(services, kind)
    place = f"{truncated(ip)}|{now // _DAY_MS}"
    if not any(
        _mark(tx, services, "network", f"{place}|{turn}", account_id=account_id, now=now)
        for turn in range(PER_NETWORK_AND_DAY)
    ):
        attempt.rollback()
        return _missed(services, "network")
    attempt.commit()
    return credits.give(
        tx,
        account_id,
        bucket="promo",
        credits=settings.free_credits,
        kind="promo",
        ref=f"promo:{CAMPAIGN}:{account_id}",
        actor="server",
        now=now,
        expires_at=now + settings.free_credits_days * _DAY_MS,
        memo="Free credits",
    )


def one_person(email: str) -> str:
    """The form in which addresses that reach the same mailbox are one: without +words, and dots where they do not count."""
    name, _, domain = email.casefold().partition("@")
    name = name.split("+", 1)[0]
    if domain in _DOTLESS:
        return f"{name.replace('.', '')}@gmail.com"
    return f"{name}@{domain}"


def forget_old(tx: Connection, *, now: int) -> int:
    """Delete marks that name no account any more and are older than ninety days; returns how many."""
    gone = tx.execute(
        delete(abuse_marks)
        .where(abuse_marks.c.account_id.is_(None), abuse_marks.c.at <= now - KEPT_MS)
        .returning(abuse_marks.c.hash)
    )
    return len(gone.all())


def let_go(tx: Connection, account_id: str) -> None:
    """Take an erased account's name off its marks; the hashes alone stay for a while."""
    tx.execute(update(abuse_marks).where(abuse_marks.c.account_id == account_id).values(account_id=None))


def _had(tx: Connection, account_id: str) -> bool:
    return (
        tx.execute(
            select(abuse_marks.c.hash).where(abuse_marks.c.account_id == account_id, abuse_marks.c.kind == "email")
        ).first()
        is not None
    )


def _mark(tx: Connection, services: Services, kind: str, value: str, *, account_id: str, now: int) -> bool:
    insert_new = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    row = insert_new(abuse_marks).values(
        kind=kind,
        hash=services.accounts.derive(f"mark-{CAMPAIGN}-{kind}", value).hex(),
        account_id=account_id,
        at=now,
    )
    return tx.execute(row.on_conflict_do_nothing().returning(abuse_marks.c.hash)).first() is not None


def _missed(services: Services, reason: str) -> bool:
    services.metrics.promo_refused.labels(reason).inc()
    return False
