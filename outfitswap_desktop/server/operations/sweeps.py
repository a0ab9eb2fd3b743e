"""What is due without anybody asking: expiries, e-mails, reconciling, erasing. One process at a time does each of them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.operations import audit, outbox
from outfitswap_desktop.server.operations.gauges import Gauges
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables import accounts, ledger, operations

HOLD_MS: Final = 300_000
"""How long the others leave a sweep to a holder that says nothing; each sweep works in short transactions and may run twice."""
BATCH: Final = 500
_MOST_BATCHES: Final = 200
HOUR: Final = 3_600
DAY_MS: Final = 86_400_000
KEPT_MS: Final = 30 * DAY_MS
"""How long answers of repeated requests are kept, and what else nobody asks for after that."""

Work = Callable[[Services, int], int]
"""Does what is due at a time (milliseconds); how much that was."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """`seconds` between two ends; 0 stands for the setting `sweep_seconds`."""

    name: str
    work: Work
    seconds: float = 0


class Sweeper:
    """Runs all sweeps in a thread of its own until it is stopped."""

    def __init__(self, services: Services, sweeps: tuple[Sweep, ...] | None = None) -> None:
        self._services = services
        self._sweeps = every_sweep() if sweeps is None else sweeps
        self._holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{new_id()[-8:]}"
        self._gauges = Gauges(services)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin, unless the setting says never."""
        if self._services.settings.sweep_seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        """Stop after the sweep that runs now."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def run_due(self) -> dict[str, int]:
        """Run each sweep that is due and that no other process holds; how much each did."""
        done: dict[str, int] = {}
        for sweep in self._sweeps:
            if self._stop.is_set():
                break
            with suppress(Exception):
                if self._claim(sweep):
                    done[sweep.name] = self._run(sweep)
        self._gauges.read(self._services.clock())
        return done

    def _work(self) -> None:
        log = structlog.get_logger(__name__)
        pause = self._services.settings.sweep_seconds
        while not self._stop.is_set():
            try:
                self.run_due()
            except Exception as problem:  # noqa: BLE001 - a database that is away now is there at the next round
                log.warning("sweeper_waits", error=type(problem).__name__)
            self._stop.wait(pause)

    def _run(self, sweep: Sweep) -> int:
        services, log = self._services, structlog.get_logger(__name__)
        started = time.perf_counter()
        try:
            count = sweep.work(services, services.clock())
        except Exception as problem:
            services.metrics.sweep_failures.labels(sweep.name).inc()
            log.exception("sweep_failed", sweep=sweep.name, error=type(problem).__name__)
            self._release(sweep)
            raise
        self._release(sweep)
        services.metrics.sweep_last.labels(sweep.name).set(services.clock() / 1000)
        if count:
            log.info("swept", sweep=sweep.name, count=count, ms=round((time.perf_counter() - started) * 1000))
        return count

    def _claim(self, sweep: Sweep) -> bool:
        rows, now = operations.sweeper, self._services.clock()
        mine = {"holder": self._holder, "until": now + HOLD_MS}
        try:
            with self._services.database.transaction() as tx:
                if tx.execute(select(rows.c.name).where(rows.c.name == sweep.name)).first() is None:
                    tx.execute(rows.insert().values(name=sweep.name, **mine))
                    return True
                taken = update(rows).where(rows.c.name == sweep.name, rows.c.until <= now).values(**mine)
                return tx.execute(taken.returning(rows.c.name)).first() is not None
        except IntegrityError:
            return False

    def _release(self, sweep: Sweep) -> None:
        rows = operations.sweeper
        pause = sweep.seconds or self._services.settings.sweep_seconds
        with self._services.database.transaction() as tx:
            tx.execute(
                update(rows)
                .where(rows.c.name == sweep.name, rows.c.holder == self._holder)
                .values(holder="", until=self._services.clock() + int(pause * 1000))
            )


def every_sweep() -> tuple[Sweep, ...]:
    """All of them, the most urgent first."""
    return (
        Sweep("outbox", _mail),
        Sweep("reservations", _reservations),
        Sweep("leases", _leases),
        Sweep("grants", _grants, 60),
        Sweep("closing_accounts", _closing_accounts, 600),
        Sweep("stripe", _stripe, HOUR),
        Sweep("verify", _verify, HOUR),
        Sweep("leftovers", _leftovers, HOUR),
    )


def in_batches(services: Services, step: Callable[[Connection], int]) -> int:
    """Repeat `step` in transactions of its own while it does a full batch; how much in all."""
    total = 0
    for _ in range(_MOST_BATCHES):
        with services.database.transaction() as tx:
            count = step(tx)
        total += count
        if count < BATCH:
            break
    return total


def _mail(services: Services, now: int) -> int:
    return outbox.flush(services, now=now)


def _reservations(services: Services, now: int) -> int:
    from outfitswap_desktop.server.ledger import reservations

    return in_batches(services, lambda tx: reservations.expire_due(tx, now=now, limit=BATCH))


def _leases(services: Services, now: int) -> int:
    from outfitswap_desktop.server.leases import ending

    return in_batches(services, lambda tx: ending.expire_due(tx, now=now, limit=BATCH))


def _grants(services: Services, now: int) -> int:
    from outfitswap_desktop.server.ledger import credits as ledger_credits

    return in_batches(services, lambda tx: ledger_credits.expire_grants(tx, now=now, limit=BATCH))


def _closing_accounts(services: Services, now: int) -> int:
    from outfitswap_desktop.server.accounts import privacy

    return privacy.erase_due(services, now=now)


def _stripe(services: Services, now: int) -> int:
    from outfitswap_desktop.server.payments.reconcile import reconcile

    return reconcile(services, now=now).repaired if services.stripe else 0


def _verify(services: Services, now: int) -> int:
    """The ledger's invariants and the audit chain, for the metrics and their alerts."""
    from outfitswap_desktop.server.ledger.verify import snapshot, verify

    with services.database.reading() as tx:
        snapshot(tx)
        report = verify(tx)
        intact, why = audit.verify(tx)
    for invariant, off in report.off.items():
        services.metrics.ledger_imbalance.labels(invariant).set(off)
    services.metrics.audit_intact.set(intact)
    log = structlog.get_logger(__name__)
    if not report.ok:
        log.error("ledger_off", off=dict(report.off), at=now)
    if not intact:
        log.error("audit_broken", why=why, at=now)
    return 0


def _leftovers(services: Services, now: int) -> int:
    """Rows that nobody asks for any more: answers of repeated requests, spent codes, tokens and nonces, e-mails sent."""
    old = now - KEPT_MS
    finished = (
        delete(ledger.idempotency).where(ledger.idempotency.c.created_at < old),
        delete(accounts.proof_nonces).where(accounts.proof_nonces.c.expires_at < now),
        delete(accounts.device_codes).where(accounts.device_codes.c.expires_at < old),
        delete(accounts.authorization_codes).where(accounts.authorization_codes.c.expires_at < old),
        delete(accounts.email_tokens).where(accounts.email_tokens.c.expires_at < old),
        delete(operations.outbox).where(operations.outbox.c.sent_at < old),
    )
    count = 0
    for statement in finished:
        with services.database.transaction() as tx:
            count += tx.execute(statement).rowcount
    return count
