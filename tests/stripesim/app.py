"""The imitation of Stripe as a web application: the API's part that we use, the check-out page, and a test's own controls."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse

from tests.stripesim import forms, payments
from tests.stripesim.hooks import Endpoint, Sender
from tests.stripesim.idempotency import Answer, Keys
from tests.stripesim.pages import page
from tests.stripesim.trouble import Trouble, missing
from tests.stripesim.world import Thing, World, shown


@dataclass
class Fault:
    """What the next `times` requests suffer whose "METHOD /path" begins with `match`.

    error: 500 before anything is done (remembered by the idempotency key, as Stripe does); lost: done, but the answer
    breaks off; busy: 429; refused: 400; slow: waits `seconds` first; held: waits while the idempotency key is taken.
    """

    match: str
    kind: str
    times: int = 1
    seconds: float = 0.0


@dataclass
class Sim:
    """The imitation's parts."""

    world: World
    sender: Sender
    keys: Keys = field(default_factory=Keys)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def fault(self, asked: str) -> Fault | None:
        """The fault that this request meets, counted down."""
        with self.world.lock:
            for fault in self.faults:
                if fault.times > 0 and asked.startswith(fault.match):
                    fault.times -= 1
                    return fault
        return None


Work = Callable[[Sim, dict[str, Any], str], Thing]


def _made(kind: str, **defaults: Any) -> Work:
    return lambda sim, params, _: sim.world.add(kind, **{**defaults, **params})


def _read(kind: str) -> Work:
    return lambda sim, _, ident: sim.world.get(kind, ident)


def _session(sim: Sim, params: dict[str, Any], ident: str) -> Thing:
    session = sim.world.get("checkout.session", ident)
    intent = session["payment_intent"]
    if "payment_intent" in params.get("expand", ()) and intent is not None:
        return {**session, "payment_intent": shown(sim.world.get("payment_intent", intent))}
    return session


def _list(kind: str, *same: str) -> Work:
    return lambda sim, params, _: sim.world.page(kind, params, same=same)


def _price(sim: Sim, params: dict[str, Any], _: str) -> Thing:
    sim.world.get("product", params.get("product", ""))
    amount = int(params.pop("unit_amount"))
    return sim.world.add("price", **{"active": True, "type": "one_time", "unit_amount": amount, **params})


def _delete_customer(sim: Sim, _: dict[str, Any], ident: str) -> Thing:
    customer = sim.world.get("customer", ident)
    customer.clear()
    customer.update(id=ident, object="customer", deleted=True, created=0)
    return customer


def _lines(sim: Sim, _: dict[str, Any], ident: str) -> Thing:
    found = sim.world.get("checkout.session", ident)["_lines"]
    return {"object": "list", "data": found, "has_more": False, "url": f"/v1/checkout/sessions/{ident}/line_items"}


def _cancel_refund(sim: Sim, _: dict[str, Any], ident: str) -> Thing:
    return payments.change_refund(sim.world, sim.world.get("refund", ident), status="canceled")


ROUTES: tuple[tuple[str, str, Work], ...] = (
    ("POST", "customers", _made("customer", email=None, metadata={})),
    ("GET", "customers", _list("customer", "email")),
    ("GET", "customers/{id}", _read("customer")),
    ("DELETE", "customers/{id}", _delete_customer),
    ("POST", "products", _made("product", active=True, metadata={})),
    ("GET", "products/{id}", _read("product")),
    ("POST", "prices", _price),
    ("GET", "prices/{id}", _read("price")),
    ("POST", "checkout/sessions", lambda sim, params, _: payments.create_session(sim.world, params)),
    ("GET", "checkout/sessions", _list("checkout.session", "payment_intent", "status", "customer")),
    ("GET", "checkout/sessions/{id}", _session),
    ("GET", "checkout/sessions/{id}/line_items", _lines),
    (
        "POST",
        "checkout/sessions/{id}/expire",
        lambda sim, _, ident: payments.expire(sim.world, sim.world.get("checkout.session", ident)),
    ),
    ("GET", "payment_intents", _list("payment_intent", "customer")),
    ("GET", "payment_intents/{id}", _read("payment_intent")),
    ("GET", "charges", _list("charge", "payment_intent", "customer")),
    ("GET", "charges/{id}", _read("charge")),
    ("POST", "refunds", lambda sim, params, _: payments.refund(sim.world, params)),
    ("GET", "refunds", _list("refund", "payment_intent", "charge")),
    ("GET", "refunds/{id}", _read("refund")),
    ("POST", "refunds/{id}/cancel", _cancel_refund),
    ("GET", "disputes", _list("dispute", "payment_intent", "charge")),
    ("GET", "disputes/{id}", _read("dispute")),
    ("GET", "events", _list("event", "type")),
    ("GET", "events/{id}", _read("event")),
    ("GET", "invoices/{id}", _read("invoice")),
)


def _find(method: str, path: str) -> tuple[Work, str]:
    for verb, pattern, work in ROUTES:
        match = re.fullmatch(pattern.replace("{id}", "([^/]+)"), path)
        if verb == method and match:
            return work, match.group(1) if match.groups() else ""
    raise Trouble(404, f"Unrecognized request URL ({method}: /v1/{path}).")


def make_app(sim: Sim, *, api_key: str) -> FastAPI:
    """The application. API requests need `api_key`; the page and the controls below /_sim need nothing."""
    app = FastAPI(title="stripesim")

    @app.api_route("/v1/{path:path}", methods=["GET", "POST", "DELETE"])
    async def api(path: str, request: Request) -> Response:
        raw = (await request.body()).decode() if request.method == "POST" else request.url.query
        return await asyncio.to_thread(_answer, path, request, raw)

    def _answer(path: str, request: Request, raw: str) -> Response:
        asked = f"{request.method} /v1/{path}"
        sim.requests.append(asked)
        key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        replayed = False
        fault = sim.fault(asked)

        def work() -> Answer:
            if fault and fault.kind == "error":
                raise Trouble(500, "An error occurred on our side.", kind="api_error", started=True)
            if fault and fault.kind == "held":
                time.sleep(fault.seconds)
            found, ident = _find(request.method, path)
            with sim.world.lock:
                return 200, shown(found(sim, forms.read(raw), ident))

        try:
            if request.headers.get("Authorization") != f"Bearer {api_key}":
                raise Trouble(401, "Invalid API Key provided.")
            if fault and fault.kind == "busy":
                raise Trouble(429, "Too many requests.", code="rate_limit")
            if fault and fault.kind == "refused":
                raise Trouble(400, "This cannot be done now.")
            if fault and fault.kind == "slow":
                time.sleep(fault.seconds)
            if key:
                (status, body), replayed = sim.keys.once(key, (request.method, path, raw), work)
            else:
                status, body = work()
        except Trouble as trouble:
            status, body = trouble.status, trouble.document()
        if fault and fault.kind == "lost":
            return StreamingResponse(_broken(), headers={"Content-Length": "1000"}, media_type="application/json")
        headers = {"Request-Id": f"req_{len(sim.requests)}"}
        if key:
            headers["Idempotency-Key"] = key
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        if status >= 500:
            headers["Stripe-Should-Retry"] = "false"
        return JSONResponse(body, status, headers=headers)

    _pages(app, sim)
    _controls(app, sim)
    return app


async def _broken() -> AsyncIterator[bytes]:
    yield b'{"id": '


def _pages(app: FastAPI, sim: Sim) -> None:
    @app.get("/c/pay/{ident}")
    def show(ident: str) -> Response:
        try:
            return HTMLResponse(page(sim.world.get("checkout.session", ident)))
        except Trouble:
            return HTMLResponse("<h1>Something went wrong</h1>", 404)

    @app.post("/c/pay/{ident}")
    async def press(ident: str, request: Request) -> Response:
        how = dict(parse_qsl((await request.body()).decode())).get("how", "")
        with sim.world.lock:
            session = sim.world.get("checkout.session", ident)
            if how == "abandon":
                return RedirectResponse(session["cancel_url"] or session["success_url"], 303)
            if session["status"] == "open":
                payments.pay(sim.world, session, how=how)
            if session["status"] != "complete":
                return HTMLResponse(page(session, notice="Your card has been declined." if how == "decline" else ""))
        return RedirectResponse(session["success_url"].replace("{CHECKOUT_SESSION_ID}", ident), 303)


def _controls(app: FastAPI, sim: Sim) -> None:
    world = sim.world

    @app.exception_handler(Trouble)
    def troubled(_: Request, trouble: Trouble) -> JSONResponse:
        return JSONResponse(trouble.document(), trouble.status)

    @app.get("/_sim/ready")
    def ready() -> dict[str, Any]:
        return {"ok": True, **sim.sender.waiting()}

    @app.post("/_sim/webhook")
    def webhook(changes: dict[str, Any]) -> dict[str, Any]:
        sim.sender.configure(changes)
        return vars(sim.sender.endpoint)

    @app.post("/_sim/reset")
    def reset() -> dict[str, bool]:
        with world.lock:
            world.clear()
            sim.keys = Keys()
            sim.faults.clear()
            sim.requests.clear()
            sim.sender.reset()
        return {"ok": True}

    @app.post("/_sim/flush")
    def flush(asked: dict[str, Any]) -> dict[str, int]:
        return {"sent": sim.sender.flush(order=asked.get("order", "asis"), dropped=bool(asked.get("dropped")))}

    @app.get("/_sim/deliveries")
    def deliveries() -> list[dict[str, Any]]:
        return list(sim.sender.deliveries)

    @app.get("/_sim/requests")
    def requests() -> list[str]:
        return list(sim.requests)

    @app.post("/_sim/faults")
    def faults(fault: dict[str, Any]) -> dict[str, int]:
        with world.lock:
            sim.faults.append(Fault(**fault))
        return {"faults": len(sim.faults)}

    @app.post("/_sim/resend/{event}")
    def resend(event: str) -> dict[str, str]:
        sim.sender.send(world.get("event", event))
        return {"event": event}

    @app.post("/_sim/{verb}/{ident}")
    def act(verb: str, ident: str, asked: dict[str, Any]) -> Thing:
        with world.lock:
            return shown(_act(world, verb, ident, asked))


def _act(world: World, verb: str, ident: str, asked: dict[str, Any]) -> Thing:
    """What a buyer or a bank does: pay, settle, expire a session; refund, dispute a payment; change what came of it."""
    if verb in {"pay", "settle", "expire"}:
        session = world.get("checkout.session", ident)
        if verb == "pay":
            return payments.pay(world, session, how=asked.get("how", "card"))
        return (
            payments.settle(world, session, well=asked["well"]) if verb == "settle" else payments.expire(world, session)
        )
    if verb == "change-session":
        return {**world.get("checkout.session", ident), **_put(world.get("checkout.session", ident), asked)}
    if verb == "refund":
        status = asked.pop("status", "succeeded")
        return payments.refund(world, {"payment_intent": ident, **asked}, status=status)
    if verb == "change-refund":
        return payments.change_refund(world, world.get("refund", ident), status=asked["status"])
    if verb == "dispute":
        intent = world.get("payment_intent", ident)
        charge = world.get("charge", intent["latest_charge"])
        return payments.dispute(world, charge, inquiry=bool(asked.get("inquiry")))
    if verb == "close-dispute":
        return payments.close_dispute(world, world.get("dispute", ident), status=asked["status"])
    raise missing("action", verb)


def _put(session: Thing, members: dict[str, Any]) -> Thing:
    session.update(members)
    return members


def open_sim(*, address: str, webhook_url: str = "", secrets: list[str] | None = None) -> Sim:
    """An empty imitation that is reached at `address` and sends its events to `webhook_url`."""
    endpoint = Endpoint(url=webhook_url, secrets=secrets or ["whsec_stripesim"])
    sender = Sender(endpoint)
    return Sim(world=World(address=address, announce=sender.send), sender=sender)
