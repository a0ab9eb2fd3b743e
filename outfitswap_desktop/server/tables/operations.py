"""Tables of running the server: the audit chain, e-mails that wait, and who runs the sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import JSON, Column, Index, Integer, String, Table

from outfitswap_desktop.server.tables.base import MILLIS, ULID, after_create, metadata

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", MILLIS, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(60), nullable=False),
    Column("target", String(120), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("due_at", MILLIS, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("sent_at", MILLIS),
    Index("ix_outbox_sent_at_due_at", "sent_at", "due_at"),
)
sweeper = Table(
    "sweeper",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", MILLIS, nullable=False),
)

APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": (
        """
        CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'the audit chain is append-only' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
    "sqlite": tuple(
        f"CREATE TRIGGER audit_no_{verb} BEFORE {verb} ON audit"
        " BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ),
}
"""By database: what forbids changing the chain. Whoever may drop a trigger can still; the hashes show it."""
NOT_APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": ("DROP TRIGGER audit_append_only ON audit", "DROP FUNCTION audit_is_append_only()"),
    "sqlite": ("DROP TRIGGER audit_no_UPDATE", "DROP TRIGGER audit_no_DELETE"),
}
"""The way back (migrations down)."""

after_create(audit, APPEND_ONLY)
