"""Starts the server: migrations, keys, metrics, sweeps, then requests, in one process; and ends them in the other order."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
import uvicorn

from outfitswap_desktop import __version__
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.operations import faults, logs, migrate
from outfitswap_desktop.server.operations.metrics import serve_metrics
from outfitswap_desktop.server.operations.sweeps import Sweeper
from outfitswap_desktop.server.services import Services, open_services

Tell = Callable[[str], None]
"""Where words for the person at the terminal go."""
GRACE_SECONDS = 20
"""How long running requests may take to end after SIGTERM."""


class _Announcing(uvicorn.Server):
    """Says where it listens, once it does, and lets the sweeps end before the services close."""

    def __init__(self, config: uvicorn.Config, *, tell: Tell, before_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell
        self._before_end = before_end

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then tell."""
        await super().startup(None)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            self._tell(f"Listening on http://{shown}:{port}")

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """End the sweeps, then the requests."""
        self._before_end()
        await super().shutdown(None)


def serve(settings: Settings, *, tell: Tell, sweeps: bool = True) -> None:
    """Serve until SIGINT or SIGTERM. uvicorn with httptools and, where it exists, uvloop; one process.

    Several workers in one uvicorn without uvloop would add 44 ms to each kept-alive answer
    (https://github.com/Kludex/uvicorn/issues/3149): run more containers behind the proxy instead.
    """
    services = _open(settings, tell=tell)
    sweeper = Sweeper(services)
    ended = serve_metrics(services.metrics, settings)
    config = uvicorn.Config(
        make_app(services),
        host=settings.host,
        port=settings.port,
        http="httptools",
        loop="auto",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if sweeps:
        sweeper.start()
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # uvicorn raises again what ended it: without a handler we would die of it
        signal.signal(number, lambda *_: None)
    gc.collect()
    gc.freeze()  # what is here now stays: without looking through it again, the slowest answers come a third sooner
    try:
        _Announcing(config, tell=tell, before_end=sweeper.stop).run()
    finally:
        sweeper.stop()
        if ended:
            ended[1]()
        services.close()


def work(settings: Settings, *, tell: Tell) -> None:
    """Run the sweeps alone until SIGINT or SIGTERM: beside servers that were started with --no-sweeps."""
    if settings.sweep_seconds <= 0:
        raise NotAvailable("SWEEP_SECONDS is 0: nothing would ever be swept.", reason="no_sweeps", hint="Set it to 30.")
    services = _open(settings, tell=tell)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sweeper = Sweeper(services)
    ended = serve_metrics(services.metrics, settings)
    sweeper.start()
    tell("Sweeping.")
    try:
        stop.wait()
    finally:
        sweeper.stop()
        if ended:
            ended[1]()
        services.close()


def prepare(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the database up to date; its revision before and after."""
    database = Database(settings.url)
    try:
        return migrate.upgrade(database)
    finally:
        database.close()


def _open(settings: Settings, *, tell: Tell) -> Services:
    logs.set_up(as_json=settings.log_json)
    faults.open_sentry(settings)
    settings.price_table()
    before, after = prepare(settings)
    services = open_services(settings)
    services.database.waited = services.metrics.db_pool_wait.observe
    log = structlog.get_logger(__name__)
    if before != after:
        log.info("migrated", before=before, after=after)
    if before is None:
        _first_start(services, tell)
    log.info("starting", version=__version__, database="sqlite" if services.database.sqlite else "postgresql")
    return services


def _first_start(services: Services, tell: Tell) -> None:
    """What the operator should know once: where everything lies, what is not set yet, and what must be kept safe."""
    settings = services.settings
    root = services.keys.key_list().root_fingerprint
    lines = [
        "First start of the OutfitSwap activation server.",
        f"  Records     {'PostgreSQL' if not services.database.sqlite else settings.url.removeprefix('sqlite:///')}",
        f"  Keys        {settings.keys}; the root key's fingerprint is {root}",
        f"              Keep {settings.keys / 'root.key'} somewhere offline: with it leases for your customers can be forged.",
        f"  E-mails     {_mail(settings)}",
        f"  Payments    {_payments(settings)}",
        f"  Programs    outfitswap licence activate --server {settings.public_url}",
        "  Everything that can be set, backups and the rest: docs/operations.md",
    ]
    for line in lines:
        tell(line)


def _mail(settings: Settings) -> str:
    folder: Path = settings.home / "mail"
    return "by SMTP" if settings.smtp_url.get_secret_value() else f"no SMTP_URL: written as files below {folder}"


def _payments(settings: Settings) -> str:
    if not settings.stripe_secret_key.get_secret_value():
        return "no STRIPE_SECRET_KEY: nothing is sold; `outfitswap-server admin credits grant` gives credits"
    if not settings.stripe_webhook_secrets.get_secret_value():
        return "no STRIPE_WEBHOOK_SECRETS: purchases count only when the hourly reconciling finds them"
    return "through Stripe"
