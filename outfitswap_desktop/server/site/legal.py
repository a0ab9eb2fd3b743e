"""The legal texts, which whoever runs the server writes, and the site's few files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.site.headers import protect
from outfitswap_desktop.server.site.pages.drawing import icon, style
from outfitswap_desktop.server.site.visit import Page, VisitDep

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "terms": (
        "Terms",
        "Needed: who sells, what a credit is worth and for what it is spent, that unspent bought credits do not expire, "
        "prices and taxes, what happens when a job fails, how an account ends, which law applies.",
    ),
    "withdrawal": (
        "Withdrawal and refunds",
        "Needed: the buyer's right of withdrawal and when it ends for digital content that is used at once, the form for "
        "it, and what happens to credits when a payment goes back.",
    ),
    "privacy": (
        "Privacy",
        "Needed: who is responsible, what is kept (address, sign-ins with a shortened network address, devices, "
        "purchases, postings), why and how long, that Stripe processes payments, and the rights to export and deletion "
        "that the settings offer.",
    ),
    "imprint": (
        "Imprint",
        "Needed: name, postal address and e-mail of whoever runs this server, and what the law of its place adds.",
    ),
}
_WEEK: Final = "public, max-age=604800, immutable"


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=Page, include_in_schema=False)
    routes.get("/legal/{name}")(show_text)
    routes.get("/deleted")(deleted)
    routes.get("/site/icon.svg")(show_icon)
    routes.get("/site/{name}.css")(show_style)
    routes.get("/robots.txt")(robots)
    return routes


def show_text(visit: VisitDep, name: str) -> Response:
    """A legal text from `home`/legal/NAME.txt (paragraphs apart by an empty line), or that it is missing."""
    if name not in TEXTS:
        raise _nothing()
    title, needed = TEXTS[name]
    path = visit.services.settings.home / "legal" / f"{name}.txt"
    try:
        text = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    except FileNotFoundError:
        text = None
    return visit.page("legal.html", title=title, text=text or None, needed=needed, file=f"legal/{name}.txt")


def deleted(visit: VisitDep) -> Response:
    """After a deletion was asked for."""
    return visit.page(
        "message.html",
        title="Your account is being deleted",
        words="In seven days everything that names you is erased. Until then you can sign in and keep it.",
        action=("/", "To the start"),
    )


def show_style(name: str, visit: VisitDep) -> Response:
    """The style sheet; its name changes with it, so browsers may keep it."""
    found, text = style()
    if name != found:
        raise _nothing()
    return _kept(Response(text, media_type="text/css"))


def show_icon() -> Response:
    """The icon."""
    return _kept(Response(icon(), media_type="image/svg+xml"))


def robots() -> Response:
    """Nothing here is for search engines."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


def _kept(response: Response) -> Response:
    response.headers["Cache-Control"] = _WEEK
    protect(response, https=False)
    return response


def _nothing() -> Refusal:
    return Refusal(
        404, "not_found", title="There is no such page", detail="Check the address, or start at the overview."
    )
