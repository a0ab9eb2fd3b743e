"""The API of buying, and the address that Stripe sends its events to."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.accounts.callers import CallerDep
from outfitswap_desktop.server.accounts.limits import limited
from outfitswap_desktop.server.payments import fulfil, orders, packs, webhooks
from outfitswap_desktop.server.problems import Refusal, answers
from outfitswap_desktop.server.services import ServicesDep

LARGEST: Final = 256 * 1024
"""Bytes of a webhook's body."""

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=120, pattern=r"^[!-~]+$", description="Required; the order's id will do."),
]


async def raw_body(request: Request) -> bytes:
    """A webhook's body exactly as it came, which is what is signed; refused (413) when too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Refusal(413, "too_large", title="The body is too large", detail=f"At most {LARGEST} bytes are read.")
    return bytes(body)


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["buying"])

    @routes.get("/packs", operation_id="listPacks", responses=answers())
    def list_packs(services: ServicesDep) -> messages.Packs:
        """What can be bought; empty when the shop is shut."""
        if services.stripe is None:
            return messages.Packs(packs=())
        with services.database.reading() as tx:
            return messages.Packs(packs=packs.for_sale(tx))

    @routes.post(
        "/orders",
        operation_id="startOrder",
        responses=answers(400, 401, 403, 404, 409, 503),
        dependencies=[limited("order", by="caller")],
    )
    def start_order(
        body: messages.Buy, caller: CallerDep, services: ServicesDep, idempotency_key: IdempotencyKey = None
    ) -> messages.Order:
        """Start a purchase. Sent again with the same id it gives the same order."""
        if idempotency_key is None:
            raise Refusal(
                400,
                "no_idempotency_key",
                title="The Idempotency-Key header is missing",
                detail="Send the order's id as Idempotency-Key.",
            )
        return orders.start(services, caller.account_id, body, services.clock(), key=idempotency_key)

    @routes.get("/orders/{order_id}", operation_id="readOrder", responses=answers(401, 404))
    def read_order(order_id: messages.Ulid, caller: CallerDep, services: ServicesDep) -> messages.Order:
        """How a purchase stands."""
        return fulfil.look(services, caller.account_id, order_id, now=services.clock())

    @routes.post(
        "/stripe/webhook",
        operation_id="stripeWebhook",
        status_code=204,
        responses=answers(400, 404, 413, 503),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    )
    def stripe_webhook(
        raw: Annotated[bytes, Depends(raw_body)],
        services: ServicesDep,
        stripe_signature: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """What Stripe sends; answered 2xx only once its effect is on the disk."""
        webhooks.receive(services, raw, stripe_signature, now=services.clock())
        return Response(status_code=204)

    return routes
