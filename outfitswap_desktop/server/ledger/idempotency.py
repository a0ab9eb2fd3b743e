"""One effect for each Idempotency-Key: a repeated request gets the first answer again, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import DBAPIError

from outfitswap_desktop.licensing.wire.messages import Answer
from outfitswap_desktop.server import failpoints
from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.ledger import idempotency

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
_LONGEST: Final = 120
_TRIES: Final = 3
_AGAIN: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's codes for a transaction that lost against another and may be tried again."""


async def _documented(
    _: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="Made and kept by the client before it sends: printable ASCII, at most 120 characters. Required.",
        ),
    ] = None,
) -> None:
    """Puts the header into the API's description; `once` reads it."""


KEYED: Final[Any] = Depends(_documented)
"""Among the `dependencies` of each route that calls `once`."""

_remember = insert_or_ignore(idempotency).returning(idempotency.c.key)
_mine = (idempotency.c.account_id == bindparam("account"), idempotency.c.key == bindparam("this"))
_recall = select(idempotency.c.method_path, idempotency.c.body_sha256, idempotency.c.status, idempotency.c.response)
_recall = _recall.where(*_mine)


class HasAccount(Protocol):
    """Who asks."""

    @property
    def account_id(self) -> str:
        """The account that the key belongs to."""
        ...


def once(
    services: Services,
    caller: HasAccount,
    request: Request,
    body: BaseModel | None,
    action: Callable[[Connection, int], Answer],
    *,
    status: int = 200,
) -> Response:
    """Do `action(tx, now)` once for the request's Idempotency-Key; it gives the body of the answer.

    Key, effect and answer are one transaction: a refusal or a crash leaves none of them, so that the same key may be tried
    again. The key is written last, with the answer: an action that was done before under this key is taken back and the first
    answer given, so `action` must do nothing outside its transaction, and twins must meet at a lock before it may refuse
    what only the other has changed. `action` may be called again when the database asks for it.
    Refuses: 400 "no_idempotency_key", 422 "idempotency_key_reused" for another route or body.
    """
    key = request.headers.get(HEADER, "")
    if not 1 <= len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise Refusal(
            400,
            "no_idempotency_key",
            title="No usable Idempotency-Key",
            detail=f"Send the header {HEADER} with 1 to {_LONGEST} printable ASCII characters.",
        )
    digest = hashlib.sha256(body.model_dump_json().encode() if body is not None else b"").hexdigest()
    row: dict[str, object] = {
        "account_id": caller.account_id,
        "key": key,
        "method_path": f"{request.method} {request.scope['path']}"[:200],
        "body_sha256": digest,
    }
    for left in reversed(range(_TRIES)):
        try:
            return _attempt(services, row, action, status=status)
        except DBAPIError as error:
            if left == 0 or not _worth_trying(error):
                raise
    raise AssertionError


class _Known(Exception):
    """The key was used before."""


def _attempt(
    services: Services, row: dict[str, object], action: Callable[[Connection, int], Answer], *, status: int
) -> Response:
    now = services.clock()
    try:
        with services.database.transaction() as tx:
            text = action(tx, now).model_dump_json()
            whole = row | {"status": status, "response": text, "created_at": now}
            if tx.execute(_remember, whole).first() is None:
                raise _Known
            failpoints.pass_by("before_commit")
    except (_Known, Refusal) as reason:
        first = _replay(services, row)
        if first is None:
            raise reason
        return first
    failpoints.pass_by("after_commit")
    return Response(text, status, media_type="application/json")


def _replay(services: Services, row: dict[str, object]) -> Response | None:
    """The first answer to the key, or None if it has none."""
    with services.database.reading() as tx:
        first = tx.execute(_recall, {"account": row["account_id"], "this": row["key"]}).first()
    if first is None:
        return None
    if (first.method_path, first.body_sha256) != (row["method_path"], row["body_sha256"]):
        raise Refusal(
            422,
            "idempotency_key_reused",
            title="This key was used before",
            detail=f"Send another {HEADER} with another request.",
        )
    return Response(first.response, first.status, headers={REPLAYED: "true"}, media_type="application/json")


def _worth_trying(error: DBAPIError) -> bool:
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN
