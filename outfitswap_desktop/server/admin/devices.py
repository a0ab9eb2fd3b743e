"""`admin leases | licences | keys …`: what was handed out, and what it is signed with."""

from __future__ import annotations

from typing import Annotated

import typer

from outfitswap_desktop.server.admin.desk import desk
from outfitswap_desktop.server.admin.options import AsJson, Reason, group
from outfitswap_desktop.server.admin.words import show

Kid = Annotated[str, typer.Argument(help="A key's id, as `keys list` shows it.")]


def leases() -> typer.Typer:
    """`admin leases`."""
    app = group("Credits that devices took along.")
    app.command("list")(list_leases)
    app.command("close")(close)
    return app


def licences() -> typer.Typer:
    """`admin licences`."""
    app = group("Licence keys.")
    app.command("issue")(issue)
    app.command("find")(find)
    app.command("revoke")(revoke)
    return app


def keys() -> typer.Typer:
    """`admin keys`."""
    app = group("The keys that sign leases and access tokens. Changes need root.key in the keys' folder.")
    app.command("list")(list_keys)
    app.command("new")(new)
    app.command("activate")(activate)
    app.command("retire")(retire)
    app.command("revoke")(revoke_key)
    return app


def list_leases(
    who: Annotated[str, typer.Option("--account", help="Only of this account (id or address).")] = "",
    state: Annotated[str, typer.Option(help="open, closed, expired or frozen; empty: all.")] = "open",
    as_json: AsJson = False,
) -> None:
    """Leases, newest first."""
    from sqlalchemy import select

    from outfitswap_desktop.server.tables.leases import leases as rows

    shown = (rows.c.id, rows.c.account_id, rows.c.device_id, rows.c.credits, rows.c.spent, rows.c.state)
    query = select(*shown, rows.c.not_after, rows.c.grace_until).order_by(rows.c.id.desc()).limit(500)
    with desk() as opened, opened.reading() as tx:
        if who:
            query = query.where(rows.c.account_id == opened.account(tx, who))
        if state:
            query = query.where(rows.c.state == state)
        show(tx.execute(query).mappings(), as_json=as_json)


def close(lease: Annotated[str, typer.Argument(help="A lease's id.")], reason: Reason) -> None:
    """End a lease without its device (its disk died): what was not reported as spent goes back."""
    from outfitswap_desktop.server.leases import ending

    with desk() as opened, opened.changing("lease.close", lease, {"reason": reason}) as tx:
        back = ending.force_close(tx, lease, actor=opened.actor, now=opened.now)
        typer.echo(f"{back} credits went back.")


def issue(
    reason: Reason,
    count: Annotated[int, typer.Option(min=1, max=10_000)] = 1,
    credits: Annotated[int, typer.Option(min=0, max=1_000_000)] = 0,
    days: Annotated[int, typer.Option(min=0, help="Days in which they can be redeemed; 0: always.")] = 0,
) -> None:
    """Make licence keys and print them, one a line: they cannot be shown again."""
    from outfitswap_desktop.server.accounts import licences as shop

    with desk() as opened:
        detail = {"count": count, "credits": credits, "reason": reason}
        with opened.changing("licence.issue", "licences", detail) as tx:
            made = shop.issue(
                tx,
                opened.services,
                count=count,
                credits=credits,
                now=opened.now,
                valid_until=opened.now + days * 86_400_000 if days else None,
            )
        for key in made:
            typer.echo(key)


def find(prefix: Annotated[str, typer.Argument(help="The first group of a key.")]) -> None:
    """Ids of the keys that begin so."""
    from outfitswap_desktop.server.accounts import licences as shop

    with desk() as opened, opened.reading() as tx:
        show([{"licence": found} for found in shop.find(tx, prefix)], as_json=False)


def revoke(licence: Annotated[str, typer.Argument(help="A licence's id.")], reason: Reason) -> None:
    """Make an unused key worthless."""
    from outfitswap_desktop.errors import InputRefused
    from outfitswap_desktop.server.accounts import licences as shop

    with desk() as opened, opened.changing("licence.revoke", licence, {"reason": reason}) as tx:
        if not shop.revoke(tx, licence):
            raise InputRefused("It is used or unknown.", reason="licence_used", hint="See `admin credits revoke`.")
        typer.echo(f"{licence} is revoked.")


def list_keys(as_json: AsJson = False) -> None:
    """Every key of the published list."""
    with desk() as opened:
        found = opened.services.keys.key_list()
        rows = [
            {"kid": kid, "purpose": key.purpose, "state": key.state, "not_after": key.not_after}
            for kid, key in found.keys.items()
        ]
        show(rows, as_json=as_json)
        if not as_json:
            typer.echo(f"List {found.version}, root {found.root_fingerprint}")


def new(purpose: Annotated[str, typer.Argument(help="lease or token")], reason: Reason) -> None:
    """Make and publish a next key; wait until programs have fetched the list before `activate`."""
    from outfitswap_desktop.errors import UsageProblem

    if purpose not in {"lease", "token"}:
        raise UsageProblem("The purpose is lease or token.", reason="purpose")
    with desk() as opened:
        kid = opened.services.keys.new("lease" if purpose == "lease" else "token")
        with opened.changing("key.new", kid, {"purpose": purpose, "reason": reason}):
            typer.echo(kid)


def activate(kid: Kid, reason: Reason) -> None:
    """Sign with a next key from now on; the one in use until now is retired."""
    _change(kid, "activate", reason)


def retire(kid: Kid, reason: Reason) -> None:
    """Sign no more with a key; what it has signed counts until its end."""
    _change(kid, "retire", reason)


def revoke_key(kid: Kid, reason: Reason) -> None:
    """Have nothing count any more that a key has signed: its private half is known to others."""
    _change(kid, "revoke", reason)


def _change(kid: str, what: str, reason: str) -> None:
    with desk() as opened:
        {
            "activate": opened.services.keys.activate,
            "retire": opened.services.keys.retire,
            "revoke": opened.services.keys.revoke,
        }[what](kid)
        with opened.changing(f"key.{what}", kid, {"reason": reason}):
            pass
        typer.echo(f"{kid}: done. Running servers see it at once.")
