"""How much a device may take along, and for how long."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select

from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import accounts
from outfitswap_desktop.server.tables.leases import leases

DAY_MS: Final = 86_400_000
GRACE_MS: Final = 30 * DAY_MS
"""How long after a lease's end receipts are still charged, before what is left goes back by itself."""
NEW_ACCOUNT_MS: Final = 7 * DAY_MS
"""So long an account's first lease is at most what is given for nothing: a stolen card is noticed by then."""
LATE_WINDOW_MS: Final = 90 * DAY_MS
LATE_LEASES: Final = 2
DEAD_HOLD_MS: Final = DAY_MS
"""A hold that the server has known for so long belongs to no running job: it does not keep a lease from being given back."""
SHORT_DAYS: Final = 3
"""After more than two late leases within 90 days, leases are this short."""


def most_credits(tx: Connection, account_id: str, *, available: int, settings: Settings, now: int) -> int:
    """Credits that a new lease may have: half of what is there (rounded up), at most 500 by default, less for a new account."""
    most = min((available + 1) // 2, settings.max_lease_credits)
    created = tx.execute(select(accounts.c.created_at).where(accounts.c.id == account_id)).scalar_one()
    if now - created < NEW_ACCOUNT_MS:
        earlier = tx.execute(select(leases.c.id).where(leases.c.account_id == account_id).limit(1)).first()
        if earlier is None:
            most = min(most, settings.free_credits)
    return most


def refuse_beyond(most: int, credits: int) -> None:
    """Refuse with 403 "lease_limit" more credits than `most`."""
    if credits > most:
        raise Refusal(
            403,
            "lease_limit",
            title="So many credits cannot be taken along",
            detail=f"At most {most} credits can be taken along now; take fewer, or buy more first.",
        )


def days(tx: Connection, account_id: str, *, asked: int, now: int) -> int:
    """The days of a new lease: those asked for, or fewer where too many leases were reported late."""
    late = select(func.count()).where(leases.c.account_id == account_id, leases.c.late_at >= now - LATE_WINDOW_MS)
    return min(asked, SHORT_DAYS) if tx.execute(late).scalar_one() > LATE_LEASES else asked
