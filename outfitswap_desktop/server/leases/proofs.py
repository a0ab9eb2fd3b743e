"""Device proofs on the server's side: signature, purpose and age by wire.device, and each nonce once."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from outfitswap_desktop.licensing.wire.blobs import BlobError
from outfitswap_desktop.licensing.wire.device import DeviceProof, read_proof
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import proof_nonces


def check_proof(tx: Connection, blob: str, *, purpose: str, now: int) -> DeviceProof:
    """The proof, which counts this once.

    Refuses with 400: "device_proof" (cannot be read, other purpose, wrong signature), "device_clock" (too old or from
    the future), "device_proof_used".
    """
    proof = read_fresh(blob, purpose=purpose, now=now)
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    row = insert(proof_nonces).values(nonce=proof.nonce, expires_at=proof.expires_at)
    if tx.execute(row.on_conflict_do_nothing().returning(proof_nonces.c.nonce)).first() is None:
        raise Refusal(
            400,
            "device_proof_used",
            title="This proof was used before",
            detail="The proof of the device's key counts once; send the request again with a fresh one.",
        )
    return proof


def read_fresh(blob: str, *, purpose: str, now: int) -> DeviceProof:
    """The proof without counting it: for requests that change nothing when they come again."""
    try:
        return read_proof(blob, purpose=purpose, now=now)
    except BlobError as error:
        raise blob_refused(error) from error


def blob_refused(error: BlobError, *, code: str = "device_proof") -> Refusal:
    """A blob that cannot be believed, as an answer of status 400 with `code` ("device_clock" for a time that is off)."""
    if error.reason == "clock":
        return Refusal(
            400,
            "device_clock",
            title="The device's clock is wrong",
            detail="The proof of the device's key is too old or from the future; set the device's clock and try again.",
        )
    return Refusal(
        400,
        code,
        title="What the device signed cannot be believed",
        detail=f"{error} Update the program, or sign in on this device again.",
    )


def forget_proofs(tx: Connection, *, now: int, limit: int = 10_000) -> int:
    """Forget nonces of proofs that are too old by themselves; gives how many."""
    due = select(proof_nonces.c.nonce).where(proof_nonces.c.expires_at < now).limit(limit)
    gone = tx.execute(delete(proof_nonces).where(proof_nonces.c.nonce.in_(due)).returning(proof_nonces.c.nonce))
    return len(gone.all())
