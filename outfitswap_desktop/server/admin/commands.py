"""The tree of the administrators' commands; nothing but typer is imported until one of them runs."""

from __future__ import annotations

import typer

from outfitswap_desktop.server.admin import devices, money, people, records


def make() -> typer.Typer:
    """`outfitswap-server admin …`."""
    app = typer.Typer(
        help="Accounts, credits, leases, licences, keys, purchases, ledger and audit.", no_args_is_help=True
    )
    for name, part in (
        ("accounts", people.accounts()),
        ("credits", money.credits_()),
        ("reservations", money.reservations()),
        ("packs", money.packs()),
        ("orders", money.orders()),
        ("stripe", money.stripe()),
        ("leases", devices.leases()),
        ("licences", devices.licences()),
        ("keys", devices.keys()),
        ("ledger", records.ledger()),
        ("audit", records.audit()),
        ("mail", records.mail()),
    ):
        app.add_typer(part, name=name)
    return app
