"""`admin accounts …`: find, show, freeze, unfreeze, export, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from outfitswap_desktop.server.admin.desk import desk
from outfitswap_desktop.server.admin.options import AsJson, Reason, Who, group
from outfitswap_desktop.server.admin.words import show


def accounts() -> typer.Typer:
    """The group."""
    app = group("Who uses the server.")
    app.command("find")(find)
    app.command("freeze")(freeze)
    app.command("unfreeze")(unfreeze)
    app.command("export")(export)
    app.command("delete")(delete)
    return app


def find(who: Who, as_json: AsJson = False) -> None:
    """Show one account: state, times, credits. The address is not shown."""
    from outfitswap_desktop.server.accounts import people
    from outfitswap_desktop.server.ledger import credits as ledger

    with desk() as opened, opened.reading() as tx:
        account_id = opened.account(tx, who)
        person = people.get(tx, account_id)
        assert person is not None
        balance = ledger.balance(tx, account_id, now=opened.now)
        show(
            [
                {
                    "account": account_id,
                    "state": person.state,
                    "created_at": person.created_at,
                    "closes_at": person.closes_at,
                    "verified": person.email_verified_at is not None,
                    "available": balance.available,
                    "held": balance.held,
                    "leased": balance.leased,
                    "debt": balance.debt,
                }
            ],
            as_json=as_json,
        )


def freeze(who: Who, reason: Reason) -> None:
    """Let an account only look, until `unfreeze`."""
    from outfitswap_desktop.server.accounts import people

    with desk() as opened:
        with opened.reading() as tx:
            account_id = opened.account(tx, who)
        with opened.changing("account.freeze", account_id, {"reason": reason}) as tx:
            _only(people.freeze(tx, account_id, now=opened.now), "The account is not active.")
        typer.echo(f"{account_id} is frozen.")


def unfreeze(who: Who, reason: Reason) -> None:
    """End a freeze."""
    from outfitswap_desktop.server.accounts import people

    with desk() as opened:
        with opened.reading() as tx:
            account_id = opened.account(tx, who)
        with opened.changing("account.unfreeze", account_id, {"reason": reason}) as tx:
            _only(people.unfreeze(tx, account_id, now=opened.now), "The account is not frozen.")
        typer.echo(f"{account_id} is active.")


def export(who: Who, target: Annotated[Path, typer.Argument(help="The JSON file to write.")], reason: Reason) -> None:
    """Write all that is kept of an account into a file, as its owner can do on the site."""
    from outfitswap_desktop.server.accounts import privacy

    with desk() as opened:
        with opened.reading() as tx:
            account_id = opened.account(tx, who)
            found = privacy.export(tx, account_id)
        with opened.changing("account.export", account_id, {"reason": reason}):
            target.touch(mode=0o600, exist_ok=False)
            target.write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")
        typer.echo(f"{target} holds personal data: hand it over and delete it.")


def delete(who: Who, reason: Reason) -> None:
    """Begin the deletion of an account: seven days in which its owner can undo it, then it is erased."""
    from outfitswap_desktop.server.accounts import privacy

    with desk() as opened:
        with opened.reading() as tx:
            account_id = opened.account(tx, who)
        with opened.changing("account.delete", account_id, {"reason": reason}) as tx:
            privacy.delete_account(tx, opened.services, account_id, now=opened.now)
        typer.echo(f"{account_id} will be erased in seven days.")


def _only(done: bool, otherwise: str) -> None:
    from outfitswap_desktop.errors import InputRefused

    if not done:
        raise InputRefused(otherwise, reason="state")
