"""Signing up and in with e-mail and password: neither words nor time tell whether an address is known."""

from __future__ import annotations

from sqlalchemy import Connection, select

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts import mail_tokens, people, sessions
from outfitswap_desktop.server.operations import audit
from outfitswap_desktop.server.operations.outbox import send_later
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import account_pii


def check_password(tx: Connection, services: Services, *, email: str, password: str) -> str:
    """The account of address and password; raises Refusal 401 "wrong_password" for anything else, after the same work.

    Takes tens of milliseconds and only reads: call it in `database.reading()`, not in a write transaction.
    """
    row = tx.execute(
        select(account_pii.c.account_id, account_pii.c.password_hash).where(
            account_pii.c.email_ci == people.normal_email(email)
        )
    ).first()
    right = services.accounts.passwords.right(password, None if row is None else row.password_hash)
    if row is None or not right:
        raise Refusal(
            401,
            "wrong_password",
            title="Not signed in",
            detail="E-mail address or password is not right; you can set a new password by e-mail.",
        )
    account_id: str = row.account_id
    return account_id


def register(
    tx: Connection, services: Services, *, email: str, password_hash: str, display_name: str | None, now: int
) -> str | None:
    """Make an account and send the e-mail that confirms its address; returns its id.

    When the address has an account, nothing changes and None is returned: its owner gets an e-mail, and whoever asks sees
    no difference. The hash is made before (services.accounts.passwords.hash), in both cases.
    """
    address = people.normal_email(email)
    known = people.find_by_email(tx, address)
    if known is None:
        unsure = tx.begin_nested()
        try:
            account_id = _make(tx, address, password_hash=password_hash, display_name=display_name, now=now)
            unsure.commit()
            return account_id
        except Refusal as refusal:
            unsure.rollback()
            if refusal.code != "email_taken":
                raise
            known = people.find_by_email(tx, address)
    pretence = tx.begin_nested()
    _make(tx, f"{new_id()}@example.org", password_hash=password_hash, display_name=display_name, now=now)
    pretence.rollback()
    person = people.get(tx, known) if known is not None else None
    if person is not None and person.state != "closed":
        if person.email_verified_at is None:
            send_verification(tx, person.account_id, now=now)
        else:
            send_later(tx, "already_registered", {"account_id": person.account_id}, now=now)
    return None


def send_verification(tx: Connection, account_id: str, *, now: int) -> None:
    """Send the e-mail that confirms an address; an earlier one no longer works."""
    token = mail_tokens.make(tx, account_id, purpose="verify", now=now)
    send_later(tx, "verify_email", {"account_id": account_id, "token": token}, now=now)


def verify_email(tx: Connection, token: str, *, account_id: str, now: int) -> None:
    """Mark the address of `account_id` proven with the `token` that was sent there. Raises Refusal 400 "bad_token".

    Whoever is not signed in may have the mailbox, but did not make the account: somebody else did, with that address.
    """
    if mail_tokens.use(tx, token, purpose="verify", now=now) != account_id:
        raise bad_token()
    people.mark_verified(tx, account_id, now=now)


def forgot(tx: Connection, services: Services, *, email: str, now: int) -> None:
    """Send the e-mail with which a new password is set, if the address has an account; otherwise only work as long."""
    address = people.normal_email(email)
    account_id = people.find_by_email(tx, address)
    person = people.get(tx, account_id) if account_id is not None else None
    if person is not None and person.state != "closed":
        _send_reset(tx, person.account_id, now=now)
        return
    pretence = tx.begin_nested()
    token = mail_tokens.make(tx, None, purpose="reset", now=now)
    send_later(tx, "reset_password", {"to": "nobody@example.org", "token": token}, now=now)
    pretence.rollback()


def reset(tx: Connection, services: Services, *, token: str, password_hash: str, now: int) -> str:
    """Set a new password with the token of that e-mail; all sessions end. Raises Refusal 400 "bad_token".

    The address is proven by it. Check `mail_tokens.owner` before you make the hash.
    """
    account_id = mail_tokens.use(tx, token, purpose="reset", now=now)
    if account_id is None:
        raise bad_token()
    people.set_password(tx, account_id, password_hash)
    people.mark_verified(tx, account_id, now=now)
    mail_tokens.drop(tx, account_id)
    sessions.revoke_all(tx, services, account_id, now=now)
    audit.record(tx, actor=account_id, action="password.reset", target=account_id, detail={}, now=now)
    return account_id


def bad_token() -> Refusal:
    """A link from an e-mail that does not work (any more)."""
    return Refusal(
        400,
        "bad_token",
        title="This link no longer works",
        detail="It works once, for a limited time; ask for a new one.",
    )


def _make(tx: Connection, address: str, *, password_hash: str, display_name: str | None, now: int) -> str:
    account_id = people.create(tx, email=address, password_hash=password_hash, display_name=display_name, now=now)
    send_verification(tx, account_id, now=now)
    return account_id


def _send_reset(tx: Connection, account_id: str, *, now: int) -> None:
    token = mail_tokens.make(tx, account_id, purpose="reset", now=now)
    send_later(tx, "reset_password", {"account_id": account_id, "token": token}, now=now)
