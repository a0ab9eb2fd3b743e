"""The API of signing up, in and out; what is one's own is in `own_routes`, what browsers come to in `oauth_routes`."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.accounts import (
    licences,
    mail_tokens,
    oauth_routes,
    own_routes,
    people,
    promo,
    sessions,
    sign_in,
    token_routes,
    tokens,
)
from outfitswap_desktop.server.accounts.callers import CallerDep, MaybeCallerDep
from outfitswap_desktop.server.accounts.entering import EntranceDep
from outfitswap_desktop.server.accounts.limits import count, limited
from outfitswap_desktop.server.accounts.token_routes import refreshed
from outfitswap_desktop.server.problems import answers
from outfitswap_desktop.server.services import ServicesDep

_SENT = messages.Done(message="If the address can be used, an e-mail is on its way to it.")


def router() -> APIRouter:
    """All routes of the accounts, with their prefixes."""
    routes = APIRouter()
    routes.include_router(_entering())
    routes.include_router(token_routes.router())
    routes.include_router(own_routes.router())
    routes.include_router(oauth_routes.router())

    @routes.get("/.well-known/jwks.json", operation_id="readTokenKeys", tags=["signing in"])
    def read_token_keys(services: ServicesDep) -> messages.PublicKeys:
        """The public keys of the access tokens."""
        return messages.PublicKeys.model_validate(tokens.key_set(services.keys))

    return routes


def _entering() -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["signing in"])

    @routes.post(
        "/auth/register",
        operation_id="register",
        status_code=202,
        responses=answers(),
        dependencies=[limited("register")],
    )
    def register(body: messages.Register, services: ServicesDep) -> messages.Done:
        """Make an account; an e-mail confirms the address. The answer is the same whether the address is known or not."""
        count(services, "register_address", _nameless(people.normal_email(body.email)))
        password_hash = services.accounts.passwords.hash(body.password)
        with services.database.transaction() as tx:
            sign_in.register(
                tx,
                services,
                email=body.email,
                password_hash=password_hash,
                display_name=body.display_name,
                now=services.clock(),
            )
        return _SENT

    @routes.post(
        "/auth/verify-email",
        operation_id="verifyEmail",
        responses=answers(400, 401, 403),
        dependencies=[limited("mail_token")],
    )
    def verify_email(body: messages.Token, caller: CallerDep, at: EntranceDep) -> messages.Done:
        """Confirm the address of who is signed in with the token of the e-mail."""
        with at.services.database.transaction() as tx:
            sign_in.verify_email(tx, body.token, account_id=caller.account_id, now=at.now)
            promo.consider(tx, at.services, caller.account_id, ip=at.ip, now=at.now)
        return messages.Done(message="The address is confirmed.")

    @routes.post(
        "/auth/login",
        operation_id="login",
        responses=answers(400, 401, 403, 409),
        dependencies=[limited("login")],
    )
    def login(body: messages.Login, at: EntranceDep) -> messages.Tokens:
        """Sign in with e-mail and password."""
        count(at.services, "login_account", _nameless(people.normal_email(body.email)))
        with at.services.database.reading() as tx:
            account_id = sign_in.check_password(tx, at.services, email=body.email, password=body.password)
        with at.services.database.transaction() as tx:
            return at.enter(tx, account_id, device=body.device)

    @routes.post("/auth/refresh", operation_id="refresh", responses=answers(401), dependencies=[limited("token")])
    def refresh(body: messages.Token, at: EntranceDep) -> messages.Tokens:
        """New tokens for a refresh token, which works once."""
        return refreshed(at, body.token, device=None)

    @routes.post("/auth/logout", operation_id="logout", status_code=204, responses=answers(401))
    def logout(caller: CallerDep, services: ServicesDep) -> None:
        """End this session."""
        with services.database.transaction() as tx:
            sessions.revoke(tx, services, caller.session_id, account_id=caller.account_id, now=services.clock())

    @routes.post(
        "/auth/password/forgot",
        operation_id="forgotPassword",
        status_code=202,
        responses=answers(),
        dependencies=[limited("forgot")],
    )
    def forgot(body: messages.Forgot, services: ServicesDep) -> messages.Done:
        """Ask for an e-mail to set a new password. The answer is the same whether the address is known or not."""
        count(services, "forgot_address", _nameless(people.normal_email(body.email)))
        with services.database.transaction() as tx:
            sign_in.forgot(tx, services, email=body.email, now=services.clock())
        return _SENT

    @routes.post(
        "/auth/password/reset",
        operation_id="resetPassword",
        responses=answers(400),
        dependencies=[limited("mail_token")],
    )
    def reset(body: messages.Reset, services: ServicesDep) -> messages.Done:
        """Set a new password with the token of that e-mail; all sessions end."""
        now = services.clock()
        with services.database.reading() as tx:
            if mail_tokens.owner(tx, body.token, purpose="reset", now=now) is None:
                raise sign_in.bad_token()
        password_hash = services.accounts.passwords.hash(body.password)
        with services.database.transaction() as tx:
            sign_in.reset(tx, services, token=body.token, password_hash=password_hash, now=now)
        return messages.Done(message="The new password is set; please sign in.")

    @routes.post(
        "/licences/redeem",
        operation_id="redeemLicence",
        responses=answers(400, 401, 403, 404, 409),
        dependencies=[limited("licence")],
    )
    def redeem(body: messages.Redeem, caller: MaybeCallerDep, at: EntranceDep) -> messages.Tokens:
        """Add a licence key to the signed-in account, or sign in with it alone. Sent again it changes nothing."""
        with at.services.database.transaction() as tx:
            mine = None if caller is None else caller.account_id
            account_id = licences.redeem(tx, at.services, body.key, account_id=mine, now=at.now)
            return at.enter(tx, account_id, device=body.device, but=None if caller is None else caller.session_id)

    return routes


def _nameless(address: str) -> str:
    """An e-mail address as rate limits count it: they may lie in another place than the database."""
    return hashlib.sha256(address.encode()).hexdigest()
