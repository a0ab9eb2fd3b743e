"""Letting a program in: by the browser on the same machine (RFC 8252), or by a code that it shows (RFC 8628)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Response

from outfitswap_desktop.server.accounts import device_codes, grants
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.site.visit import ChangingDep, Page, SignedDep, VisitDep

Told = Annotated[str, Form(max_length=400)]


@dataclass(frozen=True, slots=True)
class Question:
    """What a program asks for, as it came."""

    response_type: Annotated[str, Query(max_length=400)] = ""
    client_id: Annotated[str, Query(max_length=400)] = ""
    redirect_uri: Annotated[str, Query(max_length=400)] = ""
    state: Annotated[str, Query(max_length=400)] = ""
    code_challenge: Annotated[str, Query(max_length=400)] = ""
    code_challenge_method: Annotated[str, Query(max_length=400)] = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The same, as our page sent it back, with the answer."""

    response_type: Told = ""
    client_id: Told = ""
    redirect_uri: Told = ""
    state: Told = ""
    code_challenge: Told = ""
    code_challenge_method: Told = ""
    answer: Told = ""


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=Page, include_in_schema=False)
    routes.get("/authorize")(ask)
    routes.post("/authorize")(decide)
    routes.get("/device")(show_code)
    routes.post("/device/approve")(decide_code)
    return routes


def ask(visit: VisitDep, question: Annotated[Question, Depends()]) -> Response:
    """What a program asks for, shown to who is signed in. A question that is not in order is refused before any sign-in."""
    hidden = asdict(question)
    asked = grants.start_authorization(**hidden)
    visit.may_look()
    again = f"/authorize?{urlencode(hidden)}"
    return visit.page("authorize.html", form_target=_origin(asked), hidden=hidden, again=again)


def decide(visit: ChangingDep, answered: Annotated[Answered, Depends()]) -> Response:
    """Send the browser on to the program, with a code or with a no."""
    question = asdict(answered)
    answer = question.pop("answer")
    asked = grants.start_authorization(**question)
    if answer != "yes":
        return visit.go(grants.deny(asked))
    with visit.services.database.transaction() as tx:
        there = grants.approve(tx, asked, visit.account_id, now=visit.now)
    return visit.go(there)


def show_code(
    visit: SignedDep,
    code: Annotated[str, Query(max_length=40)] = "",
    user_code: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Ask for the code, then whether it is the one that the program shows."""
    typed = user_code or code
    if not typed:
        return visit.page("device_code.html", code=None, typed="", client="")
    found = _waiting(visit, typed)
    if found is None:
        return visit.page(
            "device_code.html", status=404, code=None, typed=typed, client="", wrong="No program waits with this code."
        )
    return visit.page("device_code.html", code=found.user_code, typed=typed, client=found.client)


def decide_code(visit: ChangingDep, code: Told = "", answer: Told = "") -> Response:
    """Let the program in that shows the code, or send it away."""
    found = _waiting(visit, code)
    with visit.services.database.transaction() as tx:
        if found is None:
            decided = False
        elif answer == "yes":
            decided = device_codes.approve(tx, found.user_code, visit.account_id, now=visit.now)
        else:
            decided = device_codes.deny(tx, found.user_code, now=visit.now)
    if not decided:
        raise Refusal(
            404,
            "unknown_code",
            title="No program waits with this code",
            detail="Have it show a new one and enter that.",
        )
    if answer != "yes":
        return visit.page("message.html", title="Sent away", words="The program was not signed in.", action=None)
    return visit.page(
        "message.html",
        title="The program is signed in",
        words="Go back to it; it goes on within seconds. You can close this page.",
        action=("/devices", "Your devices"),
    )


def _waiting(visit: SignedDep, code: str) -> device_codes.Waiting | None:
    with visit.services.database.reading() as tx:
        return device_codes.find(tx, visit.services, code, account_id=visit.account_id, now=visit.now)


def _origin(asked: grants.Authorization) -> str:
    """Where the form's answer leads, for the browser's form-action. It has no way to name [::1] but by scheme."""
    return "http:" if "[" in asked.redirect_uri else asked.redirect_uri.removesuffix(grants.CALLBACK_PATH)
