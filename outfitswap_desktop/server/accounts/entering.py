"""What every way of signing in ends with: the device proves itself, a session is opened, free credits may be due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from outfitswap_desktop.licensing.wire.messages import Tokens
from outfitswap_desktop.server.accounts import devices, promo, sessions
from outfitswap_desktop.server.accounts.limits import address
from outfitswap_desktop.server.leases.proofs import check_proof
from outfitswap_desktop.server.services import Services, ServicesDep


@dataclass(frozen=True, slots=True)
class Entrance:
    """One request that may sign somebody in: where it comes from, and when."""

    services: Services
    agent: str
    ip: str
    now: int

    def enter(self, tx: Connection, account_id: str, *, device: str | None, but: str | None = None) -> Tokens:
        """Open a session for `account_id`, on the device that `device` (a blob of wire.device) proves, if given.

        Earlier sessions of that device end, except `but`. Raises the Refusals of check_proof, attach and open_session.
        """
        services, now = self.services, self.now
        device_id = None
        if device is not None:
            proof = check_proof(tx, device, purpose="sign-in", now=now)
            device_id = devices.attach(tx, services, account_id, proof=proof, now=now)
            sessions.revoke_all(tx, services, account_id, device_id=device_id, but=but, now=now)
        tokens = sessions.open_session(
            tx,
            services,
            account_id,
            device_id=device_id,
            kind="program" if device_id is not None else "site",
            agent=self.agent,
            ip=self.ip,
            now=now,
        )
        if device_id is not None:
            promo.consider(tx, services, account_id, ip=self.ip, now=now)
        return tokens


def entrance(request: Request, services: ServicesDep) -> Entrance:
    """The entrance of this request."""
    return Entrance(
        services, agent=request.headers.get("user-agent", "")[:200], ip=address(request), now=services.clock()
    )


EntranceDep = Annotated[Entrance, Depends(entrance)]
