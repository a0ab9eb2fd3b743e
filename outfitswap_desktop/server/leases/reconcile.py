"""Receipts come back: signatures first, outside of any transaction, then their place in the chain, then the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.blobs import BlobError, public_key
from outfitswap_desktop.licensing.wire.device import DeviceProof
from outfitswap_desktop.licensing.wire.receipts import Receipt, read_receipt, receipt_hash
from outfitswap_desktop.server.leases.ending import end
from outfitswap_desktop.server.leases.judge import Judgement, Recorded, Signed, judge
from outfitswap_desktop.server.leases.limits import DEAD_HOLD_MS
from outfitswap_desktop.server.leases.proofs import blob_refused, check_proof, read_fresh
from outfitswap_desktop.server.leases.rows import LIVE, chain_of, change, evidence, known, locked
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.operations import audit, outbox
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import devices
from outfitswap_desktop.server.tables.leases import lease_holds, lease_receipts

Purpose = Literal["reconcile", "offline"]


@dataclass(frozen=True, slots=True)
class Upload:
    """Receipts of one lease whose signatures are right, and the proof of the device that sends them."""

    lease_id: str
    proof: DeviceProof
    proof_blob: str
    receipts: tuple[Signed, ...]
    purpose: Purpose = "reconcile"


def read_upload(lease_id: str, blobs: Sequence[str], *, proof: str, now: int) -> Upload:
    """Check all signatures: up to 0.1 s of work for 500 receipts, so before the transaction.

    Refuses with 400: "device_proof", "device_clock", "receipt" (one cannot be believed), "other_lease".
    """
    device = read_fresh(proof, purpose="reconcile", now=now)
    try:
        verifier = public_key(device.public_key)
        read = tuple(read_receipt(blob, verifier) for blob in blobs)
    except BlobError as error:
        raise blob_refused(error, code="receipt") from error
    return Upload(lease_id, device, proof, signed(lease_id, read, blobs))


def signed(lease_id: str, receipts: Sequence[Receipt], blobs: Sequence[str]) -> tuple[Signed, ...]:
    """Receipts with their hashes; refuses with 400 "other_lease" unless all are of `lease_id`."""
    if any(receipt.lease_id != lease_id for receipt in receipts):
        raise Refusal(
            400,
            "other_lease",
            title="Receipts of another lease",
            detail="Some of these receipts belong to another lease; send each lease's own.",
        )
    return tuple(Signed(receipt, receipt_hash(receipt), blob) for receipt, blob in zip(receipts, blobs, strict=True))


def reconcile(tx: Connection, upload: Upload, *, account_id: str, now: int) -> messages.Reconciled:
    """Take receipts in. The same upload again, or a part of it, changes nothing.

    Refuses with 404 "no_lease", 403 "other_device".
    """
    row = _lease(tx, upload, account_id)
    if row["state"] in LIVE and now >= row["grace_until"]:
        end(tx, row, state="expired", by="sweep", now=now)
        row = locked(tx, row["id"], account_id)
    judgement = _judge(tx, row, upload)
    _keep(tx, row, judgement, now=now)
    return _answer(row, judgement, state=_state(row, judgement))


def close(tx: Connection, upload: Upload, *, account_id: str, now: int) -> messages.Reconciled:
    """Take the last receipts in and give back what is left; a lease that has ended stays as it is.

    The answer's state says whether it ended: a frozen one does not until its grace is over, nor one with an open hold of a
    job that may still run; then `reason` says why. Refuses as `reconcile` does, and with 400 "device_proof_used".
    """
    told = reconcile(tx, upload, account_id=account_id, now=now)
    if told.state not in LIVE:
        return told
    if told.state == "frozen":
        return told.model_copy(update={"reason": "frozen"})
    row = locked(tx, upload.lease_id, account_id)
    if _running(tx, row["id"], now=now):
        return told.model_copy(update={"reason": "holds_open"})
    check_proof(tx, upload.proof_blob, purpose=upload.purpose, now=now)
    end(tx, row, state="closed", by=f"device:{row['device_id']}", now=now)
    return told.model_copy(update={"state": "closed", "left": 0})


def _lease(tx: Connection, upload: Upload, account_id: str) -> Mapping[Any, Any]:
    row = locked(tx, upload.lease_id, account_id)
    if bytes(row["device_public_key"]) != upload.proof.public_key:
        raise Refusal(
            403,
            "other_device",
            title="Another device's lease",
            detail="These credits were taken along by another device; only it can report on them.",
        )
    return row


def _judge(tx: Connection, row: Mapping[Any, Any], upload: Upload) -> Judgement:
    numbers = [one.receipt.seq for one in upload.receipts]
    return judge(
        chain_of(tx, row),
        upload.receipts,
        known=known(tx, row["id"], first=min(numbers) - 1, last=max(numbers)) if numbers else {},
        evidence=evidence(tx, row["id"]) if numbers else 0,
        live=row["state"] in LIVE,
    )


def _keep(tx: Connection, row: Mapping[Any, Any], judgement: Judgement, *, now: int) -> None:
    """Write down what the judgement says: receipts, holds, credits, and the lease's new place."""
    if judgement.record:
        tx.execute(insert(lease_receipts), [_row(one, now=now) for one in judgement.record])
    charged = [one.signed.receipt for one in judgement.record if one.charged]
    if charged:
        _bind(tx, judgement, {receipt.job_id for receipt in charged}, now=now)
    for receipt in charged:
        if receipt.kind == "commit":
            ledger.lease_burn(
                tx,
                row["id"],
                credits=receipt.credits,
                ref=f"{row['id']}:{receipt.seq}",
                actor=f"device:{row['device_id']}",
                now=now,
            )
    chain = judgement.chain
    values: dict[str, Any] = {}
    if chain.seq != row["seq"]:
        values |= {"seq": chain.seq, "head": chain.head, "spent": chain.spent}
    if judgement.late_credits:
        values["late_at"] = now
    if judgement.trouble:
        values["state"] = _state(row, judgement)
        values["forked_at"] = row["forked_at"] or now
    if values:
        change(tx, row["id"], **values)
    if judgement.trouble and row["forked_at"] is None:
        _alarm(tx, row, judgement, now=now)


def _bind(tx: Connection, judgement: Judgement, jobs: set[str], *, now: int) -> None:
    """Write down which of `jobs`, those that the upload speaks of, have an open hold after it."""
    chain = judgement.chain
    tx.execute(
        delete(lease_holds).where(lease_holds.c.lease_id == chain.lease_id, lease_holds.c.job_id.in_(sorted(jobs)))
    )
    rows = [
        {"lease_id": chain.lease_id, "job_id": job, "credits": credits, "received_at": now}
        for job, credits in chain.holds.items()
        if job in jobs
    ]
    if rows:
        tx.execute(insert(lease_holds), rows)


def _alarm(tx: Connection, row: Mapping[Any, Any], judgement: Judgement, *, now: int) -> None:
    """Once for a lease: the device is suspect until it signs in again, its owner is told, the chain of audit remembers."""
    suspect = update(devices).where(devices.c.id == row["device_id"], devices.c.state == "active")
    tx.execute(suspect.values(state="suspect"))
    outbox.send_later(tx, "lease_fork", {"account_id": row["account_id"], "device": row["device_label"]}, now=now)
    detail = {
        "account": row["account_id"],
        "device": row["device_id"],
        "seqs": [one.signed.receipt.seq for one in judgement.record if not one.main][:20],
    }
    audit.record(tx, actor="server", action=f"lease_{judgement.trouble}", target=row["id"], detail=detail, now=now)


def _state(row: Mapping[Any, Any], judgement: Judgement) -> Any:
    return "frozen" if judgement.trouble and row["state"] in LIVE else row["state"]


def _answer(row: Mapping[Any, Any], judgement: Judgement, *, state: Any) -> messages.Reconciled:
    chain = judgement.chain
    return messages.Reconciled(
        accepted=judgement.accepted,
        duplicate=judgement.duplicate,
        late=judgement.late,
        forked=judgement.trouble == "forked",
        state=state,
        spent=chain.spent,
        left=chain.left if state in LIVE else 0,
        seq=chain.seq,
        head=chain.head,
        reason=judgement.trouble or ("missing" if judgement.missing else ""),
    )


def _running(tx: Connection, lease_id: str, *, now: int) -> bool:
    young = (lease_holds.c.lease_id == lease_id) & (lease_holds.c.received_at > now - DEAD_HOLD_MS)
    return tx.execute(lease_holds.select().where(young).limit(1)).first() is not None


def _row(one: Recorded, *, now: int) -> dict[str, Any]:
    receipt = one.signed.receipt
    return {
        "lease_id": receipt.lease_id,
        "seq": receipt.seq,
        "hash": one.signed.hash,
        "prev": receipt.prev,
        "kind": receipt.kind,
        "job_id": receipt.job_id,
        "credits": receipt.credits,
        "claimed_at": receipt.at,
        "received_at": now,
        "blob": one.signed.blob,
        "main": one.main,
        "charged": one.charged,
    }
