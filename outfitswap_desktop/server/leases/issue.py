"""A device takes credits along: out of the account's balance, into a lease that only this device can spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.blobs import BlobError
from outfitswap_desktop.licensing.wire.lease import Lease, genesis_of, peek, sign_lease
from outfitswap_desktop.server.leases import limits
from outfitswap_desktop.server.leases.ending import end
from outfitswap_desktop.server.leases.rows import LIVE, find, locked, summary
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.ledger.postings import Standing, lock
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import devices
from outfitswap_desktop.server.tables.leases import leases


@dataclass(frozen=True, slots=True)
class Wish:
    """A lease that a device asks for under the id that it has made; `public_key` is proven."""

    lease_id: str
    account_id: str
    device_id: str
    public_key: bytes
    credits: int
    days: int


def again(tx: Connection, services: Services, wish: Wish, *, now: int) -> messages.LeaseGrant | None:
    """The lease that this wish has made before (its answer was lost), or None.

    Signed anew when its key has been revoked since. The account is locked from here on, so that a racing twin of this wish is
    seen. Refuses with 409 "id_in_use" when the id belongs to another wish.
    """
    lock(tx, wish.account_id)
    row = find(tx, wish.lease_id)
    if row is None:
        return None
    same = (row["account_id"], bytes(row["device_public_key"]), row["credits"])
    if same != (wish.account_id, wish.public_key, wish.credits):
        raise Refusal(
            409,
            "id_in_use",
            title="This id is taken",
            detail="Another lease has this id; ask again with a fresh one.",
        )
    blob = row["blob"]
    if row["state"] == "open" and not _believed(services, row):
        blob = _sign_anew(tx, services, row, now=now)
    return messages.LeaseGrant(lease=blob, summary=summary(row))


def issue(tx: Connection, services: Services, wish: Wish, *, now: int) -> messages.LeaseGrant:
    """Move credits into a new lease and sign it, with the prices of the day.

    Refuses: 403 "device_not_active" (revoked, or suspect until it signs in again), "other_device", "account_frozen",
    "lease_limit"; 402 "debt", "no_credits"; 409 "lease_open" (one at a time for each device), "id_in_use".
    """
    _check(tx, wish, lock(tx, wish.account_id))
    _make_room(tx, wish, now=now)
    available = ledger.balance(tx, wish.account_id, now=now).available
    if available == 0:
        raise Refusal(
            402, "no_credits", title="No credits are left", detail="There is nothing to take along; buy credits first."
        )
    settings = services.settings
    most = limits.most_credits(tx, wish.account_id, available=available, settings=settings, now=now)
    limits.refuse_beyond(most, wish.credits)
    kid, key = services.keys.active("lease")
    not_after = now + limits.days(tx, wish.account_id, asked=wish.days, now=now) * limits.DAY_MS
    lease = Lease(
        kid=kid,
        lease_id=wish.lease_id,
        account_id=wish.account_id,
        device_id=wish.device_id,
        device_public_key=wish.public_key,
        credits=wish.credits,
        genesis=genesis_of(wish.lease_id, wish.account_id, device_public_key=wish.public_key, issued_at=now),
        issued_at=now,
        not_before=now,
        not_after=not_after,
        grace_until=not_after + limits.GRACE_MS,
        server_time=now,
        prices=settings.price_table(),
        prices_version=settings.prices_version,
    )
    blob = sign_lease(lease, key)
    _write(tx, lease, blob)
    ledger.lease_out(
        tx, wish.account_id, wish.lease_id, credits=wish.credits, actor=f"device:{wish.device_id}", now=now
    )
    return messages.LeaseGrant(lease=blob, summary=summary(locked(tx, wish.lease_id, wish.account_id)))


def _check(tx: Connection, wish: Wish, standing: Standing) -> None:
    device = tx.execute(
        select(devices.c.public_key, devices.c.state, devices.c.account_id).where(devices.c.id == wish.device_id)
    ).first()
    if device is None or device.account_id != wish.account_id or bytes(device.public_key) != wish.public_key:
        raise Refusal(
            403,
            "other_device",
            title="Another device's key",
            detail="This was not signed with the key of the device that is signed in; sign in on this device again.",
        )
    if device.state != "active":
        raise Refusal(
            403,
            "device_not_active",
            title="This device can take no credits along",
            detail="Sign in on this device again, then take credits along; working online goes on meanwhile.",
        )
    if standing.state != "active":
        raise Refusal(
            403,
            "account_frozen",
            title="This account is frozen",
            detail="No credits can be taken along from a frozen account; please write to us.",
        )
    if standing.debt:
        raise Refusal(
            402,
            "debt",
            title="Credits are owed",
            detail=f"A payment was taken back and {standing.debt} credits are owed; buy credits first.",
        )


def _make_room(tx: Connection, wish: Wish, *, now: int) -> None:
    """One lease at a time for each device; one whose grace is over ends here, if the sweep has not been."""
    open_one = select(leases.c.id).where(leases.c.device_id == wish.device_id, leases.c.state == "open")
    found = tx.execute(open_one).scalar_one_or_none()
    if found is None:
        return
    row = locked(tx, found, wish.account_id)
    if row["state"] in LIVE and now >= row["grace_until"]:
        end(tx, row, state="expired", by="sweep", now=now)
    elif row["state"] == "open":
        raise _open_already()


def _open_already() -> Refusal:
    return Refusal(
        409,
        "lease_open",
        title="This device has credits along",
        detail="Give back what this device has taken along, then take along anew.",
    )


def _write(tx: Connection, lease: Lease, blob: str) -> None:
    row = {
        "id": lease.lease_id,
        "account_id": lease.account_id,
        "device_id": lease.device_id,
        "credits": lease.credits,
        "spent": 0,
        "seq": 0,
        "head": lease.genesis,
        "issued_at": lease.issued_at,
        "not_after": lease.not_after,
        "grace_until": lease.grace_until,
        "kid": lease.kid,
        "state": "open",
        "blob": blob,
    }
    try:
        tx.execute(insert(leases).values(**row))
    except IntegrityError as error:
        # Another account's request with the same id at the same moment; the lock of the account leaves no other way.
        raise _open_already() from error


def _believed(services: Services, row: RowMapping) -> bool:
    try:
        services.keys.key_list().verifier(row["kid"], "lease", signed_at=peek(row["blob"]).server_time)
    except BlobError:
        return False
    return True


def _sign_anew(tx: Connection, services: Services, row: Mapping[Any, Any], *, now: int) -> str:
    kid, key = services.keys.active("lease")
    blob = sign_lease(replace(peek(row["blob"]), kid=kid, server_time=now), key)
    tx.execute(update(leases).where(leases.c.id == row["id"]).values(kid=kid, blob=blob))
    return blob
