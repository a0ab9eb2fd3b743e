"""What every administrators' command works with: the opened services, who asks, and the audit record of what was changed."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.errors import InputRefused, NotAvailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from outfitswap_desktop.server.services import Services


@dataclass(frozen=True, slots=True)
class Desk:
    """Open services, a time, and the name that changes are recorded under."""

    services: Services
    now: int
    actor: str

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.services.database.reading() as tx:
            yield tx

    @contextmanager
    def changing(self, action: str, target: str, detail: Mapping[str, Any]) -> Iterator[Connection]:
        """A transaction that ends with an audit record of what it did."""
        from outfitswap_desktop.server.operations import audit

        with self.services.database.transaction() as tx:
            yield tx
            audit.record(tx, actor=self.actor, action=action, target=target, detail=detail, now=self.now)

    def account(self, tx: Connection, who: str) -> str:
        """The id of the account that an id or an e-mail address names; raises InputRefused."""
        from outfitswap_desktop.licensing.wire.ids import is_id
        from outfitswap_desktop.server.accounts import people

        found = who if is_id(who) else people.find_by_email(tx, who)
        if found is None or people.get(tx, found) is None:
            raise InputRefused("There is no such account.", reason="no_account")
        return found


@contextmanager
def desk() -> Iterator[Desk]:
    """Open everything; refusals of the server become one sentence and exit code 3."""
    from outfitswap_desktop.server.__main__ import settings
    from outfitswap_desktop.server.operations import logs, migrate
    from outfitswap_desktop.server.problems import Refusal
    from outfitswap_desktop.server.services import open_services

    chosen = settings()
    logs.set_up(as_json=chosen.log_json)
    services = open_services(chosen)
    try:
        if migrate.current(services.database) != migrate.newest():
            raise NotAvailable(
                "The database is not up to date.", reason="not_migrated", hint="Run `outfitswap-server migrate`."
            )
        yield Desk(services=services, now=services.clock(), actor=f"admin:{getpass.getuser()}"[:80])
    except Refusal as refusal:
        raise InputRefused(refusal.detail, reason=refusal.code) from refusal
    finally:
        services.close()
