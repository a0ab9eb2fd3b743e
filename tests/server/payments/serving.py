"""A server for tests: in a thread of this process, or as a process of its own that can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.services import Services, open_services

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
