"""Machines that never see a network: their files are carried to the account site, or to a program that is signed in."""

from __future__ import annotations

from dataclasses import replace

from outfitswap_desktop.licensing.wire import messages, offline
from outfitswap_desktop.licensing.wire.blobs import BlobError
from outfitswap_desktop.server.accounts import devices
from outfitswap_desktop.server.leases import reconcile
from outfitswap_desktop.server.leases.issue import Wish, again, issue
from outfitswap_desktop.server.leases.proofs import blob_refused, check_proof
from outfitswap_desktop.server.services import Services


def answer(services: Services, account_id: str, text: str, *, now: int) -> messages.OfflineAnswer:
    """The .oslic for the text of a .osreq; the same request again gives the same lease.

    The machine becomes a device of the account. Refuses with 400 ("request": cannot be believed, "device_clock",
    "device_proof_used") and as `issue.issue` and the registering of devices do.
    """
    try:
        request = offline.read_request(text, now=now)
    except BlobError as error:
        raise blob_refused(error, code="request") from error
    with services.database.transaction() as tx:
        wish = Wish(
            lease_id=request.lease_id,
            account_id=account_id,
            device_id="",
            public_key=request.proof.public_key,
            credits=request.credits,
            days=request.days,
        )
        grant = again(tx, services, wish, now=now)
        if grant is None:
            check_proof(tx, request.proof_blob, purpose="offline", now=now)
            device_id = devices.attach(tx, services, account_id, proof=request.proof, now=now)
            grant = issue(tx, services, replace(wish, device_id=device_id), now=now)
        return messages.OfflineAnswer(
            file=offline.make_licence(grant.lease, services.keys.published()), summary=grant.summary
        )


def take_receipts(services: Services, account_id: str, text: str, *, now: int) -> messages.Reconciled:
    """Take in the text of a .osrcp; it closes the lease when the machine says that it has stopped using it.

    Refuses with 400 ("receipt", "other_lease", "device_clock", "device_proof_used") and as `reconcile.reconcile` does.
    """
    try:
        file = offline.read_receipts(text, now=now)
    except BlobError as error:
        raise blob_refused(error, code="receipt") from error
    receipts = reconcile.signed(file.lease_id, file.receipts, file.blobs)
    upload = reconcile.Upload(file.lease_id, file.proof, file.proof_blob, receipts, purpose="offline")
    with services.database.transaction() as tx:
        take = reconcile.close if file.close else reconcile.reconcile
        return take(tx, upload, account_id=account_id, now=now)
