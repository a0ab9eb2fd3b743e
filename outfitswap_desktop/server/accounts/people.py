"""Accounts and the persons behind them: made, found, frozen. The e-mail address lies in one table, which erasing empties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts.passwords import Passwords
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import account_pii, accounts

LONGEST_EMAIL: Final = 254


@dataclass(frozen=True, slots=True)
class Person:
    """An account with what is known of its person. `closes_at` is set while a deletion can still be undone."""

    account_id: str
    state: Literal["active", "frozen", "closed"]
    created_at: int
    closes_at: int | None
    debt_credits: int
    email: str | None
    email_verified_at: int | None
    has_password: bool
    display_name: str | None
    stripe_customer_id: str | None


def normal_email(text: str) -> str:
    """The one form of an address that is kept and compared: lower case, Unicode's normal form, domain as typed by people.

    Raises Refusal 422 for what cannot be an address.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False).normalized.casefold()
    except EmailNotValidError as error:
        raise Refusal(
            422, "invalid_email", title="Not an e-mail address", detail="Please check the e-mail address."
        ) from error
    if len(found) > LONGEST_EMAIL:
        raise Refusal(422, "invalid_email", title="Not an e-mail address", detail="Please check the e-mail address.")
    return found


def create(
    tx: Connection,
    *,
    email: str | None,
    password: str | None = None,
    display_name: str | None = None,
    now: int,
    password_hash: str | None = None,
    verified: bool = False,
) -> str:
    """A new account with its ledger accounts; returns its id.

    Give `password_hash` where the hash was made before the transaction (it takes tens of milliseconds). Without an e-mail
    address it is an account of a licence key alone. Raises Refusal 409 "email_taken".
    """
    from outfitswap_desktop.server.ledger import credits

    address = normal_email(email) if email is not None else None
    if address is not None and find_by_email(tx, address) is not None:
        raise _taken()
    if password is not None and password_hash is None:
        password_hash = Passwords().hash(password)
    account_id = new_id()
    tx.execute(insert(accounts).values(id=account_id, state="active", created_at=now, debt_credits=0))
    insert_new = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    kept = tx.execute(
        insert_new(account_pii)
        .values(
            account_id=account_id,
            email_ci=address,
            email_verified_at=now if verified and address is not None else None,
            password_hash=password_hash,
            display_name=display_name,
        )
        .on_conflict_do_nothing()
        .returning(account_pii.c.account_id)
    ).first()
    if kept is None:
        raise _taken()
    credits.open_account(tx, account_id)
    return account_id


def find_by_email(tx: Connection, email: str) -> str | None:
    """The account of an address in its normal form."""
    return tx.execute(select(account_pii.c.account_id).where(account_pii.c.email_ci == email)).scalar_one_or_none()


def get(tx: Connection, account_id: str) -> Person | None:
    """The account, None when there is none; an erased one has neither address nor name."""
    row = (
        tx.execute(
            select(accounts, account_pii)
            .select_from(accounts.outerjoin(account_pii, account_pii.c.account_id == accounts.c.id))
            .where(accounts.c.id == account_id)
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    return Person(
        account_id=row["id"],
        state=row["state"],
        created_at=row["created_at"],
        closes_at=row["closes_at"],
        debt_credits=row["debt_credits"],
        email=row["email_ci"],
        email_verified_at=row["email_verified_at"],
        has_password=row["password_hash"] is not None,
        display_name=row["display_name"],
        stripe_customer_id=row["stripe_customer_id"],
    )


def freeze(tx: Connection, account_id: str, *, now: int) -> bool:
    """Let the account only look: whatever changes something is refused. Takes effect within five seconds. False: not active."""
    return _to(tx, account_id, "active", "frozen")


def unfreeze(tx: Connection, account_id: str, *, now: int) -> bool:
    """End that; False: not frozen."""
    return _to(tx, account_id, "frozen", "active")


def rename(tx: Connection, account_id: str, display_name: str | None) -> None:
    """Set or clear the name shown on the site."""
    tx.execute(update(account_pii).where(account_pii.c.account_id == account_id).values(display_name=display_name))


def set_password(tx: Connection, account_id: str, password_hash: str) -> None:
    """Replace the password by its new hash; who calls ends the sessions."""
    tx.execute(update(account_pii).where(account_pii.c.account_id == account_id).values(password_hash=password_hash))


def mark_verified(tx: Connection, account_id: str, *, now: int) -> bool:
    """The address was proven; False when it was before."""
    row = tx.execute(
        update(account_pii)
        .where(
            account_pii.c.account_id == account_id,
            account_pii.c.email_ci.is_not(None),
            account_pii.c.email_verified_at.is_(None),
        )
        .values(email_verified_at=now)
        .returning(account_pii.c.account_id)
    ).first()
    return row is not None


def _to(tx: Connection, account_id: str, before: str, after: str) -> bool:
    row = tx.execute(
        update(accounts)
        .where(accounts.c.id == account_id, accounts.c.state == before)
        .values(state=after)
        .returning(accounts.c.id)
    ).first()
    return row is not None


def _taken() -> Refusal:
    return Refusal(
        409, "email_taken", title="This address has an account", detail="Sign in, or set a new password by e-mail."
    )
