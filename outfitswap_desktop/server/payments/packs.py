"""What is for sale."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, insert, select, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.tables.payments import packs

FIRST: Final = (
    messages.Pack(id="small", title="100 credits", credits=100, amount_minor=900, currency="eur"),
    messages.Pack(id="medium", title="300 credits", credits=300, amount_minor=2400, currency="eur"),
    messages.Pack(id="large", title="1,000 credits", credits=1000, amount_minor=6900, currency="eur"),
)
"""What a new shop begins with, until its operator says otherwise."""


def for_sale(tx: Connection) -> tuple[messages.Pack, ...]:
    """The packs that can be bought, the smallest first."""
    rows = tx.execute(select(packs).where(packs.c.active).order_by(packs.c.credits, packs.c.id))
    return tuple(
        messages.Pack(
            id=row.id, title=row.title, credits=row.credits, amount_minor=row.amount_minor, currency=row.currency
        )
        for row in rows
    )


def put(tx: Connection, pack: messages.Pack, *, stripe_price_id: str | None = None, active: bool = True) -> None:
    """Sell a pack from now on, or change it; orders that exist keep what they were made with.

    With `stripe_price_id` Stripe's own price is charged; where it differs from the pack's, paid orders wait for a person.
    """
    values = {
        "title": pack.title,
        "credits": pack.credits,
        "amount_minor": pack.amount_minor,
        "currency": pack.currency.lower(),
        "stripe_price_id": stripe_price_id,
        "active": active,
    }
    changed = tx.execute(update(packs).where(packs.c.id == pack.id).values(**values).returning(packs.c.id)).first()
    if changed is None:
        tx.execute(insert(packs).values(id=pack.id, **values))


def withdraw(tx: Connection, pack_id: str) -> bool:
    """Sell a pack no more; False when there is none of this id."""
    changed = update(packs).where(packs.c.id == pack_id).values(active=False).returning(packs.c.id)
    return tx.execute(changed).first() is not None


def stock(tx: Connection) -> int:
    """Put the first packs on sale where none has ever been; how many."""
    if tx.execute(select(packs.c.id).limit(1)).first() is not None:
        return 0
    for pack in FIRST:
        put(tx, pack)
    return len(FIRST)
