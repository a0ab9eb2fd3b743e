"""The only place that speaks with Stripe, through its own SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from outfitswap_desktop.server.payments.facts import (
    DisputeFact,
    RefundFact,
    SessionFact,
    read_dispute,
    read_refund,
    read_session,
)

if TYPE_CHECKING:
    from stripe import StripeClient
    from stripe.params import RefundCreateParams
    from stripe.params.checkout import SessionCreateParams

    from outfitswap_desktop.server.config import Settings

Found = TypeVar("Found")

TIMEOUT: Final = (5.0, 20.0)
"""Seconds to connect, and to wait for an answer; the SDK's own 80 would hold a thread of ours too long."""
_IN_USE: Final = "idempotency_key_in_use"
PAGE: Final = 100
"""The most that a page of a list may hold."""


class Forged(Exception):
    """A webhook's body that Stripe has not signed with a secret of ours, or signed too long ago."""


class Unreachable(Exception):
    """Stripe did not answer, or not now; whether it did what was asked is unknown. Asking again with the same key is safe."""


class Spoilt(Exception):
    """This idempotency key leads nowhere any more: a fresh one is needed. `customer`: the customer named is gone."""

    def __init__(self, message: str, *, customer: bool = False) -> None:
        super().__init__(message)
        self.customer = customer


class Gateway:
    """Stripe as the orders need it. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        import stripe

        key = settings.stripe_secret_key.get_secret_value()
        self._stripe = stripe
        self._settings = settings
        self._secrets = tuple(
            secret.strip() for secret in settings.stripe_webhook_secrets.get_secret_value().split(",") if secret.strip()
        )
        self.live = key.startswith(("sk_live_", "rk_live_"))
        self._client: StripeClient = stripe.StripeClient(
            key,
            base_addresses={"api": settings.stripe_api_base} if settings.stripe_api_base else None,
            http_client=stripe.RequestsClient(timeout=TIMEOUT),
            max_network_retries=2,
        )

    def verified(self, raw: bytes, signature: str) -> dict[str, Any]:
        """The event in a webhook's body, exactly as it came; raises Forged (signature, age over 300 s, not an event)."""
        problem: Exception | None = None
        for secret in self._secrets:
            try:
                self._client.construct_event(raw, signature, secret)
            except (self._stripe.SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError) as error:
                problem = error
                continue
            event: dict[str, Any] = json.loads(raw)
            if not (isinstance(event.get("type"), str) and isinstance(event.get("data"), dict)):
                raise Forged("This is not an event.")
            return event
        raise Forged("The signature does not fit.") from problem

    def open_session(self, order: Any, *, email: str | None, customer: str | None) -> SessionFact:
        """The check-out page of an order's row. Raises Unreachable, or Spoilt when the order's next attempt must be taken."""
        params = self._page(order, email=email, customer=customer)
        key = order.id if order.attempt == 1 else f"{order.id}:{order.attempt}"
        stripe = self._stripe
        try:
            made = self._client.v1.checkout.sessions.create(params, {"idempotency_key": key})
        except stripe.InvalidRequestError as error:
            if customer is not None and error.param == "customer":
                raise Spoilt("The customer is gone.", customer=True) from error
            raise Unreachable(str(error.code)) from error
        except stripe.IdempotencyError as error:
            if error.code == _IN_USE:
                raise Unreachable(_IN_USE) from error
            raise Spoilt("The key was used for something else.") from error
        except stripe.APIConnectionError as error:
            raise Unreachable("no answer") from error
        except stripe.StripeError as error:
            if (error.http_status or 0) >= 500:
                raise Spoilt("Stripe keeps a failure of its own under this key.") from error
            raise Unreachable(type(error).__name__) from error
        return read_session(made.to_dict())

    def _page(self, order: Any, *, email: str | None, customer: str | None) -> SessionCreateParams:
        settings = self._settings
        about = {"order_id": order.id, "account_id": order.account_id, "pack_id": order.pack_id}
        params: SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": order.id,
            "line_items": [{"quantity": 1, "price": order.stripe_price_id}]
            if order.stripe_price_id
            else [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency,
                        "unit_amount": order.amount_minor,
                        "tax_behavior": settings.stripe_tax_behavior,
                        "product_data": {"name": order.title},
                    },
                }
            ],
            "success_url": f"{settings.public_url}/orders/{order.id}",
            "cancel_url": f"{settings.public_url}/packs",
            "invoice_creation": {"enabled": True},
            "automatic_tax": {"enabled": settings.stripe_automatic_tax},
            "adaptive_pricing": {"enabled": False},
            "custom_text": {"submit": {"message": settings.stripe_withdrawal_text}},
            "metadata": about,
            "payment_intent_data": {"metadata": about},
        }
        if customer is not None:
            params["customer"] = customer
            params["customer_update"] = {"address": "auto", "name": "auto"}
        else:
            params["customer_creation"] = "always"
            if email is not None:
                params["customer_email"] = email
        return params

    def session(self, session_id: str) -> SessionFact:
        """A Checkout Session as it is now."""
        found = self._ask(
            lambda: self._client.v1.checkout.sessions.retrieve(session_id, {"expand": ["payment_intent"]})
        )
        return read_session(found.to_dict())

    def session_of(self, payment_intent: str) -> SessionFact | None:
        """The Checkout Session that a payment was made on."""
        found = self._ask(lambda: self._client.v1.checkout.sessions.list({"payment_intent": payment_intent}))
        return read_session(found.data[0].to_dict()) if found.data else None

    def sessions(self, *, since: int) -> Iterator[SessionFact]:
        """All payment pages made since a time (milliseconds), newest first."""
        listed = self._ask(
            lambda: self._client.v1.checkout.sessions.list({"created": {"gte": since // 1000}, "limit": PAGE})
        )
        for found in self._all(listed):
            if found["mode"] == "payment":
                yield read_session(found)

    def refund(self, refund_id: str) -> RefundFact | None:
        """A refund as it is now."""
        return read_refund(self._ask(lambda: self._client.v1.refunds.retrieve(refund_id)).to_dict())

    def refunds(self, *, charge: str | None = None, since: int | None = None) -> Iterator[RefundFact]:
        """The refunds of a charge, or all made since a time (milliseconds)."""
        if charge is not None:
            listed = self._ask(lambda: self._client.v1.refunds.list({"charge": charge, "limit": PAGE}))
        else:
            listed = self._ask(
                lambda: self._client.v1.refunds.list({"created": {"gte": (since or 0) // 1000}, "limit": PAGE})
            )
        yield from (fact for found in self._all(listed) if (fact := read_refund(found)))

    def pay_back(self, payment_intent: str, *, amount: int | None, key: str) -> RefundFact | None:
        """Refund a payment, or a part of it in the currency's smallest unit; the same key never refunds twice.

        Raises ValueError with Stripe's reason when there is not so much to refund, Unreachable when it does not answer.
        """
        part: RefundCreateParams = {"payment_intent": payment_intent}
        if amount is not None:
            part["amount"] = amount
        try:
            made = self._client.v1.refunds.create(part, {"idempotency_key": key})
        except (self._stripe.InvalidRequestError, self._stripe.IdempotencyError) as error:
            if error.code == _IN_USE:
                raise Unreachable(_IN_USE) from error
            raise ValueError(error.user_message or "Stripe gives no reason.") from error
        except self._stripe.StripeError as error:
            raise Unreachable(type(error).__name__) from error
        return read_refund(made.to_dict())

    def dispute(self, dispute_id: str) -> DisputeFact | None:
        """A dispute as it is now."""
        return read_dispute(self._ask(lambda: self._client.v1.disputes.retrieve(dispute_id)).to_dict())

    def disputes(self, *, since: int) -> Iterator[DisputeFact]:
        """All disputes opened since a time (milliseconds)."""
        listed = self._ask(lambda: self._client.v1.disputes.list({"created": {"gte": since // 1000}, "limit": PAGE}))
        yield from (fact for found in self._all(listed) if (fact := read_dispute(found)))

    def events(self, types: tuple[str, ...], *, since: int) -> Iterator[dict[str, Any]]:
        """All events of these types since a time (milliseconds); Stripe keeps them for 30 days."""
        listed = self._ask(
            lambda: self._client.v1.events.list(
                {"types": list(types), "created": {"gte": since // 1000}, "limit": PAGE}
            )
        )
        yield from self._all(listed)

    def forget_customer(self, customer: str) -> None:
        """Have Stripe delete a customer; one that is gone already is no error. Raises Unreachable."""
        try:
            self._client.v1.customers.delete(customer)
        except self._stripe.InvalidRequestError as error:
            if error.http_status != 404:
                raise Unreachable(str(error.code)) from error
        except self._stripe.StripeError as error:
            raise Unreachable(type(error).__name__) from error

    def _all(self, listed: Any) -> Iterator[dict[str, Any]]:
        pages = listed.auto_paging_iter()
        while True:
            found = self._ask(lambda: next(pages, None))
            if found is None:
                return
            yield found.to_dict()

    def _ask(self, question: Callable[[], Found]) -> Found:
        try:
            return question()
        except self._stripe.StripeError as error:
            raise Unreachable(f"{type(error).__name__} {error.code or ''}".strip()) from error
