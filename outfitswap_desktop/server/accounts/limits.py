"""Rate limits as dependencies of routes: `dependencies=[limited("login")]`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from outfitswap_desktop.server.accounts.callers import CallerDep
from outfitswap_desktop.server.accounts.counting import RULES
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services, ServicesDep


def limited(rule: str, *, by: str = "address") -> Any:
    """A dependency that refuses with 429 what comes more often than RULES[rule] allows.

    `by` is "address" (of the network), or "caller": the device, or the session where there is none.
    """
    if rule not in RULES:
        raise KeyError(rule)

    def by_address(request: Request, services: ServicesDep) -> None:
        count(services, rule, network(address(request)))

    def by_caller(caller: CallerDep, services: ServicesDep) -> None:
        count(services, rule, caller.device_id or caller.session_id)

    chosen: dict[str, Callable[..., None]] = {"address": by_address, "caller": by_caller}
    return Depends(chosen[by])


def count(services: Services, rule: str, who: str) -> None:
    """Count one try of `who`; raises Refusal 429 "too_many_requests" with Retry-After."""
    wait = services.limiter.hit(rule, who)
    if wait is not None:
        services.metrics.rate_limited.labels(rule).inc()
        raise Refusal(
            429,
            "too_many_requests",
            title="Too many requests",
            detail=f"Please try again in {_words(wait)}.",
            headers={"Retry-After": str(wait)},
        )


def address(request: Request) -> str:
    """Where a request comes from, as the server's proxy settings let it be known; "" when it is not."""
    return request.client.host if request.client is not None else ""


def network(ip: str) -> str:
    """What counts as one sender: an IPv4 address, a /64 of IPv6 (one line of one household)."""
    try:
        found = ipaddress.ip_address(ip.split("%", 1)[0])
    except ValueError:
        return ip
    if found.version == 6:
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False).network_address)
    return str(found)


def _words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{round(seconds / 60)} minutes"
