"""The server as a process of its own, that can be killed and started again on the same port and the same records."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).parents[3]


@dataclass
class Process:
    """`outfitswap-server serve` with settings of its own; output goes to a file, never to a pipe."""

    home: Path
    database_url: str
    port: int = 0
    started: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self.log = self.home / "server.log"
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **settings: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": self.database_url,
            "OUTFITSWAP_SERVER_HOME": str(self.home),
            "PORT": str(self.port),
            "METRICS_PORT": "0",
            "RATE_LIMITS": "false",
            "SWEEP_SECONDS": "0.5",
            "FREE_CREDITS": "0",
            **settings,
        }
        with self.log.open("ab") as log:
            self.started = subprocess.Popen(
                [sys.executable, "-m", "outfitswap_desktop.server", "serve"],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.started is None or self.started.poll() is None, self.log.read_text()[-3000:]
            try:
                if requests.get(f"{self.address}/readyz", timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.05)
        raise AssertionError(self.log.read_text()[-3000:])

    def kill(self) -> None:
        """As a power cut would, for this process."""
        assert self.started is not None
        self.started.kill()
        self.started.wait()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        assert self.started is not None
        self.started.send_signal(signal.SIGTERM)
        return self.started.wait(timeout=60)
