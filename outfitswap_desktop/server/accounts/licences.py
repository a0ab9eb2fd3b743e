"""Licence keys: credits on paper. The server keeps only what a key hashes to, so nobody can read keys out of its database."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, insert, select, update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts import people
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import licences

LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32 (https://www.crockford.com/base32.html); 20 of them are 100 random bits."""
_LENGTH: Final = 20
_PREFIX: Final = "OSW1"
_MISREAD: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_key() -> str:
    """A key as it is printed: OSW1-XXXXX-XXXXX-XXXXX-XXXXX-C, C being Luhn's check character (mod 32)."""
    body = "".join(secrets.choice(LETTERS) for _ in range(_LENGTH))
    groups = "-".join(body[start : start + 5] for start in range(0, _LENGTH, 5))
    return f"{_PREFIX}-{groups}-{check_character(body)}"


def check_character(body: str) -> str:
    """Luhn mod N over 32 letters: finds every single wrong character and nearly every swapped pair.

    https://en.wikipedia.org/wiki/Luhn_mod_N_algorithm
    """
    total = 0
    for place, letter in enumerate(reversed(body)):
        value = LETTERS.index(letter) * (2 if place % 2 == 0 else 1)
        total += value // 32 + value % 32
    return LETTERS[-total % 32]


def normal(key: str) -> str | None:
    """The one form of a key, however it was typed; None for what cannot be one (a typing error is found here)."""
    text = "".join(letter for letter in key.upper() if letter.isalnum())
    if not text.startswith(_PREFIX):
        return None
    text = text[len(_PREFIX) :].translate(_MISREAD)
    if len(text) != _LENGTH + 1 or any(letter not in LETTERS for letter in text):
        return None
    body = text[:-1]
    return body if check_character(body) == text[-1] else None


def issue(
    tx: Connection,
    services: Services,
    *,
    count: int,
    credits: int,
    now: int,
    max_devices: int | None = None,
    valid_until: int | None = None,
) -> Sequence[str]:
    """New keys, to be given out now: they cannot be shown again."""
    keys = [new_key() for _ in range(count)]
    for key in keys:
        body = normal(key)
        assert body is not None
        tx.execute(
            insert(licences).values(
                id=new_id(),
                key_prefix=body[:5],
                key_hash=_hash(services, body),
                credits=credits,
                max_devices=services.settings.max_devices if max_devices is None else max_devices,
                valid_until=valid_until,
                state="issued",
                issued_at=now,
            )
        )
    return keys


def redeem(tx: Connection, services: Services, key: str, *, account_id: str | None, now: int) -> str:
    """Turn a key into its credits; returns the account that has them now.

    For `account_id`, or, without one, for a new account that this key alone opens: it opens it again later. A key that was
    redeemed gives nothing a second time. Raises Refusal 404 "unknown_licence" (the same for a typing error, an unknown, a
    revoked and an outdated key), 409 "licence_used".
    """
    from outfitswap_desktop.server.ledger import credits

    body = normal(key)
    row = None
    if body is not None:
        row = tx.execute(select(licences).where(licences.c.key_hash == _hash(services, body)).with_for_update()).first()
    if row is None or row.state == "revoked":
        raise _unknown()
    if row.state == "redeemed":
        return _again(tx, row.account_id, account_id)
    if row.valid_until is not None and row.valid_until <= now:
        raise _unknown()
    owner = account_id if account_id is not None else people.create(tx, email=None, now=now)
    tx.execute(
        update(licences).where(licences.c.id == row.id).values(account_id=owner, state="redeemed", redeemed_at=now)
    )
    if row.credits:
        credits.give(
            tx,
            owner,
            bucket="paid",
            credits=row.credits,
            kind="licence",
            ref=row.id,
            actor=owner,
            now=now,
            memo=f"{_PREFIX}-{row.key_prefix}",
        )
    return owner


def revoke(tx: Connection, licence_id: str) -> bool:
    """Make an unused key worthless; False when it is used or unknown."""
    row = tx.execute(
        update(licences)
        .where(licences.c.id == licence_id, licences.c.state == "issued")
        .values(state="revoked")
        .returning(licences.c.id)
    ).first()
    return row is not None


def find(tx: Connection, prefix: str) -> Sequence[str]:
    """Ids of the keys whose first group is `prefix` ("OSW1-" before it or not): for support."""
    text = prefix.upper().removeprefix(f"{_PREFIX}-")[:5]
    return (
        tx.execute(select(licences.c.id).where(licences.c.key_prefix == text).order_by(licences.c.id)).scalars().all()
    )


def _again(tx: Connection, owner: str, account_id: str | None) -> str:
    person = people.get(tx, owner)
    alone = person is not None and person.email is None and person.state != "closed"
    if account_id == owner or (account_id is None and alone):
        return owner
    raise Refusal(
        409,
        "licence_used",
        title="This licence key was redeemed before",
        detail="Sign in to the account that redeemed it; its credits are there.",
    )


def _hash(services: Services, body: str) -> str:
    return services.accounts.derive("licence", body).hex()


def _unknown() -> Refusal:
    return Refusal(
        404,
        "unknown_licence",
        title="This licence key is not known",
        detail="Please compare it with the one you received, character by character.",
    )
