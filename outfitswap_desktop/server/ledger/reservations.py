"""Credits held for a job: reserved under an id that the client made, and settled once: committed, voided or expired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, case, func, or_, select, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.ledger import grants
from outfitswap_desktop.server.ledger.postings import BREAKAGE, BURNED, Posting, lock, post, post_all, purse
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.ledger import credit_grants, reservations

_new = insert_or_ignore(reservations).returning(reservations.c.id)
_one = select(reservations).where(
    reservations.c.id == bindparam("this"), reservations.c.account_id == bindparam("account")
)
_available = select(func.coalesce(func.sum(credit_grants.c.remaining), 0)).where(
    credit_grants.c.account_id == bindparam("account"),
    credit_grants.c.remaining > 0,
    or_(credit_grants.c.expires_at.is_(None), credit_grants.c.expires_at > bindparam("now")),
)
_told = (
    reservations.c.credits,
    reservations.c.legs,
    reservations.c.expires_at,
    _available.scalar_subquery().label("available"),
)
_settle = (
    update(reservations)
    .where(
        reservations.c.id == bindparam("this"),
        reservations.c.account_id == bindparam("account"),
        reservations.c.state == "held",
        reservations.c.credits >= bindparam("used"),
    )
    .values(state=bindparam("ending"), spent=bindparam("used"), reason=bindparam("why"))
    .returning(*_told)
)
_extend = (
    update(reservations)
    .where(
        reservations.c.id == bindparam("this"),
        reservations.c.account_id == bindparam("account"),
        reservations.c.state == "held",
    )
    .values(
        expires_at=case(
            (reservations.c.expires_at > bindparam("until"), reservations.c.expires_at), else_=bindparam("until")
        )
    )
    .returning(reservations.c.id)
)


def reserve(
    tx: Connection,
    account_id: str,
    wish: messages.Reserve,
    *,
    device_id: str | None,
    prices: Mapping[str, int],
    now: int,
) -> messages.Reservation:
    """Hold credits for a job; the same wish under the same id again gives the reservation as it stands.

    Raises Short; refuses 402 "debt", 403 "account_frozen", 404 "unknown_engine", 409 "price_changed" (the price is the
    server's), "id_in_use".
    """
    check_price(wish, prices)
    standing = lock(tx, account_id)
    if standing.state != "active":
        raise Refusal(
            403,
            "account_frozen",
            title="This account takes no new jobs",
            detail="Write to us to have it opened again; your results stay yours.",
        )
    there = grants.usable(tx, account_id, now=now)
    try:
        if standing.debt:
            raise _in_debt(standing.debt)
        chosen = grants.choose(there, wish.credits)
    except Refusal:
        known = _known(tx, account_id, wish, now=now)
        if known is None:
            raise
        return known
    expires_at = now + wish.ttl_seconds * 1000
    row = {
        **wish.model_dump(exclude={"ttl_seconds"}),
        "account_id": account_id,
        "device_id": device_id,
        "spent": 0,
        "state": "held",
        "legs": [list(draw) for draw in chosen],
        "created_at": now,
        "expires_at": expires_at,
        "reason": "",
    }
    if tx.execute(_new, row).first() is None:
        known = _known(tx, account_id, wish, now=now)
        if known is None:
            raise _id_in_use()
        return known
    grants.take(tx, chosen)
    legs = {account: -change for account, change in grants.by_purse(account_id, chosen).items()}
    legs[purse(account_id, "held")] = wish.credits
    _post(tx, "reserve", wish.id, legs, account_id=account_id, actor=_actor(device_id), now=now)
    return messages.Reservation(
        id=wish.id,
        state="held",
        credits=wish.credits,
        spent=0,
        expires_at=expires_at,
        available=sum(grant.credits for grant in there) - wish.credits,
    )


def check_price(wish: messages.Reserve, prices: Mapping[str, int]) -> None:
    """Refuse what is not the price of the engine for so many images."""
    price = prices.get(wish.engine)
    if price is None:
        raise Refusal(
            404, "unknown_engine", title="No such engine", detail="This engine has no price here; update the program."
        )
    if wish.credits != price * wish.images:
        raise Refusal(
            409,
            "price_changed",
            title="The price has changed",
            detail=f"{wish.images} x {wish.engine} costs {price * wish.images} credits, not {wish.credits}; try again.",
        )


def commit(
    tx: Connection, account_id: str, reservation_id: str, *, spent: int, device_id: str | None, now: int
) -> messages.Reservation:
    """Burn `spent` credits of a reservation and return the rest. The same again gives the reservation as it stands.

    One whose time is over can still be committed until the sweep has given its credits back. Refuses 404 "no_reservation",
    409 "settled_otherwise", 422 "too_much".
    """
    ending = _Ending("committed", spent, "", _actor(device_id))
    return _end(tx, account_id, reservation_id, ending=ending, now=now)


def void(
    tx: Connection, account_id: str, reservation_id: str, *, reason: str, device_id: str | None, now: int
) -> messages.Reservation:
    """Return all credits of a reservation; one that is voided or expired stays as it is.

    Refuses 404 "no_reservation", 409 "settled_otherwise".
    """
    ending = _Ending("voided", 0, reason, _actor(device_id))
    return _end(tx, account_id, reservation_id, ending=ending, now=now)


def extend(tx: Connection, account_id: str, reservation_id: str, *, ttl_seconds: int, now: int) -> messages.Reservation:
    """Let a held reservation live at least `ttl_seconds` from now. Refuses 404 "no_reservation", 409 "settled_otherwise"."""
    mine = {"this": reservation_id, "account": account_id}
    extended = tx.execute(_extend, {**mine, "until": now + ttl_seconds * 1000}).first()
    found = read(tx, account_id, reservation_id, now=now)
    if extended is None:
        raise _settled(found.state)
    return found


def read(tx: Connection, account_id: str, reservation_id: str, *, now: int) -> messages.Reservation:
    """A reservation as it stands. Refuses 404 "no_reservation"."""
    row = tx.execute(_one, {"this": reservation_id, "account": account_id}).first()
    if row is None:
        raise Refusal(404, "no_reservation", title="No such reservation", detail="Reserve first.")
    return _message(tx, row, now=now)


def expire_due(tx: Connection, *, now: int, limit: int = 500) -> int:
    """Return the credits of up to `limit` reservations whose time is over; gives how many they were.

    Several sweeps at once share the work; a reservation that is being settled is left for the next time.
    """
    rows = tx.execute(
        select(reservations.c.id, reservations.c.account_id, reservations.c.credits, reservations.c.legs)
        .where(reservations.c.state == "held", reservations.c.expires_at <= now)
        .order_by(reservations.c.expires_at, reservations.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return 0
    tx.execute(
        update(reservations)
        .where(reservations.c.id.in_([row.id for row in rows]), reservations.c.state == "held")
        .values(state="expired")
    )
    draws = [(row, grants.draws_of(row.legs)) for row in rows]
    grants.return_all(tx, (draw for _, mine in draws for draw in mine), now=now)
    postings = [
        Posting(
            "settle",
            row.id,
            grants.homes(row.account_id, mine, now=now) | {purse(row.account_id, "held"): -row.credits},
            row.account_id,
            "expired",
        )
        for row, mine in draws
    ]
    post_all(tx, postings, actor="server", now=now)
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Ending:
    state: Literal["committed", "voided"]
    spent: int
    reason: str
    actor: str


def _end(tx: Connection, account_id: str, reservation_id: str, *, ending: _Ending, now: int) -> messages.Reservation:
    mine = {"this": reservation_id, "account": account_id}
    wanted = {"used": ending.spent, "ending": ending.state, "why": ending.reason}
    row = tx.execute(_settle, {**mine, **wanted, "now": now}).first()
    if row is None:
        return _ended(read(tx, account_id, reservation_id, now=now), ending)
    burned, back = grants.split(grants.draws_of(row.legs), ending.spent)
    legs = grants.give_back(tx, account_id, back, now=now)
    available = int(row.available) + sum(credits for home, credits in legs.items() if home != BREAKAGE)
    legs[purse(account_id, "held")] = -row.credits
    if burned:
        legs[BURNED] = ending.spent
    memo = f"{ending.spent} used" if ending.state == "committed" else ending.reason
    _post(tx, "settle", reservation_id, legs, account_id=account_id, actor=ending.actor, now=now, memo=memo)
    return messages.Reservation(
        id=reservation_id,
        state=ending.state,
        credits=row.credits,
        spent=ending.spent,
        expires_at=row.expires_at,
        available=available,
    )


def _ended(found: messages.Reservation, ending: _Ending) -> messages.Reservation:
    """A reservation that could not be settled: fine when it ended like this before, else refused."""
    if found.state == "held":
        raise Refusal(
            422,
            "too_much",
            title="More than was reserved",
            detail=f"{found.credits} credits are reserved, {ending.spent} cannot be used.",
        )
    if ending.state == "committed":
        same = found.state == "committed" and found.spent == ending.spent
    else:
        same = found.state in ("voided", "expired")
    if not same:
        raise _settled(found.state)
    return found


def _post(
    tx: Connection,
    kind: str,
    ref: str,
    legs: Mapping[str, int],
    *,
    account_id: str,
    actor: str,
    now: int,
    memo: str = "",
) -> None:
    if post(tx, kind=kind, ref=ref, legs=legs, account_id=account_id, actor=actor, now=now, memo=memo) is None:
        raise RuntimeError(f"{kind} {ref} was posted before")  # the state said otherwise: roll everything back


def _known(tx: Connection, account_id: str, wish: messages.Reserve, *, now: int) -> messages.Reservation | None:
    """The reservation that this very wish has made before; refuses when the id was used for something else."""
    row = tx.execute(_one, {"this": wish.id, "account": account_id}).first()
    if row is None:
        return None
    if (row.credits, row.job_id, row.engine, row.images) != (wish.credits, wish.job_id, wish.engine, wish.images):
        raise _id_in_use()
    return _message(tx, row, now=now)


def _message(tx: Connection, row: Any, *, now: int) -> messages.Reservation:
    return messages.Reservation(
        id=row.id,
        state=row.state,
        credits=row.credits,
        spent=row.spent,
        expires_at=row.expires_at,
        available=_left(tx, row.account_id, now=now),
    )


def _left(tx: Connection, account_id: str, *, now: int) -> int:
    return int(tx.execute(_available, {"account": account_id, "now": now}).scalar_one())


def _actor(device_id: str | None) -> str:
    return f"device:{device_id}" if device_id else "account"


def _settled(state: str) -> Refusal:
    return Refusal(
        409,
        "settled_otherwise",
        title=f"The reservation is {state}",
        detail="A reservation ends once; reserve again for another job.",
    )


def _id_in_use() -> Refusal:
    return Refusal(409, "id_in_use", title="This id is in use", detail="Make a fresh id for another reservation.")


def _in_debt(debt: int) -> Refusal:
    return Refusal(
        402,
        "debt",
        title="Credits are owed",
        detail=f"{debt} credits were refunded after they had been used; buy credits to go on.",
    )
