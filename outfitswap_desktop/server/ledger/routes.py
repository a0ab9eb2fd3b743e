"""The API of credits: what an account has, what happened, what an image costs, and reservations."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.accounts.callers import CallerDep
from outfitswap_desktop.server.accounts.limits import count
from outfitswap_desktop.server.ledger import credits, reservations
from outfitswap_desktop.server.ledger.idempotency import KEYED, once
from outfitswap_desktop.server.ledger.quick import QuickRoute
from outfitswap_desktop.server.problems import Refusal, answers
from outfitswap_desktop.server.services import ServicesDep

ReservationId = Annotated[messages.Ulid, Path(alias="id")]


def router() -> APIRouter:
    """The routes below /v1."""
    made = APIRouter(prefix="/v1", tags=["credits"])
    reserving = answers(400, 401, 402, 403, 404, 409)
    settling = answers(400, 401, 403, 404, 409)
    keyed: Any = {
        "methods": ["POST"],
        "response_model": messages.Reservation,
        "dependencies": [KEYED],
        "route_class_override": QuickRoute,
    }
    made.add_api_route("/reservations", reserve, operation_id="reserve", status_code=201, responses=reserving, **keyed)
    for ending in (commit, void):
        name = ending.__name__
        made.add_api_route(f"/reservations/{{id}}/{name}", ending, operation_id=name, responses=settling, **keyed)
    made.get("/credits", operation_id="read_credits", responses=answers(401, 404))(read_credits)
    made.get("/credits/history", operation_id="read_history", responses=answers(401))(read_history)
    made.get("/prices", operation_id="read_prices", responses=answers())(read_prices)
    made.get("/reservations/{id}", operation_id="read_reservation", responses=answers(401, 404))(read_reservation)
    made.post("/reservations/{id}/extend", operation_id="extend", responses=settling)(extend)
    return made


def read_credits(services: ServicesDep, caller: CallerDep) -> messages.Balance:
    """What the account has."""
    with services.database.reading() as tx:
        return credits.balance(tx, caller.account_id, now=services.clock())


def read_history(
    services: ServicesDep,
    caller: CallerDep,
    cursor: Annotated[messages.Ulid | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> messages.History:
    """The account's postings, newest first."""
    with services.database.reading() as tx:
        return credits.history(tx, caller.account_id, cursor=cursor, limit=limit)


def read_prices(services: ServicesDep) -> messages.Prices:
    """Credits for one image, by engine. Open to everybody."""
    return messages.Prices(version=services.settings.prices_version, prices=services.settings.price_table())


def reserve(services: ServicesDep, caller: CallerDep, request: Request, body: messages.Reserve) -> Response:
    """Hold credits for a job under the id that the client has made. 402: not enough, or credits are owed."""
    count(services, "reserve", caller.device_id or caller.session_id)
    prices = services.settings.price_table()
    try:
        return once(
            services,
            caller,
            request,
            body,
            lambda tx, now: reservations.reserve(
                tx, caller.account_id, body, device_id=caller.device_id, prices=prices, now=now
            ),
            status=201,
        )
    except Refusal as refusal:
        services.metrics.reserve_rejected.labels(refusal.code).inc()
        raise


def read_reservation(services: ServicesDep, caller: CallerDep, reservation: ReservationId) -> messages.Reservation:
    """A reservation as it stands."""
    with services.database.reading() as tx:
        return reservations.read(tx, caller.account_id, reservation, now=services.clock())


def commit(
    services: ServicesDep, caller: CallerDep, request: Request, body: messages.Commit, reservation: ReservationId
) -> Response:
    """Burn what was used of a reservation and return the rest."""
    return once(
        services,
        caller,
        request,
        body,
        lambda tx, now: reservations.commit(
            tx, caller.account_id, reservation, spent=body.spent, device_id=caller.device_id, now=now
        ),
    )


def void(
    services: ServicesDep, caller: CallerDep, request: Request, body: messages.Void, reservation: ReservationId
) -> Response:
    """Return all credits of a reservation."""
    return once(
        services,
        caller,
        request,
        body,
        lambda tx, now: reservations.void(
            tx, caller.account_id, reservation, reason=body.reason, device_id=caller.device_id, now=now
        ),
    )


def extend(
    services: ServicesDep, caller: CallerDep, body: messages.Extend, reservation: ReservationId
) -> messages.Reservation:
    """Let a reservation live longer; sent while a job runs, it may be repeated without a key."""
    with services.database.transaction() as tx:
        return reservations.extend(
            tx, caller.account_id, reservation, ttl_seconds=body.ttl_seconds, now=services.clock()
        )
