"""E-mails that wait: written in the transaction that causes them, delivered afterwards, at least once, with patience."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import Connection, insert, select, update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.operations.mail import Undeliverable, compose, deliver
from outfitswap_desktop.server.tables.accounts import account_pii
from outfitswap_desktop.server.tables.operations import outbox

if TYPE_CHECKING:
    from outfitswap_desktop.server.services import Services

ATTEMPTS: Final = 12
"""After so many (about three days, doubling from one minute to twelve hours) a message is given up."""
_LONGEST_MS: Final = 12 * 3_600_000


def send_later(tx: Connection, kind: str, payload: Mapping[str, Any], *, now: int) -> None:
    """Put an e-mail into the outbox; it is sent only if `tx` commits.

    `kind` names a text of operations.mail. `payload` says to whom: "account_id" (the address is looked up when it is sent), or
    "to"; and what its text needs: "token" or "link", and words. It is emptied once the e-mail has left.
    """
    compose(kind, payload, to="someone@example.org", sender="", public_url="")
    tx.execute(insert(outbox).values(id=new_id(), kind=kind, payload=dict(payload), due_at=now, attempts=0))


def flush(services: Services, *, now: int, limit: int = 50) -> int:
    """Deliver what is due, oldest first; returns how many left. No transaction is open while the mail server is spoken to."""
    with services.database.reading() as tx:
        due = tx.execute(
            select(outbox.c.id)
            .where(outbox.c.sent_at.is_(None), outbox.c.due_at <= now, outbox.c.attempts < ATTEMPTS)
            .order_by(outbox.c.due_at)
            .limit(limit)
        ).scalars()
        waiting = list(due)
    return sum(_try(services, message, now=now) for message in waiting)


def _try(services: Services, message: str, *, now: int) -> bool:
    with services.database.transaction() as tx:
        row = tx.execute(select(outbox).where(outbox.c.id == message)).mappings().one()
        pause = min(60_000 * 2 ** row["attempts"], _LONGEST_MS)
        claimed = tx.execute(
            update(outbox)
            .where(outbox.c.id == message, outbox.c.sent_at.is_(None), outbox.c.due_at == row["due_at"])
            .values(attempts=row["attempts"] + 1, due_at=now + pause)
            .returning(outbox.c.id)
        ).first()
        address = row["payload"].get("to") or _address(tx, row["payload"].get("account_id"))
    if claimed is None:
        return False
    log = structlog.get_logger(__name__)
    if address:
        try:
            settings = services.settings
            mail = compose(
                row["kind"], row["payload"], to=address, sender=settings.mail_from, public_url=settings.public_url
            )
            deliver(mail, settings, name=message)
        except Undeliverable as problem:
            log.warning("mail_waits", message=message, kind=row["kind"], attempts=row["attempts"] + 1, why=str(problem))
            return False
    with services.database.transaction() as tx:
        tx.execute(update(outbox).where(outbox.c.id == message).values(sent_at=now, payload={}))
    log.info("mail_sent" if address else "mail_without_address", message=message, kind=row["kind"])
    return bool(address)


def _address(tx: Connection, account_id: str | None) -> str | None:
    return tx.execute(select(account_pii.c.email_ci).where(account_pii.c.account_id == account_id)).scalar_one_or_none()
