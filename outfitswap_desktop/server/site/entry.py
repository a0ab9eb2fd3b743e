"""Signing in and out, making an account, confirming an address, and setting a new password."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Response

from outfitswap_desktop.server.accounts import mail_tokens, people, promo, sessions, sign_in
from outfitswap_desktop.server.accounts.limits import count, limited
from outfitswap_desktop.server.accounts.providers import providers
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.site.visit import Page, PostedDep, SignedDep, Visit, VisitDep, here

SHORTEST: Final = 10
LONGEST: Final = 200
"""Letters of a password (wire.messages.Password)."""
Words = Annotated[str, Form(max_length=2000)]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=Page, include_in_schema=False)
    routes.get("/sign-in")(show_sign_in)
    routes.post("/sign-in", dependencies=[limited("login")])(enter)
    routes.post("/sign-out")(leave)
    routes.get("/register")(show_register)
    routes.post("/register", dependencies=[limited("register")])(register)
    routes.get("/verify")(show_verify)
    routes.post("/verify", dependencies=[limited("mail_token")])(verify)
    routes.post("/verify/again", dependencies=[limited("forgot")])(verify_again)
    routes.get("/forgot")(show_forgot)
    routes.post("/forgot", dependencies=[limited("forgot")])(forgot)
    routes.get("/reset")(show_reset)
    routes.post("/reset", dependencies=[limited("mail_token")])(reset)
    return routes


def start(visit: Visit, account_id: str, *, path: str) -> Response:
    """Open a session of the site for an account that has shown who it is, and lead on to `path`."""
    services = visit.services
    with services.database.transaction() as tx:
        if visit.session is not None:
            old = visit.session.caller
            sessions.revoke(tx, services, old.session_id, account_id=old.account_id, now=visit.now)
        session_id = sessions.open_for_site(tx, services, account_id, agent=visit.agent, ip=visit.ip, now=visit.now)
    return visit.welcome(session_id, path)


def show_sign_in(visit: VisitDep, next: Annotated[str, Query(max_length=2000)] = "") -> Response:
    """The form; who is signed in goes straight on."""
    if visit.session is not None:
        return visit.go(here(next, otherwise="/account"))
    return _sign_in_page(visit, email="", next=next)


def enter(visit: PostedDep, email: Words = "", password: Words = "", next: Words = "") -> Response:
    """Sign in."""
    services = visit.services
    try:
        count(services, "login_account", people.normal_email(email))
        with services.database.reading() as tx:
            account_id = sign_in.check_password(tx, services, email=email, password=password[:LONGEST])
    except Refusal as refusal:
        return _sign_in_page(visit, email=email, next=next, refusal=refusal)
    return start(visit, account_id, path=here(next, otherwise="/account"))


def leave(visit: PostedDep, next: Words = "") -> Response:
    """Sign out."""
    if visit.session is not None:
        mine = visit.session.caller
        with visit.services.database.transaction() as tx:
            sessions.revoke(tx, visit.services, mine.session_id, account_id=mine.account_id, now=visit.now)
    return visit.farewell(here(next, otherwise="/"), done="" if next else "signed-out")


def show_register(visit: VisitDep, next: Annotated[str, Query(max_length=2000)] = "") -> Response:
    """The form."""
    return _register_page(visit, next=next)


def register(
    visit: PostedDep,
    email: Words = "",
    password: Words = "",
    display_name: Words = "",
    next: Words = "",
) -> Response:
    """Make the account; the page after it is the same whether the address was known or not."""
    services = visit.services
    name = display_name.strip()[:80] or None
    try:
        _acceptable(password)
        address = people.normal_email(email)
        count(services, "register_address", address)
        kept = services.accounts.passwords.hash(password)
        with services.database.transaction() as tx:
            sign_in.register(tx, services, email=address, password_hash=kept, display_name=name, now=visit.now)
    except Refusal as refusal:
        return _register_page(visit, email=email, display_name=display_name, next=next, refusal=refusal)
    target = here(next, otherwise="")
    return visit.page(
        "message.html",
        title="Look into your mailbox",
        words=f"We have sent an e-mail to {address}. Its link confirms your address; you can sign in already now.",
        action=(f"/sign-in?next={quote(target, safe='')}" if target else "/sign-in", "Sign in"),
    )


def show_verify(visit: VisitDep, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """A button, because programs that look through e-mails open links too; for who is signed in to that account."""
    with visit.services.database.reading() as tx:
        owner = mail_tokens.owner(tx, token, purpose="verify", now=visit.now)
    if owner is None:
        raise sign_in.bad_token()
    if owner != visit.account_id:
        raise Refusal(
            403,
            "other_account",
            title="This link belongs to another account",
            detail="Sign out, then open it again and sign in with the address it was sent to.",
        )
    return visit.page("verify.html", token=token)


def verify(visit: PostedDep, token: Words = "") -> Response:
    """Confirm the address."""
    account_id = visit.account_id
    with visit.services.database.transaction() as tx:
        sign_in.verify_email(tx, token, account_id=account_id, now=visit.now)
        promo.consider(tx, visit.services, account_id, ip=visit.ip, now=visit.now)
    return visit.go("/account", done="verified")


def verify_again(visit: PostedDep) -> Response:
    """Send that e-mail once more."""
    account_id = visit.account_id
    if visit.person is not None and visit.person.email is not None and visit.person.email_verified_at is None:
        with visit.services.database.transaction() as tx:
            sign_in.send_verification(tx, account_id, now=visit.now)
    return visit.go("/account", done="mail-sent")


def show_forgot(visit: VisitDep) -> Response:
    """The form."""
    return visit.page("forgot.html")


def forgot(visit: PostedDep, email: Words = "") -> Response:
    """Send the e-mail, if the address has an account; the page after it does not tell."""
    services = visit.services
    try:
        address = people.normal_email(email)
        count(services, "forgot_address", address)
        with services.database.transaction() as tx:
            sign_in.forgot(tx, services, email=address, now=visit.now)
    except Refusal as refusal:
        return visit.page("forgot.html", status=refusal.status, wrong=refusal.detail)
    return visit.page(
        "message.html",
        title="Look into your mailbox",
        words=f"If {address} has an account, an e-mail with a link is on its way. The link works for an hour.",
        action=None,
    )


def show_reset(visit: VisitDep, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The form."""
    with visit.services.database.reading() as tx:
        if mail_tokens.owner(tx, token, purpose="reset", now=visit.now) is None:
            raise sign_in.bad_token()
    return visit.page("reset.html", token=token)


def reset(visit: PostedDep, token: Words = "", password: Words = "") -> Response:
    """Set the new password; all sessions end."""
    services = visit.services
    with services.database.reading() as tx:
        if mail_tokens.owner(tx, token, purpose="reset", now=visit.now) is None:
            raise sign_in.bad_token()
    try:
        _acceptable(password)
    except Refusal as refusal:
        return visit.page("reset.html", status=refusal.status, wrong=refusal.detail, token=token)
    kept = services.accounts.passwords.hash(password)
    with services.database.transaction() as tx:
        sign_in.reset(tx, services, token=token, password_hash=kept, now=visit.now)
    return visit.farewell("/sign-in", done="password")


def send_reset(visit: SignedDep) -> None:
    """Send the link with which the one who is signed in sets a new password."""
    if visit.person is not None and visit.person.email is not None:
        with visit.services.database.transaction() as tx:
            sign_in.forgot(tx, visit.services, email=visit.person.email, now=visit.now)


def _acceptable(password: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refusal(
            422,
            "weak_password",
            title="This password cannot be used",
            detail=f"Choose a password of at least {SHORTEST} characters (at most {LONGEST}).",
        )


def _sign_in_page(visit: Visit, *, email: str, next: str, refusal: Refusal | None = None) -> Response:
    return _form_page(visit, "sign_in.html", refusal, email=email, next=here(next, otherwise=""))


def _register_page(
    visit: Visit,
    *,
    email: str = "",
    display_name: str = "",
    next: str = "",
    refusal: Refusal | None = None,
) -> Response:
    return _form_page(
        visit, "register.html", refusal, email=email, display_name=display_name, next=here(next, otherwise="")
    )


def _form_page(visit: Visit, template: str, refusal: Refusal | None, **values: str) -> Response:
    response = visit.page(
        template,
        status=200 if refusal is None else refusal.status,
        wrong=None if refusal is None else refusal.detail,
        providers=providers(visit.services.settings),
        **values,
    )
    if refusal is not None and "Retry-After" in refusal.headers:
        response.headers["Retry-After"] = refusal.headers["Retry-After"]
    return response
