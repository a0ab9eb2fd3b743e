"""What a person may ask of their own data: all of it as JSON, and its end, which can be undone for seven days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog
from sqlalchemy import Connection, LargeBinary, Table, delete, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from outfitswap_desktop.server.accounts import mail_tokens, oauth_states, people, promo, sessions
from outfitswap_desktop.server.operations import audit
from outfitswap_desktop.server.operations.outbox import send_later
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables import accounts as tables
from outfitswap_desktop.server.tables import leases as lease_tables
from outfitswap_desktop.server.tables import ledger as ledger_tables
from outfitswap_desktop.server.tables import metadata
from outfitswap_desktop.server.tables import operations as operation_tables
from outfitswap_desktop.server.tables import payments as payment_tables

_PARENTS: Final = (
    ("lease_id", lease_tables.leases),
    ("txn_id", ledger_tables.ledger_txns),
    ("order_id", payment_tables.orders),
    ("session_id", tables.sessions),
)
"""Rows that belong to an account through another row: by which column, to which table."""
UNDO_MS: Final = 7 * 86_400_000
SECRETS: Final = frozenset(
    {"password_hash", "token_hash", "refresh_hash", "rotated_from", "device_code_hash", "code_hash", "challenge"}
    | {"key_hash", "hash", "user_code", "prev_hash"}
)
"""Columns that an export leaves out: they open something, or are only ours to recognise it again."""
NOBODYS: Final = frozenset(
    {
        "oauth_states",
        "packs",
        "proof_nonces",
        "signing_keys",
        "key_lists",
        "stripe_events",
        "sweeper",
        "outbox",
        "watermarks",
    }
)
"""Tables that hold nothing by account: what is for sale, keys, what waits for minutes, and Stripe's own messages."""


def export(tx: Connection, account_id: str) -> dict[str, Any]:
    """Everything that lies here by this account, table by table, as JSON can say it; raises Refusal 404.

    A table that is added later is in it by itself when it has a column `account_id`.
    """
    if people.get(tx, account_id) is None:
        raise Refusal(404, "unknown_account", title="No such account", detail="Sign in again.")
    found = {
        table.name: _rows(tx, table, which)
        for table in metadata.sorted_tables
        if (which := _belongs(table, account_id)) is not None
    }
    return {"format": "outfitswap-export/1", "account_id": account_id, "tables": found}


def delete_account(tx: Connection, services: Services, account_id: str, *, now: int) -> int:
    """Close the account; returns when it will be erased (ms). Until then the site lets its owner in to undo it.

    Signs every session out, gives held credits back and sends an e-mail. Asked again it changes nothing.
    """
    person = people.get(tx, account_id)
    if person is None or (person.state == "closed" and person.closes_at is None):
        raise Refusal(404, "unknown_account", title="No such account", detail="Sign in again.")
    if person.closes_at is not None:
        return person.closes_at
    closes_at = now + UNDO_MS
    _void_all(tx, account_id, now=now)
    tx.execute(
        update(tables.accounts)
        .where(tables.accounts.c.id == account_id)
        .values(state="closed", closes_at=closes_at, reopens_as=person.state)
    )
    sessions.revoke_all(tx, services, account_id, now=now)
    if person.email is not None:
        send_later(tx, "account_closing", {"account_id": account_id}, now=now)
    audit.record(tx, actor=account_id, action="account.close", target=account_id, detail={"at": closes_at}, now=now)
    return closes_at


def undo(tx: Connection, account_id: str, *, now: int) -> bool:
    """Open the account again as it was before; False when it is not closing (any more)."""
    row = tx.execute(
        update(tables.accounts)
        .where(
            tables.accounts.c.id == account_id,
            tables.accounts.c.state == "closed",
            tables.accounts.c.closes_at > now,
            tables.accounts.c.erased_at.is_(None),
        )
        .values(state=tables.accounts.c.reopens_as, closes_at=None, reopens_as=None)
        .returning(tables.accounts.c.id)
    ).first()
    if row is None:
        return False
    audit.record(tx, actor=account_id, action="account.reopen", target=account_id, detail={}, now=now)
    return True


def erase_due(services: Services, *, now: int, limit: int = 100) -> int:
    """Erase up to `limit` accounts whose seven days are over, and forget what is over of all others; returns how many.

    Where Stripe cannot be reached, that person's erasure waits for the next time. Safe to run in several processes at once.
    """
    which = (tables.accounts.c.closes_at <= now, tables.accounts.c.erased_at.is_(None))
    with services.database.reading() as tx:
        due = (
            tx.execute(select(tables.accounts.c.id).where(*which).order_by(tables.accounts.c.closes_at).limit(limit))
            .scalars()
            .all()
        )
    erased = sum(_erase_one(services, account_id, now=now) for account_id in due)
    forget: tuple[Callable[..., object], ...] = (sessions.forget_old, promo.forget_old, oauth_states.forget_old)
    for each in forget:
        with services.database.transaction() as tx:
            each(tx, now=now)
    return erased


def erase(tx: Connection, services: Services, account_id: str, *, now: int) -> None:
    """Remove all that names the person of a closed account; ledger, orders and audit stay under its id alone.

    Leases are closed first; credits that are left stay where they are, for nobody to spend.
    """
    from outfitswap_desktop.server.leases.ending import force_close

    person = people.get(tx, account_id)
    live = select(lease_tables.leases.c.id).where(
        lease_tables.leases.c.account_id == account_id, lease_tables.leases.c.state.in_(("open", "frozen"))
    )
    for lease_id in tx.execute(live.order_by(lease_tables.leases.c.id)).scalars().all():
        force_close(tx, lease_id, actor="erasure", now=now)
    _void_all(tx, account_id, now=now)
    tx.execute(delete(tables.account_pii).where(tables.account_pii.c.account_id == account_id))
    tx.execute(delete(tables.oauth_identities).where(tables.oauth_identities.c.account_id == account_id))
    tx.execute(delete(tables.device_codes).where(tables.device_codes.c.account_id == account_id))
    mail_tokens.drop(tx, account_id)
    mine = select(tables.sessions.c.id).where(tables.sessions.c.account_id == account_id)
    tx.execute(delete(tables.spent_refresh_tokens).where(tables.spent_refresh_tokens.c.session_id.in_(mine)))
    tx.execute(delete(tables.authorization_codes).where(tables.authorization_codes.c.account_id == account_id))
    tx.execute(delete(tables.sessions).where(tables.sessions.c.account_id == account_id))
    tx.execute(
        update(tables.devices)
        .where(tables.devices.c.account_id == account_id)
        .values(state="revoked", label="", os="", app_version="", fingerprint="")
    )
    promo.let_go(tx, account_id)
    tx.execute(update(tables.accounts).where(tables.accounts.c.id == account_id).values(closes_at=None, erased_at=now))
    if person is not None and person.email is not None:
        send_later(tx, "account_closed", {"to": person.email}, now=now)
    audit.record(tx, actor="erasure", action="account.erase", target=account_id, detail={}, now=now)


def _erase_one(services: Services, account_id: str, *, now: int) -> bool:
    with services.database.reading() as tx:
        person = people.get(tx, account_id)
    if person is not None and person.stripe_customer_id is not None and services.stripe is not None:
        from outfitswap_desktop.server.payments.gateway import Unreachable

        try:
            services.stripe.forget_customer(person.stripe_customer_id)
        except Unreachable as problem:
            structlog.get_logger(__name__).warning("erasure_waits", account=account_id, why=str(problem))
            return False
    with services.database.transaction() as tx:
        mine = tx.execute(
            select(tables.accounts.c.id)
            .where(
                tables.accounts.c.id == account_id,
                tables.accounts.c.closes_at <= now,
                tables.accounts.c.erased_at.is_(None),
            )
            .with_for_update()
        ).first()
        if mine is None:
            return False
        erase(tx, services, account_id, now=now)
    return True


def _void_all(tx: Connection, account_id: str, *, now: int) -> None:
    from outfitswap_desktop.server.ledger import reservations

    held = select(ledger_tables.reservations.c.id).where(
        ledger_tables.reservations.c.account_id == account_id, ledger_tables.reservations.c.state == "held"
    )
    for each in tx.execute(held.order_by(ledger_tables.reservations.c.id)).scalars().all():
        reservations.void(tx, account_id, each, reason="account closed", device_id=None, now=now)


def _belongs(table: Table, account_id: str) -> ColumnElement[bool] | None:
    if table is tables.accounts:
        return tables.accounts.c.id == account_id
    if "account_id" in table.c:
        return table.c.account_id == account_id
    for column, parent in _PARENTS:
        if column in table.c:
            return table.c[column].in_(select(parent.c.id).where(parent.c.account_id == account_id))
    if table is operation_tables.audit:
        return or_(table.c.actor == account_id, table.c.target == account_id)
    return None


def _rows(tx: Connection, table: Table, which: ColumnElement[bool]) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name not in SECRETS]
    order: Iterable[Any] = table.primary_key.columns
    rows = tx.execute(select(*columns).where(which).order_by(*order)).mappings()
    return [_plain(row, table) for row in rows]


def _plain(row: Mapping[Any, Any], table: Table) -> dict[str, Any]:
    return {
        name: bytes(value).hex() if isinstance(table.c[name].type, LargeBinary) and value is not None else value
        for name, value in row.items()
    }
