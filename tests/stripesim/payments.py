"""What happens to money in the imitation: check-out pages that are paid, declined or left, refunds and disputes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from stripe.params.checkout import SessionCreateParams

from tests.stripesim.forms import truth
from tests.stripesim.trouble import Trouble
from tests.stripesim.world import Thing, World

DAY = 86_400


def create_session(world: World, params: Mapping[str, Any]) -> Thing:
    """POST /v1/checkout/sessions in the mode "payment"; refuses parameters that the SDK's own types do not know."""
    unknown = set(params) - set(SessionCreateParams.__annotations__)
    if unknown:
        raise Trouble(400, f"Received unknown parameter: {min(unknown)}", code="parameter_unknown", param=min(unknown))
    if params.get("mode") != "payment":
        raise Trouble(400, "Missing required param: mode.", code="parameter_missing", param="mode")
    if not params.get("line_items"):
        raise Trouble(400, "Missing required param: line_items.", code="parameter_missing", param="line_items")
    if "success_url" not in params:
        raise Trouble(400, "Missing required param: success_url.", code="parameter_missing", param="success_url")
    if "customer" in params and ("customer_email" in params or "customer_creation" in params):
        raise Trouble(400, "You may only specify one of these parameters: customer, customer_email.", param="customer")
    if "customer" in params:
        customer = world.get("customer", params["customer"])
        if customer.get("deleted"):
            raise Trouble(400, f"No such customer: '{customer['id']}'", code="resource_missing", param="customer")
    lines = [_line(world, line) for line in params["line_items"]]
    currencies = {line["currency"] for line in lines}
    if len(currencies) != 1:
        raise Trouble(400, "All line items must have the same currency.", param="line_items")
    subtotal = sum(line["amount_subtotal"] for line in lines)
    taxed = truth(params.get("automatic_tax", {}).get("enabled"))
    on_top = sum(line["amount_subtotal"] for line in lines if line["tax_behavior"] == "exclusive") if taxed else 0
    tax = (on_top * world.tax_percent + 50) // 100
    session = world.add(
        "checkout.session",
        mode="payment",
        status="open",
        payment_status="unpaid",
        client_reference_id=params.get("client_reference_id"),
        metadata=dict(params.get("metadata", {})),
        amount_subtotal=subtotal,
        amount_total=subtotal + tax,
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax},
        automatic_tax={"enabled": taxed, "status": "complete" if taxed else None},
        currency=lines[0]["currency"],
        customer=params.get("customer"),
        customer_email=params.get("customer_email"),
        customer_creation=params.get("customer_creation"),
        custom_text=params.get("custom_text", {}),
        invoice_creation=params.get("invoice_creation", {"enabled": "false"}),
        invoice=None,
        payment_intent=None,
        payment_method_types=["card"],
        success_url=params["success_url"],
        cancel_url=params.get("cancel_url"),
        expires_at=int(params.get("expires_at", time.time() + DAY)),
        locale=params.get("locale"),
        _lines=lines,
        _intent_metadata=dict(params.get("payment_intent_data", {}).get("metadata", {})),
    )
    session["url"] = f"{world.address}/c/pay/{session['id']}"
    return session


def _line(world: World, line: Mapping[str, Any]) -> Thing:
    quantity = int(line.get("quantity", 1))
    if "price" in line:
        price = world.get("price", line["price"])
        if not price["active"]:
            raise Trouble(400, f"The price specified is inactive: {price['id']}", param="line_items[0][price]")
        name = world.get("product", price["product"])["name"]
        amount, currency, behaviour = price["unit_amount"], price["currency"], price.get("tax_behavior", "exclusive")
    else:
        given = line["price_data"]
        name, amount, currency = given["product_data"]["name"], int(given["unit_amount"]), given["currency"].lower()
        behaviour = given.get("tax_behavior", "exclusive")
    return {
        "description": name,
        "amount_subtotal": amount * quantity,
        "currency": currency,
        "quantity": quantity,
        "tax_behavior": behaviour,
    }


def expire(world: World, session: Thing) -> Thing:
    """The page can be paid on no longer."""
    if session["status"] != "open":
        raise Trouble(400, f'Only Checkout Sessions with a status in ["open"] can be expired, not {session["status"]}.')
    session.update(status="expired", url=None)
    world.event("checkout.session.expired", session)
    return session


def pay(world: World, session: Thing, *, how: str = "card") -> Thing:
    """The buyer pays: "card" at once, "bank" later (`settle`), "decline" not at all."""
    if session["status"] != "open":
        raise Trouble(400, f"This Checkout Session is {session['status']}.")
    if session["expires_at"] <= time.time():
        return expire(world, session)
    intent = world.things["payment_intent"].get(session["payment_intent"] or "")
    if intent is None:
        intent = world.add(
            "payment_intent",
            amount=session["amount_total"],
            amount_received=0,
            currency=session["currency"],
            status="requires_payment_method",
            latest_charge=None,
            customer=None,
            metadata=session["_intent_metadata"],
        )
        session["payment_intent"] = intent["id"]
    if how == "decline":
        charge = _charge(world, intent, status="failed")
        world.event("charge.failed", charge)
        world.event("payment_intent.payment_failed", intent)
        return session
    if session["customer"] is None and session["customer_creation"] == "always":
        customer = world.add("customer", email=session["customer_email"], metadata={})
        session["customer"] = customer["id"]
        world.event("customer.created", customer)
    intent["customer"] = session["customer"]
    session.update(status="complete", url=None)
    if how == "bank":
        intent["status"] = "processing"
        world.event("payment_intent.processing", intent)
        world.event("checkout.session.completed", session)
        return session
    _succeed(world, session, intent)
    world.event("checkout.session.completed", session)
    return session


def settle(world: World, session: Thing, *, well: bool) -> Thing:
    """A bank's answer, days later."""
    intent = world.get("payment_intent", session["payment_intent"])
    if intent["status"] != "processing":
        raise Trouble(400, f"This PaymentIntent is {intent['status']}.")
    if well:
        _succeed(world, session, intent)
        world.event("checkout.session.async_payment_succeeded", session)
    else:
        intent["status"] = "requires_payment_method"
        world.event("payment_intent.payment_failed", intent)
        world.event("checkout.session.async_payment_failed", session)
    return session


def _succeed(world: World, session: Thing, intent: Thing) -> None:
    charge = _charge(world, intent, status="succeeded")
    intent.update(status="succeeded", amount_received=intent["amount"])
    session["payment_status"] = "paid"
    if truth(session["invoice_creation"].get("enabled")):
        invoice = world.add("invoice", status="paid", total=session["amount_total"], customer=session["customer"])
        session["invoice"] = invoice["id"]
        world.event("invoice.paid", invoice)
    world.event("charge.succeeded", charge)
    world.event("payment_intent.succeeded", intent)


def _charge(world: World, intent: Thing, *, status: str) -> Thing:
    charge = world.add(
        "charge",
        amount=intent["amount"],
        amount_refunded=0,
        currency=intent["currency"],
        payment_intent=intent["id"],
        paid=status == "succeeded",
        refunded=False,
        disputed=False,
        status=status,
        metadata={},
    )
    intent["latest_charge"] = charge["id"]
    return charge


def refund(world: World, params: Mapping[str, Any], *, status: str = "succeeded") -> Thing:
    """POST /v1/refunds: of `payment_intent` or `charge`, all or `amount`."""
    if "charge" in params:
        charge = world.get("charge", params["charge"])
    elif "payment_intent" in params:
        intent = world.get("payment_intent", params["payment_intent"])
        if intent["latest_charge"] is None:
            raise Trouble(400, "This PaymentIntent does not have a successful charge to refund.")
        charge = world.get("charge", intent["latest_charge"])
    else:
        raise Trouble(400, "One of the following params should be provided: payment_intent or charge.", param="charge")
    left = charge["amount"] - charge["amount_refunded"]
    amount = int(params.get("amount", left))
    if not charge["paid"] or left <= 0:
        raise Trouble(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 1 <= amount <= left:
        raise Trouble(
            400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
        )
    made = world.add(
        "refund",
        amount=amount,
        currency=charge["currency"],
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        reason=params.get("reason"),
        status=status,
        failure_reason=None,
        metadata=dict(params.get("metadata", {})),
    )
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.event("refund.created", made)
    world.event("charge.refunded", charge)
    return made


def change_refund(world: World, made: Thing, *, status: str) -> Thing:
    """A pending refund succeeds, or any fails or is cancelled; then the money is back with the seller."""
    if made["status"] in {"failed", "canceled"}:
        raise Trouble(400, f"Refund {made['id']} is {made['status']}.")
    made["status"] = status
    if status in {"failed", "canceled"}:
        charge = world.get("charge", made["charge"])
        charge["amount_refunded"] -= made["amount"]
        charge["refunded"] = False
    if status == "failed":
        made["failure_reason"] = "expired_or_canceled_card"
        world.event("refund.failed", made)
    world.event("refund.updated", made)
    world.event("charge.refund.updated", made)
    return made


def dispute(world: World, charge: Thing, *, inquiry: bool = False) -> Thing:
    """The buyer's bank asks the money back; an inquiry takes none yet."""
    made = world.add(
        "dispute",
        amount=charge["amount"],
        currency=charge["currency"],
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        reason="fraudulent",
        status="warning_needs_response" if inquiry else "needs_response",
        balance_transactions=[],
        is_charge_refundable=inquiry,
        metadata={},
    )
    charge["disputed"] = True
    world.event("charge.dispute.created", made)
    if not inquiry:
        _move(world, made, -1)
        world.event("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(world: World, made: Thing, *, status: str) -> Thing:
    """ "won" (the money comes back), "lost" or "warning_closed"."""
    made["status"] = status
    if status == "won" and made["balance_transactions"]:
        _move(world, made, +1)
        world.event("charge.dispute.funds_reinstated", made)
    world.event("charge.dispute.closed", made)
    return made


def _move(world: World, made: Thing, sign: int) -> None:
    moved = world.add(
        "balance_transaction",
        amount=sign * made["amount"],
        currency=made["currency"],
        type="adjustment",
        source=made["id"],
        fee=1500 if sign < 0 else 0,
        status="available",
    )
    made["balance_transactions"] = [*made["balance_transactions"], moved]
