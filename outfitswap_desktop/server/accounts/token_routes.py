"""The token endpoint: what a program gets for a code from the browser, for a device code, or for a refresh token."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.accounts import device_codes, grants, sessions
from outfitswap_desktop.server.accounts.entering import Entrance, EntranceDep
from outfitswap_desktop.server.accounts.limits import limited
from outfitswap_desktop.server.leases.proofs import check_proof
from outfitswap_desktop.server.problems import Refusal, answers
from outfitswap_desktop.server.services import ServicesDep

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
Text = Annotated[str, StringConstraints(max_length=200)]


class TokenForm(BaseModel):
    """RFC 6749's form. `device` is a proof of wire.device for the purpose "sign-in": needed to sign in, welcome to refresh."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    grant_type: Text
    client_id: Text | None = None
    code: Text | None = None
    redirect_uri: Text | None = None
    code_verifier: Text | None = None
    device_code: Text | None = None
    refresh_token: Text | None = None
    device: messages.Blob | None = None


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["signing in"])

    @routes.post(
        "/device/code",
        operation_id="startDeviceCode",
        responses=answers(),
        dependencies=[limited("device_code")],
    )
    def device_code(
        services: ServicesDep, client: Annotated[str, Form(max_length=80)] = "OutfitSwap Desktop"
    ) -> messages.DeviceCode:
        """A short code to enter in a browser on another machine (RFC 8628). `client`: what the page there shows, a label."""
        with services.database.transaction() as tx:
            return device_codes.start(tx, services, client=client, now=services.clock())

    @routes.post(
        "/token",
        operation_id="token",
        responses=answers(400, 401, 403, 409),
        dependencies=[limited("token")],
    )
    def token(at: EntranceDep, form: Annotated[TokenForm, Form()]) -> messages.Tokens:
        """Tokens for an authorization code with PKCE, a device code or a refresh token (RFC 6749, 7636, 8628)."""
        if form.grant_type == "refresh_token":
            return refreshed(at, _needed(form.refresh_token, "refresh_token"), device=form.device)
        if form.grant_type not in {"authorization_code", DEVICE_CODE}:
            raise grants.GrantRefusal(
                400, "unsupported_grant_type", title="Not a way to sign in", detail="This grant_type is not known."
            )
        device = _needed(form.device, "device")
        with at.services.database.transaction() as tx:
            answer = _by_code(tx, at, form, device=device)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    return routes


def refreshed(at: Entrance, refresh_token: str, *, device: str | None) -> messages.Tokens:
    """New tokens for a refresh token; `device` is the device's proof, if it sent one. Raises Refusal 400, 401."""
    with at.services.database.transaction() as tx:
        proof = None if device is None else check_proof(tx, device, purpose="sign-in", now=at.now)
        answer = sessions.refresh(
            tx,
            at.services,
            refresh_token,
            device_key=None if proof is None else proof.public_key,
            agent=at.agent,
            ip=at.ip,
            now=at.now,
        )
    if isinstance(answer, Refusal):
        raise answer
    return answer


def _by_code(tx: Connection, at: Entrance, form: TokenForm, *, device: str) -> messages.Tokens | Refusal:
    if form.grant_type == "authorization_code":
        code = _needed(form.code, "code")
        found = grants.redeem_code(
            tx,
            at.services,
            code=code,
            verifier=_needed(form.code_verifier, "code_verifier"),
            redirect_uri=_needed(form.redirect_uri, "redirect_uri"),
            now=at.now,
        )
        if isinstance(found, Refusal):
            return found
        tokens = at.enter(tx, found, device=device)
        grants.remember_session(tx, code=code, refresh_token=tokens.refresh_token)
        return tokens
    found = device_codes.poll(tx, _needed(form.device_code, "device_code"), now=at.now)
    return found if isinstance(found, Refusal) else at.enter(tx, found, device=device)


def _needed(text: str | None, name: str) -> str:
    if not text:
        raise grants.GrantRefusal(
            400, "invalid_request", title="The request is not complete", detail=f"The field {name} is missing."
        )
    return text
