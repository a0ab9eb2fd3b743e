"""The API of leases."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.blobs import encode
from outfitswap_desktop.server.accounts.callers import Caller, CallerDep
from outfitswap_desktop.server.accounts.limits import limited
from outfitswap_desktop.server.leases import files, reconcile, rows
from outfitswap_desktop.server.leases.issue import Wish, again, issue
from outfitswap_desktop.server.leases.proofs import check_proof, read_fresh
from outfitswap_desktop.server.problems import Refusal, answers
from outfitswap_desktop.server.services import Services, ServicesDep


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["leases"])
    post = partial(routes.add_api_route, methods=["POST"], dependencies=[limited("account", by="caller")])
    get = partial(routes.add_api_route, methods=["GET"])
    making: dict[str, Any] = {"status_code": 201, "responses": answers(400, 401, 402, 403, 409)}
    telling: dict[str, Any] = {"responses": answers(400, 401, 403, 404)}
    post("/v1/leases", take_along, operation_id="take_along", **making)
    get("/v1/leases", listed, operation_id="list_leases", responses=answers(401))
    post("/v1/leases/{lease_id}/reconcile", take_receipts, operation_id="reconcile_lease", **telling)
    post("/v1/leases/{lease_id}/close", give_back, operation_id="close_lease", **telling)
    post("/v1/offline/requests", answer_request, operation_id="answer_offline_request", **making)
    post("/v1/offline/receipts", take_file, operation_id="take_offline_receipts", **telling)
    get("/.well-known/outfitswap-keys", key_list, operation_id="signing_keys", responses=answers())
    return routes


def take_along(body: messages.TakeAlong, caller: CallerDep, services: ServicesDep) -> messages.LeaseGrant:
    """Take credits along. The same id again gives the same lease."""
    now = services.clock()
    proof = read_fresh(body.proof, purpose="lease", now=now)
    wish = Wish(body.id, caller.account_id, _device(caller), proof.public_key, body.credits, body.days)
    with services.database.transaction() as tx:
        before = again(tx, services, wish, now=now)
        if before is not None:
            return before
        check_proof(tx, body.proof, purpose="lease", now=now)
        return issue(tx, services, wish, now=now)


def listed(caller: CallerDep, services: ServicesDep) -> messages.Leases:
    """The account's leases, newest first, at most 100."""
    with services.database.reading() as tx:
        return messages.Leases(leases=rows.of_account(tx, caller.account_id))


def take_receipts(
    lease_id: messages.Ulid, body: messages.Reconcile, caller: CallerDep, services: ServicesDep
) -> messages.Reconciled:
    """Report what a lease was used for. Receipts that the server has already change nothing."""
    now = services.clock()
    upload = reconcile.read_upload(lease_id, body.receipts, proof=body.proof, now=now)
    with services.database.transaction() as tx:
        told = reconcile.reconcile(tx, upload, account_id=caller.account_id, now=now)
    _count(services, told)
    return told


def give_back(
    lease_id: messages.Ulid, body: messages.Reconcile, caller: CallerDep, services: ServicesDep
) -> messages.Reconciled:
    """Report the last receipts and give back what is left; `state` and `reason` of the answer say whether it is closed."""
    now = services.clock()
    upload = reconcile.read_upload(lease_id, body.receipts, proof=body.proof, now=now)
    with services.database.transaction() as tx:
        told = reconcile.close(tx, upload, account_id=caller.account_id, now=now)
    _count(services, told)
    return told


def answer_request(body: messages.OfflineFile, caller: CallerDep, services: ServicesDep) -> messages.OfflineAnswer:
    """Answer a machine's request (.osreq) with a lease (.oslic) out of the account that is signed in here."""
    return files.answer(services, caller.account_id, body.file, now=services.clock())


def take_file(body: messages.OfflineFile, caller: CallerDep, services: ServicesDep) -> messages.Reconciled:
    """Take in the receipts (.osrcp) of a machine that has no network."""
    told = files.take_receipts(services, caller.account_id, body.file, now=services.clock())
    _count(services, told)
    return told


def key_list(services: ServicesDep, response: Response) -> messages.SigningKeyList:
    """The signed list of the server's keys."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return messages.SigningKeyList(list=services.keys.published(), root=encode(services.keys.root_public))


def _device(caller: Caller) -> str:
    if caller.device_id is None:
        raise Refusal(
            403,
            "other_device",
            title="Not a device",
            detail="Only a program can take credits along: sign in there, or upload its request file here.",
        )
    return caller.device_id


def _count(services: Services, told: messages.Reconciled) -> None:
    services.metrics.lease_forks.inc(told.forked)
    services.metrics.late_receipts.inc(told.late)
