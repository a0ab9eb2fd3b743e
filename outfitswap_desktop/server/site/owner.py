"""What an owner decides: devices, sign-ins, name, licence keys, export, deletion."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form, Response

from outfitswap_desktop.server.accounts import devices, licences, people, privacy, sessions, sign_in
from outfitswap_desktop.server.accounts.limits import count, limited
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.site.entry import send_reset
from outfitswap_desktop.server.site.headers import protect
from outfitswap_desktop.server.site.visit import ChangingDep, Page, PostedDep, SignedDep, Visit

Words = Annotated[str, Form(max_length=2000)]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=Page, include_in_schema=False)
    routes.get("/devices")(show_devices)
    routes.get("/sessions")(to_devices)
    routes.post("/devices/{device_id}/rename")(rename_device)
    routes.post("/devices/{device_id}/remove")(remove_device)
    routes.post("/sessions/end-others")(end_others)
    routes.post("/sessions/{session_id}/end")(end_session)
    routes.get("/settings")(show_settings)
    routes.post("/settings/name")(set_name)
    routes.post("/settings/password", dependencies=[limited("forgot")])(ask_reset)
    routes.post("/redeem", dependencies=[limited("licence")])(redeem)
    routes.post("/export", dependencies=[limited("export")])(export)
    routes.post("/delete")(delete)
    routes.post("/delete/undo")(undo)
    return routes


def show_devices(visit: SignedDep) -> Response:
    """Devices, and everything that is signed in."""
    with visit.services.database.reading() as tx:
        mine = devices.listed(tx, visit.services, visit.account_id, this=None)
        signed_in = sessions.listed(tx, visit.account_id, this=visit.signed_in().caller.session_id, now=visit.now)
    labels = {device.id: f"{device.label} (the program)" for device in mine.devices}
    return visit.page("devices.html", devices=mine, sessions=signed_in, labels=labels)


def to_devices(visit: SignedDep) -> Response:
    """Sign-ins are shown there."""
    return visit.go("/devices#sessions")


def rename_device(visit: ChangingDep, device_id: str, label: Words = "") -> Response:
    """Another name for a device."""
    words = " ".join(label.split())[:80]
    if words:
        with visit.services.database.transaction() as tx:
            devices.rename(tx, visit.account_id, device_id, label=words)
    return visit.go("/devices", done="device-renamed" if words else "")


def remove_device(visit: ChangingDep, device_id: str) -> Response:
    """Sign a device out and free its place."""
    with visit.services.database.transaction() as tx:
        devices.revoke(tx, visit.services, visit.account_id, device_id=device_id, now=visit.now)
    return visit.go("/devices", done="device-removed")


def end_session(visit: PostedDep, session_id: str) -> Response:
    """End one sign-in."""
    mine = visit.account_id
    with visit.services.database.transaction() as tx:
        if not sessions.revoke(tx, visit.services, session_id, account_id=mine, now=visit.now):
            raise Refusal(404, "unknown_session", title="No such sign-in", detail="It has ended already.")
    return visit.go("/devices", done="session-ended")


def end_others(visit: PostedDep) -> Response:
    """End every sign-in but this one."""
    mine = visit.signed_in().caller
    with visit.services.database.transaction() as tx:
        sessions.revoke_all(tx, visit.services, mine.account_id, but=mine.session_id, now=visit.now)
    return visit.go("/devices", done="sessions-ended")


def show_settings(visit: SignedDep) -> Response:
    """The settings."""
    return visit.page("settings.html")


def set_name(visit: ChangingDep, display_name: Words = "") -> Response:
    """Set or clear the name."""
    words = " ".join(display_name.split())[:80]
    with visit.services.database.transaction() as tx:
        people.rename(tx, visit.account_id, words or None)
    return visit.go("/settings", done="name")


def ask_reset(visit: ChangingDep) -> Response:
    """Send the link for a new password."""
    send_reset(visit)
    return visit.go("/settings", done="mail-sent")


def redeem(visit: ChangingDep, key: Words = "") -> Response:
    """Add a licence key's credits."""
    try:
        with visit.services.database.transaction() as tx:
            before = credits.balance(tx, visit.account_id, now=visit.now)
            licences.redeem(tx, visit.services, key, account_id=visit.account_id, now=visit.now)
            after = credits.balance(tx, visit.account_id, now=visit.now)
    except Refusal as refusal:
        return _settings(visit, refusal)
    added = (after.available, after.debt) != (before.available, before.debt)
    return visit.go("/account", done="key" if added else "key-known")


def export(visit: PostedDep) -> Response:
    """Everything that belongs to the account, as a JSON file."""
    mine = visit.account_id
    with visit.services.database.reading() as tx:
        text = json.dumps(privacy.export(tx, mine), indent=2, ensure_ascii=False)
    response = Response(text, media_type="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="outfitswap-account.json"'
    protect(response, https=False)
    return response


def delete(visit: PostedDep, password: Words = "", confirm: Words = "") -> Response:
    """Close the account; its password (or a word, where it has none) is asked for once more."""
    mine, person, services = visit.account_id, visit.person, visit.services
    try:
        if person is not None and person.has_password and person.email is not None:
            count(services, "login_account", person.email)
            with services.database.reading() as tx:
                sign_in.check_password(tx, services, email=person.email, password=password[:200])
        elif confirm.strip().upper() != "DELETE":
            raise Refusal(422, "not_confirmed", title="Not deleted", detail="Type the word DELETE to confirm.")
    except Refusal as refusal:
        detail = "This is not your password." if refusal.code == "wrong_password" else refusal.detail
        return _settings(
            visit, Refusal(403, refusal.code, title=refusal.title, detail=f"Nothing was deleted. {detail}")
        )
    with services.database.transaction() as tx:
        privacy.delete_account(tx, services, mine, now=visit.now)
    return visit.farewell("/deleted")


def undo(visit: PostedDep) -> Response:
    """Keep the account after all."""
    mine = visit.account_id
    with visit.services.database.transaction() as tx:
        privacy.undo(tx, mine, now=visit.now)
    return visit.go("/account", done="undone")


def _settings(visit: Visit, refusal: Refusal) -> Response:
    return visit.page("settings.html", status=refusal.status, wrong=refusal.detail)
