"""`python -m tests.stripesim --port N`: an imitation of Stripe on this machine, as a process of its own."""

from __future__ import annotations

import argparse
import socket
import sys

import uvicorn

from tests.stripesim.app import make_app, open_sim


def main() -> None:
    """Serve until killed; the first line on stdout is the address (with --port 0 the system picks the port)."""
    parser = argparse.ArgumentParser(prog="python -m tests.stripesim", description=__doc__)
    parser.add_argument("--port", type=int, default=12111, help="0: any free one")
    parser.add_argument("--api-key", default="sk_test_stripesim")
    parser.add_argument("--webhook-url", default="", help="where events go; empty: nowhere until set")
    parser.add_argument("--webhook-secret", action="append", help="repeat for two")
    asked = parser.parse_args()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", asked.port))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sim = open_sim(address=address, webhook_url=asked.webhook_url, secrets=asked.webhook_secret)
    sys.stdout.write(address + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(make_app(sim, api_key=asked.api_key), log_level="critical", access_log=False, loop="uvloop")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
