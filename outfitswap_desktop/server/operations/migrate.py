"""Brings a database to the schema that this version works with, and back; one process at a time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from outfitswap_desktop.server.database import Database

_FOLDER: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 7_021_960_332
"""PostgreSQL's advisory lock: of several servers that start at once, the first migrates and the others wait for it.

SQLite's write transaction is the same by itself."""


def upgrade(database: Database, *, to: str = "head") -> tuple[str | None, str | None]:
    """Apply what is missing up to revision `to`, all in one transaction; the revision before and after."""
    return _run(database, to, up=True)


def downgrade(database: Database, to: str) -> tuple[str | None, str | None]:
    """Take back down to revision `to` ("base": an empty database); what only newer tables hold is lost."""
    return _run(database, to, up=False)


def current(database: Database) -> str | None:
    """The database's revision; None for an empty one."""
    with database.reading() as tx:
        return revision(tx)


def revision(tx: Connection) -> str | None:
    """As `current`, in an open transaction."""
    return MigrationContext.configure(tx).get_current_revision()


@cache
def newest() -> str | None:
    """The revision that this version works with."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _run(database: Database, to: str, *, up: bool) -> tuple[str | None, str | None]:
    with database.transaction() as tx:
        if not database.sqlite:
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = revision(tx)
        if up and to == "head" and before == newest():
            return before, before
        (command.upgrade if up else command.downgrade)(_config(tx), to)
        return before, revision(tx)


def _config(tx: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if tx is not None:
        config.attributes["connection"] = tx
    return config
