"""Grants of credits and the order in which they burn: free ones first, then what expires earliest, then the oldest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, or_, select, update

from outfitswap_desktop.server.ledger.postings import BREAKAGE, Bucket, Short, purse
from outfitswap_desktop.server.tables.ledger import credit_grants

_usable = (
    credit_grants.c.account_id == bindparam("account"),
    credit_grants.c.remaining > 0,
    or_(credit_grants.c.expires_at.is_(None), credit_grants.c.expires_at > bindparam("now")),
)
_find = select(
    credit_grants.c.id,
    credit_grants.c.bucket,
    credit_grants.c.remaining,
    credit_grants.c.expires_at,
    credit_grants.c.created_at,
).where(*_usable)
_take = (
    update(credit_grants)
    .where(credit_grants.c.id == bindparam("grant"), credit_grants.c.remaining >= bindparam("credits"))
    .values(remaining=credit_grants.c.remaining - bindparam("credits"))
)
_return = (
    update(credit_grants)
    .where(credit_grants.c.id == bindparam("grant"))
    .values(remaining=credit_grants.c.remaining + bindparam("credits"))
)


class Draw(NamedTuple):
    """Credits taken from one grant; `expires_at` is the grant's."""

    grant_id: str
    bucket: Bucket
    credits: int
    expires_at: int | None


def usable(tx: Connection, account_id: str, *, now: int) -> list[Draw]:
    """What each grant still has that can be spent now, in burn order."""
    rows = tx.execute(_find, {"account": account_id, "now": now}).all()
    # Sorted here: a few rows at most, and the databases disagree on where NULL belongs.
    rows = sorted(rows, key=lambda row: (row[1] != "promo", row[3] is None, row[3] or 0, row[4], row[0]))
    return [Draw(row[0], row[1], row[2], row[3]) for row in rows]


def choose(grants: Iterable[Draw], credits: int) -> list[Draw]:
    """As many `credits` of `grants` in their order. Raises Short."""
    chosen = []
    left = credits
    for grant in grants:
        part = min(left, grant.credits)
        chosen.append(grant._replace(credits=part))
        left -= part
        if left == 0:
            return chosen
    raise Short(
        f"{credits} credits are needed, {credits - left} are available; buy credits, or wait for running jobs to end."
    )


def take(tx: Connection, draws: Iterable[Draw]) -> None:
    """Take from the grants, in the order of their ids. Raises Short when one has less than it had."""
    changes = [{"grant": draw.grant_id, "credits": draw.credits} for draw in sorted(draws)]
    if changes and tx.execute(_take, changes).rowcount != len(changes):
        raise Short


def give_back(tx: Connection, account_id: str, draws: Iterable[Draw], *, now: int) -> dict[str, int]:
    """Return to the grants what was drawn; gives the ledger accounts it goes to. What has expired goes to breakage."""
    draws = list(draws)
    return_all(tx, draws, now=now)
    return homes(account_id, draws, now=now)


def homes(account_id: str, draws: Iterable[Draw], *, now: int) -> dict[str, int]:
    """The ledger accounts that the credits of `draws` return to."""
    legs: dict[str, int] = defaultdict(int)
    for draw in draws:
        legs[BREAKAGE if _over(draw, now) else purse(account_id, draw.bucket)] += draw.credits
    return dict(legs)


def return_all(tx: Connection, draws: Iterable[Draw], *, now: int) -> None:
    """Return to the grants, in the order of their ids, what was drawn from those that have not expired."""
    back: dict[str, int] = defaultdict(int)
    for draw in draws:
        if not _over(draw, now):
            back[draw.grant_id] += draw.credits
    if back:
        tx.execute(_return, [{"grant": grant, "credits": back[grant]} for grant in sorted(back)])


def split(draws: Sequence[Draw], spent: int) -> tuple[list[Draw], list[Draw]]:
    """The first `spent` credits of `draws`, and the rest."""
    burned, back = [], []
    for draw in draws:
        first = min(draw.credits, spent)
        spent -= first
        if first:
            burned.append(draw._replace(credits=first))
        if draw.credits > first:
            back.append(draw._replace(credits=draw.credits - first))
    return burned, back


def by_purse(account_id: str, draws: Iterable[Draw]) -> dict[str, int]:
    """The credits of `draws` by the ledger account that they lie in."""
    legs: dict[str, int] = defaultdict(int)
    for draw in draws:
        legs[purse(account_id, draw.bucket)] += draw.credits
    return dict(legs)


def draws_of(legs: Iterable[Sequence[object]]) -> list[Draw]:
    """The draws that a reservation remembers."""
    return [Draw._make(leg) for leg in legs]


def _over(draw: Draw, now: int) -> bool:
    return draw.expires_at is not None and draw.expires_at <= now
