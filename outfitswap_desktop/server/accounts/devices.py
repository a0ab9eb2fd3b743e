"""Devices: machines that signed in with a key of their own, at most so many at once, each to be signed out by the owner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from outfitswap_desktop.licensing.wire.device import DeviceProof
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.messages import Device, Devices
from outfitswap_desktop.server.accounts import sessions
from outfitswap_desktop.server.operations.outbox import send_later
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import accounts, devices, licences
from outfitswap_desktop.server.tables.leases import leases


def attach(tx: Connection, services: Services, account_id: str, *, proof: DeviceProof, now: int) -> str:
    """The id of the device that proved itself, new or known; a revoked or suspect one is in order again.

    Raises Refusal 409 "too_many_devices". Where the limit is reached and one of the devices has the same fingerprint and no
    open lease (the program was installed anew, its key was lost), it makes room.
    """
    tx.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
    row = tx.execute(
        select(devices.c.id, devices.c.state).where(
            devices.c.account_id == account_id, devices.c.public_key == proof.public_key
        )
    ).first()
    words: dict[str, Any] = {"fingerprint": proof.fingerprint, "os": proof.os, "app_version": proof.app_version}
    if row is not None and row.state != "revoked":
        tx.execute(update(devices).where(devices.c.id == row.id).values(**words, last_seen=now, state="active"))
        known: str = row.id
        return known
    others = _make_room(tx, services, account_id, fingerprint=proof.fingerprint, now=now)
    if row is not None:
        tx.execute(update(devices).where(devices.c.id == row.id).values(**words, last_seen=now, state="active"))
        device_id: str = row.id
    else:
        device_id = new_id()
        tx.execute(
            insert(devices).values(
                id=device_id,
                account_id=account_id,
                public_key=proof.public_key,
                label=proof.label,
                first_seen=now,
                last_seen=now,
                state="active",
                **words,
            )
        )
    if others:
        send_later(tx, "new_device", {"account_id": account_id, "device": proof.label}, now=now)
    return device_id


def limit(tx: Connection, services: Services, account_id: str) -> int:
    """How many devices an account may have: the server's setting, or what a licence key of it allows."""
    by_licence = tx.execute(
        select(func.max(licences.c.max_devices)).where(
            licences.c.account_id == account_id, licences.c.state == "redeemed"
        )
    ).scalar_one()
    return max(services.settings.max_devices, by_licence or 0)


def listed(tx: Connection, services: Services, account_id: str, *, this: str | None) -> Devices:
    """All devices of an account, revoked ones too, the last used first."""
    rows = tx.execute(
        select(devices).where(devices.c.account_id == account_id).order_by(devices.c.last_seen.desc(), devices.c.id)
    ).mappings()
    return Devices(devices=tuple(_device(row, this) for row in rows), limit=limit(tx, services, account_id))


def get(tx: Connection, account_id: str, device_id: str, *, this: str | None) -> Device:
    """One device of an account; raises Refusal 404."""
    row = (
        tx.execute(select(devices).where(devices.c.account_id == account_id, devices.c.id == device_id))
        .mappings()
        .first()
    )
    if row is None:
        raise _unknown()
    return _device(row, this)


def rename(tx: Connection, account_id: str, device_id: str, *, label: str) -> None:
    """Another name for a device; raises Refusal 404."""
    which = (devices.c.account_id == account_id, devices.c.id == device_id)
    if tx.execute(update(devices).where(*which).values(label=label).returning(devices.c.id)).first() is None:
        raise _unknown()


def revoke(tx: Connection, services: Services, account_id: str, *, device_id: str, now: int) -> None:
    """Sign a device out and free its place; raises Refusal 404. Credits that it took along return when their time is over."""
    which = (devices.c.account_id == account_id, devices.c.id == device_id)
    if tx.execute(update(devices).where(*which).values(state="revoked").returning(devices.c.id)).first() is None:
        raise _unknown()
    sessions.revoke_all(tx, services, account_id, device_id=device_id, now=now)


def _make_room(tx: Connection, services: Services, account_id: str, *, fingerprint: str, now: int) -> int:
    active = tx.execute(
        select(devices.c.id, devices.c.fingerprint)
        .where(devices.c.account_id == account_id, devices.c.state != "revoked")
        .order_by(devices.c.last_seen)
    ).all()
    most = limit(tx, services, account_id)
    if len(active) < most:
        return len(active)
    with_lease = set(
        tx.execute(
            select(leases.c.device_id).where(leases.c.account_id == account_id, leases.c.state == "open")
        ).scalars()
    )
    for each in active:
        if each.fingerprint == fingerprint and each.id not in with_lease:
            revoke(tx, services, account_id, device_id=each.id, now=now)
            return len(active)
    raise Refusal(
        409,
        "too_many_devices",
        title="Too many devices",
        detail=f"This account is signed in on {most} devices; sign one of them out at {services.settings.public_url}/devices.",
    )


def _device(row: Any, this: str | None) -> Device:
    return Device(
        id=row["id"],
        label=row["label"],
        os=row["os"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        state=row["state"],
        this=row["id"] == this,
    )


def _unknown() -> Refusal:
    return Refusal(404, "unknown_device", title="No such device", detail="Your account has no device of this id.")
