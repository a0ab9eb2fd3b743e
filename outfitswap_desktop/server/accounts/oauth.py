"""Signing in with Google or any OpenID Connect provider: off with state, nonce and PKCE, and back to an account."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from outfitswap_desktop.server.accounts import mail_tokens, people, sessions, sign_in
from outfitswap_desktop.server.accounts.oauth_states import Left, come_back, leave
from outfitswap_desktop.server.accounts.providers import Provider, providers
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.operations import audit
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import account_pii, oauth_identities


@dataclass(frozen=True, slots=True)
class Signed:
    """Who came back, and where they wanted to go (a path of the site)."""

    account_id: str
    onward: str


def start(services: Services, name: str, *, onward: str, now: int) -> tuple[str, str]:
    """Where to send the browser, and the secret that it must bring back in a cookie.

    Raises Refusal 404 "unknown_provider", 502 "provider_unreachable".
    """
    provider = _provider(services, name)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    url = services.oauth.authorization_url(
        provider,
        redirect_uri=callback_url(services.settings, name),
        state=state,
        nonce=nonce,
        code_verifier=verifier,
    )
    with services.database.transaction() as tx:
        browser = leave(tx, provider=name, state=state, left=Left(nonce, verifier, local(onward)), now=now)
    return url, browser


def finish(services: Services, name: str, *, state: str, code: str, browser: str, now: int) -> Signed:
    """Who came back from the provider. Raises Refusal 400 "oauth_expired" (a state that is unknown, used, too old or another
    browser's), 400 "oauth_failed", 409 "email_taken", 502 "provider_unreachable".
    """
    provider = _provider(services, name)
    with services.database.transaction() as tx:
        left = come_back(tx, provider=name, state=state, browser=browser, now=now)
    if left is None:
        raise Refusal(
            400, "oauth_expired", title="Signing in took too long", detail="Please start again from the sign-in page."
        )
    said = services.oauth.claims(
        provider,
        redirect_uri=callback_url(services.settings, name),
        code=code,
        nonce=left.nonce,
        code_verifier=left.verifier,
    )
    with services.database.transaction() as tx:
        return Signed(account_of(tx, services, name, said, now=now), left.onward)


def account_of(tx: Connection, services: Services, provider: str, said: Mapping[str, Any], *, now: int) -> str:
    """The account of an identity, made or linked when it is new.

    An existing account is linked only to an address that the provider has proven; if it was never proven here, whoever made
    it is put out first: its password, its sessions and other identities end. Raises Refusal 400 "no_email", 409 "email_taken".
    """
    subject = str(said["sub"])
    known = tx.execute(
        select(oauth_identities.c.account_id).where(
            oauth_identities.c.provider == provider, oauth_identities.c.subject == subject
        )
    ).scalar_one_or_none()
    if known is not None:
        return str(known)
    address = people.normal_email(str(said["email"])) if said.get("email") else None
    if address is None:
        raise Refusal(
            400,
            "no_email",
            title="No e-mail address",
            detail="Allow the e-mail address to be passed on, and try again.",
        )
    proven = said.get("email_verified") is True
    account_id = people.find_by_email(tx, address)
    if account_id is None:
        name = said.get("name")
        account_id = people.create(
            tx, email=address, display_name=str(name)[:80] if name else None, verified=proven, now=now
        )
        if not proven:
            sign_in.send_verification(tx, account_id, now=now)
    elif not proven:
        raise Refusal(
            409,
            "email_taken",
            title="This address has an account",
            detail="Sign in with its password; the provider has not confirmed that the address is yours.",
        )
    else:
        _claim(tx, services, account_id, now=now)
    insert_new = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    tx.execute(
        insert_new(oauth_identities)
        .values(provider=provider, subject=subject, account_id=account_id)
        .on_conflict_do_nothing()
    )
    audit.record(tx, actor=account_id, action="oauth.link", target=account_id, detail={"provider": provider}, now=now)
    return account_id


def callback_url(settings: Settings, name: str) -> str:
    """What is registered with the provider as the address to come back to."""
    return f"{settings.public_url}/v1/auth/oauth/{name}/callback"


def local(path: str) -> str:
    """`path` when it is one of this site, else "/"."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and len(path) <= 500
    return path if fine and all(32 < ord(letter) < 127 and letter != "\\" for letter in path) else "/"


def _provider(services: Services, name: str) -> Provider:
    for each in providers(services.settings):
        if each.name == name:
            return each
    raise Refusal(404, "unknown_provider", title="No such provider", detail="Choose another way to sign in.")


def _claim(tx: Connection, services: Services, account_id: str, *, now: int) -> None:
    if not people.mark_verified(tx, account_id, now=now):
        return
    tx.execute(update(account_pii).where(account_pii.c.account_id == account_id).values(password_hash=None))
    tx.execute(delete(oauth_identities).where(oauth_identities.c.account_id == account_id))
    mail_tokens.drop(tx, account_id)
    sessions.revoke_all(tx, services, account_id, now=now)
