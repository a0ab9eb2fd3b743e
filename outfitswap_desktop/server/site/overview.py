"""What an owner sees of the credits: balance, history, leases, and the files of machines without a network."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response, UploadFile

from outfitswap_desktop.licensing.wire.offline import LICENCE_SUFFIX, MOST_CHARACTERS
from outfitswap_desktop.server.leases import files, rows
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.site.headers import protect
from outfitswap_desktop.server.site.visit import ChangingDep, Page, SettlingDep, SignedDep, Visit

LATELY: Final = 6
PAGE: Final = 50


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=Page, include_in_schema=False)
    routes.get("/account")(show_account)
    routes.get("/history")(show_history)
    routes.get("/offline")(show_offline)
    routes.get("/leases")(to_offline)
    routes.post("/offline/request")(answer_request)
    routes.post("/offline/receipts")(take_receipts)
    return routes


def show_account(visit: SignedDep) -> Response:
    """The overview."""
    with visit.services.database.reading() as tx:
        balance = credits.balance(tx, visit.account_id, now=visit.now)
        lately = credits.history(tx, visit.account_id, cursor=None, limit=LATELY)
    return visit.page(
        "account.html", balance=balance, entries=lately.entries, free=visit.services.settings.free_credits
    )


def show_history(visit: SignedDep, cursor: Annotated[str, Query(max_length=200)] = "") -> Response:
    """A page of postings, the newest first."""
    with visit.services.database.reading() as tx:
        found = credits.history(tx, visit.account_id, cursor=cursor or None, limit=PAGE)
    return visit.page("history.html", history=found, older=bool(cursor))


def show_offline(visit: SignedDep) -> Response:
    """Leases, and where files are brought."""
    return _offline(visit)


def to_offline(visit: SignedDep) -> Response:
    """Leases are shown there."""
    return visit.go("/offline")


def answer_request(visit: ChangingDep, file: UploadFile) -> Response:
    """The .oslic for a .osreq, as a file to carry back."""
    try:
        answer = files.answer(visit.services, visit.account_id, _text(file), now=visit.now)
    except Refusal as refusal:
        return _offline(visit, refusal)
    response = Response(answer.file, media_type="application/octet-stream")
    name = f"outfitswap-{answer.summary.id}{LICENCE_SUFFIX}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    protect(response, https=False)
    return response


def take_receipts(visit: SettlingDep, file: UploadFile) -> Response:
    """Book the receipts of a .osrcp."""
    try:
        told = files.take_receipts(visit.services, visit.account_id, _text(file), now=visit.now)
    except Refusal as refusal:
        return _offline(visit, refusal)
    if told.forked:
        return _offline(
            visit,
            Refusal(
                409,
                "forked",
                title="These receipts contradict others",
                detail="This machine was copied or set back; its lease is stopped until you sign in on it again.",
            ),
        )
    return visit.go("/offline", done="lease-closed" if told.state == "closed" else "receipts")


def _offline(visit: Visit, refusal: Refusal | None = None) -> Response:
    with visit.services.database.reading() as tx:
        leases = rows.of_account(tx, visit.account_id)
    return visit.page(
        "offline.html",
        status=200 if refusal is None else refusal.status,
        wrong=None if refusal is None else refusal.detail,
        leases=leases,
    )


def _text(file: UploadFile) -> str:
    raw = file.file.read(MOST_CHARACTERS + 1)
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise Refusal(
            400, "request", title="Not such a file", detail="Choose the file that the program has written."
        ) from error
