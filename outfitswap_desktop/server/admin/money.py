"""`admin credits | reservations | packs | orders | stripe …`: what was sold, given, taken back and is held."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from outfitswap_desktop.server.admin.desk import desk
from outfitswap_desktop.server.admin.options import AsJson, Reason, Who, group
from outfitswap_desktop.server.admin.words import show

Amount = Annotated[int, typer.Argument(min=1, max=1_000_000, help="Credits.")]


def credits_() -> typer.Typer:
    """`admin credits`."""
    app = group("Credits of one account.")
    app.command("grant")(grant)
    app.command("revoke")(revoke)
    app.command("show")(balance)
    app.command("history")(history)
    return app


def reservations() -> typer.Typer:
    """`admin reservations`."""
    app = group("Credits held by running jobs.")
    app.command("expire")(expire)
    app.command("void")(void)
    return app


def packs() -> typer.Typer:
    """`admin packs`."""
    app = group("What is for sale.")
    app.command("list")(list_packs)
    app.command("put")(put_pack)
    app.command("withdraw")(withdraw_pack)
    return app


def orders() -> typer.Typer:
    """`admin orders`."""
    app = group("Purchases.")
    app.command("list")(list_orders)
    app.command("accept")(accept)
    app.command("refund")(refund)
    return app


def stripe() -> typer.Typer:
    """`admin stripe`."""
    app = group("What Stripe has told us.")
    app.command("replay")(replay)
    app.command("reconcile")(reconcile)
    return app


def grant(  # noqa: PLR0917 - typer reads them by name
    who: Who,
    credits: Amount,
    reason: Reason,
    bucket: Annotated[str, typer.Option(help="paid (never expires) or promo.")] = "promo",
    days: Annotated[int, typer.Option(min=0, help="Days until they expire; 0: never.")] = 0,
    ref: Annotated[str, typer.Option(help="An id of your own: the same one never gives twice.")] = "",
    as_json: AsJson = False,
) -> None:
    """Give credits."""
    from outfitswap_desktop.errors import UsageProblem
    from outfitswap_desktop.licensing.wire.ids import new_id
    from outfitswap_desktop.server.ledger import credits as ledger

    if bucket not in {"paid", "promo"}:
        raise UsageProblem("--bucket is paid or promo.", reason="bucket")
    kind: Literal["paid", "promo"] = "paid" if bucket == "paid" else "promo"
    with desk() as opened:
        with opened.reading() as tx:
            account_id = opened.account(tx, who)
        posting = ref or new_id()
        detail = {"credits": credits, "bucket": bucket, "reason": reason, "ref": posting, "days": days}
        with opened.changing("credits.grant", account_id, detail) as tx:
            given = ledger.give(
                tx,
                account_id,
                bucket=kind,
                credits=credits,
                kind="grant",
                ref=posting,
                actor=opened.actor,
                now=opened.now,
                expires_at=opened.now + days * 86_400_000 if days else None,
                memo=reason[:200],
            )
            left = ledger.balance(tx, account_id, now=opened.now).available
        show([{"account": account_id, "given": credits if given else 0, "available": left}], as_json=as_json)


def revoke(who: Who, credits: Amount, reason: Reason, as_json: AsJson = False) -> None:
    """Take credits back; what is not there becomes a debt that the next credits pay."""
    from outfitswap_desktop.licensing.wire.ids import new_id
    from outfitswap_desktop.server.ledger import credits as ledger

    with desk() as opened:
        with opened.reading() as tx:
            account_id = opened.account(tx, who)
        with opened.changing("credits.revoke", account_id, {"credits": credits, "reason": reason}) as tx:
            ledger.take_back(
                tx,
                account_id,
                credits=credits,
                kind="revoke",
                ref=new_id(),
                actor=opened.actor,
                now=opened.now,
                memo=reason[:200],
            )
            left = ledger.balance(tx, account_id, now=opened.now)
        show([{"account": account_id, "available": left.available, "debt": left.debt}], as_json=as_json)


def balance(who: Who, as_json: AsJson = False) -> None:
    """What an account has."""
    from outfitswap_desktop.server.ledger import credits as ledger

    with desk() as opened, opened.reading() as tx:
        found = ledger.balance(tx, opened.account(tx, who), now=opened.now)
        show([found.model_dump(exclude={"expiring", "leases"})], as_json=as_json)


def history(who: Who, limit: Annotated[int, typer.Option(min=1, max=200)] = 50, as_json: AsJson = False) -> None:
    """An account's postings, newest first."""
    from outfitswap_desktop.server.ledger import credits as ledger

    with desk() as opened, opened.reading() as tx:
        page = ledger.history(tx, opened.account(tx, who), cursor=None, limit=limit)
        show([entry.model_dump() for entry in page.entries], as_json=as_json)


def expire() -> None:
    """Give back now what outlived its time, without waiting for the sweep."""
    from outfitswap_desktop.server.ledger import reservations as holds
    from outfitswap_desktop.server.operations.sweeps import BATCH, in_batches

    with desk() as opened:
        count = in_batches(opened.services, lambda tx: holds.expire_due(tx, now=opened.now, limit=BATCH))
        typer.echo(f"{count} reservations expired.")


def void(reservation: Annotated[str, typer.Argument(help="A reservation's id.")], reason: Reason) -> None:
    """Give a reservation back whole, for a customer whose machine will not."""
    from sqlalchemy import select

    from outfitswap_desktop.errors import InputRefused
    from outfitswap_desktop.server.ledger import reservations as holds
    from outfitswap_desktop.server.tables import ledger

    with desk() as opened, opened.changing("reservation.void", reservation, {"reason": reason}) as tx:
        owner = tx.execute(
            select(ledger.reservations.c.account_id).where(ledger.reservations.c.id == reservation)
        ).scalar_one_or_none()
        if owner is None:
            raise InputRefused("There is no such reservation.", reason="no_reservation")
        found = holds.void(tx, owner, reservation, reason="admin", device_id=None, now=opened.now)
        typer.echo(f"{reservation} is {found.state}.")


def list_packs(as_json: AsJson = False) -> None:
    """Everything that is or was for sale."""
    from sqlalchemy import select

    from outfitswap_desktop.server.tables import payments

    with desk() as opened, opened.reading() as tx:
        show(tx.execute(select(payments.packs).order_by(payments.packs.c.credits)).mappings(), as_json=as_json)


def put_pack(  # noqa: PLR0917 - typer reads them by name
    pack: Annotated[str, typer.Argument(help="Its id; an existing one is changed.")],
    title: Annotated[str, typer.Option()],
    credits: Annotated[int, typer.Option(min=1, max=1_000_000)],
    amount: Annotated[int, typer.Option(min=1, help="Price in the currency's smallest unit.")],
    reason: Reason,
    currency: Annotated[str, typer.Option()] = "eur",
    stripe_price: Annotated[str, typer.Option(help="Stripe's own price id, if there is one.")] = "",
) -> None:
    """Sell a pack from now on; orders that exist keep what they were made with."""
    from outfitswap_desktop.licensing.wire.messages import Pack
    from outfitswap_desktop.server.payments import packs as shop

    made = Pack(id=pack, title=title, credits=credits, amount_minor=amount, currency=currency.lower())
    with desk() as opened, opened.changing("pack.put", pack, {**made.model_dump(), "reason": reason}) as tx:
        shop.put(tx, made, stripe_price_id=stripe_price or None)
        typer.echo(f"{pack} is for sale.")


def withdraw_pack(pack: str, reason: Reason) -> None:
    """Sell a pack no more."""
    from outfitswap_desktop.errors import InputRefused
    from outfitswap_desktop.server.payments import packs as shop

    with desk() as opened, opened.changing("pack.withdraw", pack, {"reason": reason}) as tx:
        if not shop.withdraw(tx, pack):
            raise InputRefused("There is no such pack.", reason="no_pack")
        typer.echo(f"{pack} is no longer for sale.")


def list_orders(
    state: Annotated[
        str, typer.Option(help="Only these: new, open, paid, expired, failed, refunded, disputed, review.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Purchases, newest first."""
    from sqlalchemy import select, true

    from outfitswap_desktop.server.tables.payments import orders as rows

    shown = (rows.c.id, rows.c.account_id, rows.c.pack_id, rows.c.credits, rows.c.amount_minor, rows.c.currency)
    query = select(*shown, rows.c.state, rows.c.note, rows.c.created_at, rows.c.paid_at)
    with desk() as opened, opened.reading() as tx:
        query = query.where(rows.c.state == state if state else true()).order_by(rows.c.id.desc()).limit(limit)
        show(tx.execute(query).mappings(), as_json=as_json)


def accept(order: str, reason: Reason) -> None:
    """End the review of an order whose amount did not match: credit it."""
    from outfitswap_desktop.errors import InputRefused
    from outfitswap_desktop.server.payments import fulfil

    with desk() as opened, opened.changing("order.accept", order, {"reason": reason}) as tx:
        if not fulfil.accept(tx, order, actor=opened.actor, now=opened.now):
            raise InputRefused("There is nothing to review.", reason="no_review")
        typer.echo(f"{order} is credited.")


def refund(
    order: str,
    reason: Reason,
    amount: Annotated[int, typer.Option(min=0, help="Part of the price, in the smallest unit; 0: all of it.")] = 0,
    key: Annotated[str, typer.Option(help="An id of your own: the same one never pays twice.")] = "",
) -> None:
    """Pay a purchase back through Stripe and take its credits back."""
    from outfitswap_desktop.licensing.wire.ids import new_id
    from outfitswap_desktop.server.payments import payback

    with desk() as opened:
        chosen = key or new_id()
        with opened.changing("order.refund", order, {"amount": amount, "key": chosen, "reason": reason}):
            pass
        typer.echo(f"Asking Stripe with the key {chosen}: give it again if this ends without an answer.")
        paid = payback.refund(opened.services, order, amount_minor=amount or None, key=chosen, now=opened.now)
        typer.echo(f"{order} is {paid.state}.")


def replay(event: Annotated[str, typer.Argument(help="Stripe's event id, evt_…")]) -> None:
    """Act once more on an event that is kept; what it has done already is not done again."""
    from sqlalchemy import select

    from outfitswap_desktop.errors import InputRefused, NotAvailable
    from outfitswap_desktop.server.payments import webhooks
    from outfitswap_desktop.server.tables.payments import stripe_events

    with desk() as opened:
        if opened.services.stripe is None:
            raise NotAvailable("No STRIPE_SECRET_KEY is set.", reason="no_stripe")
        with opened.reading() as tx:
            row = tx.execute(select(stripe_events).where(stripe_events.c.event_id == event)).first()
        if row is None:
            raise InputRefused("There is no such event here.", reason="no_event", hint="Try `admin stripe reconcile`.")
        with opened.changing("stripe.replay", event, {}):
            pass
        stored = webhooks.stored_event(row)
        typer.echo(str(webhooks.handle(opened.services, opened.services.stripe, stored, now=opened.now)))


def reconcile(
    hours: Annotated[int, typer.Option(min=0, help="How far back; 0: since the last one.")] = 0,
) -> None:
    """Ask Stripe for what no webhook has told, and repair it."""
    from outfitswap_desktop.server.payments.reconcile import reconcile as bring_up

    with desk() as opened:
        since = opened.now - hours * 3_600_000 if hours else None
        report = bring_up(opened.services, since, now=opened.now)
        typer.echo(f"{report.repaired} repaired. {' '.join(report.troubles)}".rstrip())
