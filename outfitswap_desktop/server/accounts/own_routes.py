"""The API of what is one's own: account, devices, sessions, and all data about oneself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.accounts import devices, people, privacy, promo, sessions
from outfitswap_desktop.server.accounts.callers import CallerDep
from outfitswap_desktop.server.accounts.entering import EntranceDep
from outfitswap_desktop.server.accounts.limits import limited
from outfitswap_desktop.server.leases.proofs import check_proof
from outfitswap_desktop.server.problems import Refusal, answers
from outfitswap_desktop.server.services import ServicesDep

Id = Annotated[str, Path(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1")
    routes.include_router(_me())
    routes.include_router(_devices())
    routes.include_router(_sessions())
    return routes


def _me() -> APIRouter:
    routes = APIRouter(tags=["own data"])

    @routes.get("/me", operation_id="readMe", responses=answers(401))
    def read_me(caller: CallerDep, services: ServicesDep) -> messages.Me:
        """Who is signed in."""
        with services.database.reading() as tx:
            person = people.get(tx, caller.account_id)
        if person is None:
            raise Refusal(401, "account_closed", title="This account is closed", detail="Make a new account to go on.")
        return messages.Me(
            account_id=person.account_id,
            email=person.email,
            email_verified=person.email_verified_at is not None,
            display_name=person.display_name,
            state=person.state,
            created_at=person.created_at,
            device_id=caller.device_id,
        )

    @routes.get(
        "/me/export",
        operation_id="exportMe",
        responses=answers(401, 404),
        dependencies=[limited("export", by="caller")],
    )
    def export_me(caller: CallerDep, services: ServicesDep, response: Response) -> dict[str, Any]:
        """Everything that lies here by this account (GDPR, articles 15 and 20)."""
        with services.database.reading() as tx:
            found = privacy.export(tx, caller.account_id)
        response.headers["Content-Disposition"] = 'attachment; filename="outfitswap-export.json"'
        response.headers["Cache-Control"] = "no-store"
        return found

    @routes.delete("/me", operation_id="deleteMe", status_code=202, responses=answers(401, 404))
    def delete_me(caller: CallerDep, services: ServicesDep) -> messages.Closing:
        """Close the account; it is erased after seven days, in which its owner can undo that on the site (GDPR, article 17)."""
        with services.database.transaction() as tx:
            closes_at = privacy.delete_account(tx, services, caller.account_id, now=services.clock())
        return messages.Closing(closes_at=closes_at)

    return routes


def _devices() -> APIRouter:
    routes = APIRouter(prefix="/devices", tags=["devices and sessions"])

    @routes.post(
        "",
        operation_id="addDevice",
        status_code=201,
        responses=answers(400, 401, 409),
        dependencies=[limited("account")],
    )
    def add_device(body: messages.AddDevice, caller: CallerDep, at: EntranceDep) -> messages.Device:
        """Bind this session to the device that proves itself; the next access token says so."""
        services, now = at.services, at.now
        with services.database.transaction() as tx:
            proof = check_proof(tx, body.device, purpose="sign-in", now=now)
            device_id = devices.attach(tx, services, caller.account_id, proof=proof, now=now)
            this = sessions.bind(tx, services, caller.session_id, device_id=device_id)
            promo.consider(tx, services, caller.account_id, ip=at.ip, now=now)
            return devices.get(tx, caller.account_id, device_id, this=this)

    @routes.get("", operation_id="listDevices", responses=answers(401))
    def list_devices(caller: CallerDep, services: ServicesDep) -> messages.Devices:
        """All machines of the account."""
        with services.database.reading() as tx:
            return devices.listed(tx, services, caller.account_id, this=caller.device_id)

    @routes.get("/{device_id}", operation_id="readDevice", responses=answers(401, 404))
    def read_device(device_id: Id, caller: CallerDep, services: ServicesDep) -> messages.Device:
        """One machine."""
        with services.database.reading() as tx:
            return devices.get(tx, caller.account_id, device_id, this=caller.device_id)

    @routes.patch("/{device_id}", operation_id="renameDevice", responses=answers(401, 404))
    def rename_device(
        device_id: Id, body: messages.Rename, caller: CallerDep, services: ServicesDep
    ) -> messages.Device:
        """Give it another name."""
        with services.database.transaction() as tx:
            devices.rename(tx, caller.account_id, device_id, label=body.label)
            return devices.get(tx, caller.account_id, device_id, this=caller.device_id)

    @routes.delete("/{device_id}", operation_id="revokeDevice", status_code=204, responses=answers(401, 404))
    def revoke_device(device_id: Id, caller: CallerDep, services: ServicesDep) -> None:
        """Sign it out and free its place."""
        with services.database.transaction() as tx:
            devices.revoke(tx, services, caller.account_id, device_id=device_id, now=services.clock())

    return routes


def _sessions() -> APIRouter:
    routes = APIRouter(prefix="/sessions", tags=["devices and sessions"])

    @routes.get("", operation_id="listSessions", responses=answers(401))
    def list_sessions(caller: CallerDep, services: ServicesDep) -> messages.Sessions:
        """All open sessions: browsers and machines."""
        with services.database.reading() as tx:
            found = sessions.listed(tx, caller.account_id, this=caller.session_id, now=services.clock())
        return messages.Sessions(sessions=found)

    @routes.delete("", operation_id="endOtherSessions", status_code=204, responses=answers(401))
    def end_others(caller: CallerDep, services: ServicesDep) -> None:
        """End all sessions but this one."""
        with services.database.transaction() as tx:
            sessions.revoke_all(tx, services, caller.account_id, but=caller.session_id, now=services.clock())

    @routes.delete("/{session_id}", operation_id="endSession", status_code=204, responses=answers(401, 404))
    def end_session(session_id: Id, caller: CallerDep, services: ServicesDep) -> None:
        """End one."""
        with services.database.transaction() as tx:
            if not sessions.revoke(tx, services, session_id, account_id=caller.account_id, now=services.clock()):
                raise Refusal(404, "unknown_session", title="No such session", detail="It may have ended by itself.")

    return routes
