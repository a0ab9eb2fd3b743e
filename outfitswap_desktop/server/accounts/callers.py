"""Who asks: the dependency of every route for which one must be signed in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from outfitswap_desktop.server.accounts import sessions
from outfitswap_desktop.server.accounts.opened import digest
from outfitswap_desktop.server.accounts.seen import Caller
from outfitswap_desktop.server.operations.requests import template
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services, ServicesDep

__all__ = ["Caller", "CallerDep", "MaybeCallerDep", "caller", "maybe_caller", "seen_just_now"]

_LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STILL_ALLOWED: Final = frozenset({
    ("POST", "/v1/auth/logout"),
    ("DELETE", "/v1/me"),
    ("POST", "/v1/reservations/{id}/commit"),
    ("POST", "/v1/reservations/{id}/void"),
    ("POST", "/v1/leases/{lease_id}/reconcile"),
    ("POST", "/v1/leases/{lease_id}/close"),
    ("POST", "/v1/offline/receipts"),
})  # fmt: skip
"""What a frozen account may do beside looking: leave, and settle what it has begun, which would be used and not paid else."""
_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="The access token of POST /v1/auth/login and its like."
)


def seen_just_now(request: Request, services: Services) -> Caller | None:
    """Who asks, if that can be said without the database and nothing is against it; None says nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        return None
    known = services.accounts.seen.find(digest(token), now=services.clock())
    return known.caller if known is not None and not known.frozen else None


async def caller(
    request: Request,
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Who asks, by the bearer token. Raises Refusal 401 "not_signed_in", 403 "account_frozen".

    Who was seen a moment ago is known without a thread of their own.
    """
    found = None
    if bearer is not None and bearer.scheme.lower() == "bearer":
        now = services.clock()
        known = services.accounts.seen.find(digest(bearer.credentials), now=now)
        if known is not None:
            found = known.caller, known.frozen
        else:
            found = await run_in_threadpool(sessions.authenticate, services, bearer.credentials, now=now)
    if found is None:
        raise Refusal(
            401,
            "not_signed_in",
            title="Not signed in",
            detail="Please sign in.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    who, frozen = found
    changes = request.method not in _LOOKING and (request.method, template(request.scope)) not in _STILL_ALLOWED
    if frozen and changes:
        raise Refusal(
            403,
            "account_frozen",
            title="This account is frozen",
            detail="You can still see and export everything; please write to us to have it opened again.",
        )
    return who


async def maybe_caller(
    request: Request,
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller | None:
    """Who asks, or None without a token; a bad token is refused."""
    return None if bearer is None else await caller(request, services, bearer)


CallerDep = Annotated[Caller, Depends(caller)]
MaybeCallerDep = Annotated[Caller | None, Depends(maybe_caller)]
