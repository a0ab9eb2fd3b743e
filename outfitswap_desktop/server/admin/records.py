"""`admin ledger | audit | mail …`: whether the books are right, and what waits to be sent."""

from __future__ import annotations

from typing import Annotated

import typer

from outfitswap_desktop.server.admin.desk import desk
from outfitswap_desktop.server.admin.options import AsJson, Reason, group
from outfitswap_desktop.server.admin.words import show


def ledger() -> typer.Typer:
    """`admin ledger`."""
    app = group("The books.")
    app.command("verify")(verify_ledger)
    app.command("balances")(balances)
    return app


def audit() -> typer.Typer:
    """`admin audit`."""
    app = group("The chain of what administrators did and what touched security.")
    app.command("verify")(verify_audit)
    app.command("list")(list_audit)
    return app


def mail() -> typer.Typer:
    """`admin mail`."""
    app = group("E-mails that wait.")
    app.command("list")(list_mail)
    app.command("retry")(retry)
    return app


def verify_ledger(as_json: AsJson = False) -> None:
    """Check every invariant; exit 3 when credits are off."""
    from outfitswap_desktop.server.ledger.verify import snapshot, verify

    with desk() as opened, opened.reading() as tx:
        snapshot(tx)
        report = verify(tx)
        show([{"invariant": name, "credits_off": off} for name, off in report.off.items()], as_json=as_json)
        raise typer.Exit(0 if report.ok else 3)


def balances(as_json: AsJson = False) -> None:
    """Balances that are not the sum of their entries; exit 3 when there are any. Nothing is changed."""
    from outfitswap_desktop.server.ledger.verify import rebuild, snapshot

    with desk() as opened, opened.reading() as tx:
        snapshot(tx)
        wrong = rebuild(tx)
        show(
            [{"ledger_account": name, "kept": kept, "right": right} for name, (kept, right) in wrong.items()],
            as_json=as_json,
        )
        raise typer.Exit(3 if wrong else 0)


def verify_audit() -> None:
    """Check the chain; exit 3 when a record was changed. Note count and hash elsewhere: a cut end is seen only by them."""
    from outfitswap_desktop.server.operations import audit as chain

    with desk() as opened, opened.reading() as tx:
        intact, words = chain.verify(tx)
        typer.echo(words)
        raise typer.Exit(0 if intact else 3)


def list_audit(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50, as_json: AsJson = False) -> None:
    """The newest records."""
    from sqlalchemy import select

    from outfitswap_desktop.server.tables.operations import audit as rows

    shown = (rows.c.seq, rows.c.at, rows.c.actor, rows.c.action, rows.c.target, rows.c.detail)
    with desk() as opened, opened.reading() as tx:
        show(tx.execute(select(*shown).order_by(rows.c.seq.desc()).limit(limit)).mappings(), as_json=as_json)


def list_mail(as_json: AsJson = False) -> None:
    """What has not left yet; without addresses and tokens."""
    from sqlalchemy import select

    from outfitswap_desktop.server.tables.operations import outbox as rows

    query = select(rows.c.id, rows.c.kind, rows.c.attempts, rows.c.due_at).where(rows.c.sent_at.is_(None))
    with desk() as opened, opened.reading() as tx:
        show(tx.execute(query.order_by(rows.c.id)).mappings(), as_json=as_json)


def retry(reason: Reason) -> None:
    """Try again at once everything that waits or was given up."""
    from sqlalchemy import update

    from outfitswap_desktop.server.operations import outbox
    from outfitswap_desktop.server.tables.operations import outbox as rows

    with desk() as opened:
        with opened.changing("mail.retry", "outbox", {"reason": reason}) as tx:
            tx.execute(update(rows).where(rows.c.sent_at.is_(None)).values(attempts=0, due_at=opened.now))
        typer.echo(f"{outbox.flush(opened.services, now=opened.now, limit=1000)} sent.")
