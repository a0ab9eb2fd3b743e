"""What Prometheus reads: a registry of its own for each running server, served on a port of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

if TYPE_CHECKING:
    from outfitswap_desktop.server.config import Settings

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10)
_WAITING: Final = (60, 300, 900, 3_600, 7_200, 14_400, 86_400)
_LAG: Final = (0.5, 1, 2, 5, 15, 60, 300, 3_600, 86_400, 259_200)


class Metrics:
    """All metrics, in one registry: nothing is global, so that several servers live in one process (tests).

    Routes count with them after their transaction: `services.metrics.reserve_rejected.labels("no_credits").inc()`.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Histogram(
            "outfitswap_request_seconds",
            "Time to answer, by route.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.ledger_txns = Counter("outfitswap_ledger_txn", "Postings, by kind.", ("kind",), registry=registry)
        self.reserve_rejected = Counter(
            "outfitswap_reserve_rejected", "Reservations that were refused.", ("reason",), registry=registry
        )
        self.reservation_age = Histogram(
            "outfitswap_reservation_age_seconds",
            "Age of a reservation when it is settled.",
            buckets=_WAITING,
            registry=registry,
        )
        self.reservations_held = Gauge("outfitswap_reservations_held", "Reservations that are open.", registry=registry)
        self.reservations_overdue = Gauge(
            "outfitswap_reservations_overdue", "Open reservations past their end: the sweep lags.", registry=registry
        )
        self.leases_open = Gauge("outfitswap_leases_open", "Leases that are open.", registry=registry)
        self.lease_forks = Counter("outfitswap_lease_fork", "Forked receipts: copied devices.", registry=registry)
        self.late_receipts = Counter("outfitswap_late_receipts", "Receipts of leases already ended.", registry=registry)
        self.promo_refused = Counter(
            "outfitswap_promo_refused", "Free credits that were not given.", ("reason",), registry=registry
        )
        self.webhook_lag = Histogram(
            "outfitswap_webhook_lag_seconds", "From Stripe's event to its effect.", buckets=_LAG, registry=registry
        )
        self.webhook_dedup = Counter("outfitswap_webhook_dedup", "Events that came again.", registry=registry)
        self.webhook_refused = Counter(
            "outfitswap_webhook_refused", "Bodies refused at the webhook.", ("reason",), registry=registry
        )
        self.orders_in_review = Gauge("outfitswap_orders_in_review", "Orders a person must look at.", registry=registry)
        self.ledger_imbalance = Gauge(
            "outfitswap_ledger_imbalance", "Credits off, by invariant; must be 0.", ("invariant",), registry=registry
        )
        self.audit_intact = Gauge("outfitswap_audit_intact", "1 while the audit chain verifies.", registry=registry)
        self.db_pool_wait = Histogram(
            "outfitswap_db_pool_wait_seconds", "Wait for a write transaction.", buckets=_SECONDS, registry=registry
        )
        self.outbox_waiting = Gauge("outfitswap_outbox_waiting", "E-mails not sent yet.", registry=registry)
        self.outbox_given_up = Gauge("outfitswap_outbox_given_up", "E-mails given up.", registry=registry)
        self.sweep_last = Gauge(
            "outfitswap_sweep_last_timestamp_seconds", "When a sweep last ended well.", ("sweep",), registry=registry
        )
        self.sweep_failures = Counter(
            "outfitswap_sweep_failures", "Sweeps that ended in an error.", ("sweep",), registry=registry
        )
        self.rate_limited = Counter(
            "outfitswap_rate_limited", "Requests refused with 429.", ("limit",), registry=registry
        )


def serve_metrics(metrics: Metrics, settings: Settings) -> tuple[int, Callable[[], None]] | None:
    """Serve `metrics` on their own address; the port that was taken and what ends it, or None where the port is set to 0."""
    if settings.metrics_port == 0:
        return None
    server: WSGIServer
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, metrics.registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return int(server.server_port), end
