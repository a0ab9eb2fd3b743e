"""Inserts that do nothing where the row is there already, alike on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_ignore(table: Table, tx: Connection) -> Any:
    """An INSERT … ON CONFLICT DO NOTHING; add `.returning()` and look for a row: `rowcount` differs between the drivers."""
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()
