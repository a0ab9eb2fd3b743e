"""Tables of the ledger: double entry, append-only, and what is derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from outfitswap_desktop.server.tables.base import CREDITS, MILLIS, ULID, account_column, after_create, metadata

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("account_id", ULID, ForeignKey("accounts.id"), index=True),
    Column("kind", String(10), nullable=False),
    Column("balance", CREDITS, nullable=False, default=0),
    CheckConstraint(
        "case kind when 'system' then balance = 0 when 'debt' then balance <= 0 else balance >= 0 end", name="balance"
    ),
    CheckConstraint("kind in ('system', 'paid', 'promo', 'held', 'lease', 'debt')", name="kind"),
)
"""Balances of a user's accounts, moved by conditional UPDATEs. A system account has none: everybody would wait for its row."""
ledger_txns = Table(
    "ledger_txns",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("ref", String(120), nullable=False),
    Column("account_id", ULID, ForeignKey("accounts.id")),
    Column("at", MILLIS, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("memo", String(200), nullable=False, default=""),
    UniqueConstraint("kind", "ref"),
    Index("ix_ledger_txns_account_id_id", "account_id", "id"),
)
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("txn_id", ULID, ForeignKey("ledger_txns.id"), primary_key=True),
    Column("ledger_account_id", String(48), ForeignKey("ledger_accounts.id"), primary_key=True),
    Column("amount", CREDITS, nullable=False),
    CheckConstraint("amount <> 0", name="amount"),
    Index("ix_ledger_entries_ledger_account_id", "ledger_account_id"),
)
credit_grants = Table(
    "credit_grants",
    metadata,
    Column("id", ULID, primary_key=True),
    account_column(),
    Column("bucket", String(5), nullable=False),
    Column("amount", CREDITS, nullable=False),
    Column("remaining", CREDITS, nullable=False),
    Column("expires_at", MILLIS),
    Column("created_at", MILLIS, nullable=False),
    Column("txn_id", ULID, ForeignKey("ledger_txns.id"), nullable=False),
    CheckConstraint("bucket in ('paid', 'promo')", name="bucket"),
    CheckConstraint("remaining >= 0 and remaining <= amount", name="remaining"),
    Index("ix_credit_grants_account_id", "account_id"),
    Index("ix_credit_grants_expires_at", "expires_at"),
)
reservations = Table(
    "reservations",
    metadata,
    Column("id", ULID, primary_key=True),
    account_column(index=True),
    Column("device_id", ULID, ForeignKey("devices.id")),
    Column("job_id", String(80), nullable=False),
    Column("engine", String(40), nullable=False),
    Column("images", Integer, nullable=False),
    Column("credits", CREDITS, nullable=False),
    Column("spent", CREDITS, nullable=False, default=0),
    Column("state", String(9), nullable=False),
    Column("legs", JSON, nullable=False),
    Column("created_at", MILLIS, nullable=False),
    Column("expires_at", MILLIS, nullable=False),
    Column("reason", String(80), nullable=False, default=""),
    CheckConstraint("state in ('held', 'committed', 'voided', 'expired')", name="state"),
    CheckConstraint("spent >= 0 and spent <= credits", name="spent"),
    Index("ix_reservations_state_expires_at", "state", "expires_at"),
)
"""`legs`: [grant, bucket, credits, when the grant expires or null], in burn order."""
lease_draws = Table(
    "lease_draws",
    metadata,
    Column("lease_id", ULID, primary_key=True),
    Column("position", Integer, primary_key=True),
    account_column(),
    Column("grant_id", ULID, ForeignKey("credit_grants.id"), nullable=False),
    Column("bucket", String(5), nullable=False),
    Column("expires_at", MILLIS),
    Column("credits", CREDITS, nullable=False),
    Column("burned", CREDITS, nullable=False, default=0),
    Column("returned", CREDITS, nullable=False, default=0),
    CheckConstraint("burned >= 0 and returned >= 0 and burned + returned <= credits", name="parts"),
)
"""Which grants the credits of a lease came from, in burn order."""
idempotency = Table(
    "idempotency",
    metadata,
    account_column(primary_key=True),
    Column("key", String(120), primary_key=True),
    Column("method_path", String(200), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("status", Integer),
    Column("response", Text),
    Column("created_at", MILLIS, nullable=False, index=True),
)
"""`response` is the answer's JSON, byte for byte."""

APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": (
        """
        CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        """
        CREATE FUNCTION ledger_txn_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (SELECT count(*) < 2 OR sum(amount) <> 0 FROM ledger_entries WHERE txn_id = NEW.id) THEN
            RAISE EXCEPTION 'a posting must sum to zero' USING ERRCODE = 'integrity_constraint_violation';
          END IF;
          RETURN NULL;
        END $$
        """,
        """
        CREATE FUNCTION ledger_entry_is_new() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT 1 FROM added GROUP BY txn_id HAVING sum(amount) <> 0) THEN
            RAISE EXCEPTION 'the entries of a posting are written at once and sum to zero'
              USING ERRCODE = 'integrity_constraint_violation';
          END IF;
          RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER ledger_txns_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_txns"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()",
        "CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()",
        "CREATE TRIGGER ledger_entries_sum AFTER INSERT ON ledger_entries"
        " REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_is_new()",
        "CREATE CONSTRAINT TRIGGER ledger_txns_balanced AFTER INSERT ON ledger_txns"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_txn_is_balanced()",
    ),
    "sqlite": tuple(
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}"
        " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in ("ledger_txns", "ledger_entries")
        for verb in ("UPDATE", "DELETE")
    ),
}
"""By database: what forbids changing the journal, to run once after its tables are made. PostgreSQL also refuses
a posting that does not sum to zero, at the latest when its transaction commits; on SQLite `postings.post` alone does."""
NOT_APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": (
        "DROP TRIGGER ledger_txns_balanced ON ledger_txns",
        "DROP TRIGGER ledger_entries_sum ON ledger_entries",
        "DROP TRIGGER ledger_entries_append_only ON ledger_entries",
        "DROP TRIGGER ledger_txns_append_only ON ledger_txns",
        "DROP FUNCTION ledger_entry_is_new()",
        "DROP FUNCTION ledger_txn_is_balanced()",
        "DROP FUNCTION ledger_is_append_only()",
    ),
    "sqlite": tuple(
        f"DROP TRIGGER {table}_no_{verb}"
        for table in ("ledger_txns", "ledger_entries")
        for verb in ("UPDATE", "DELETE")
    ),
}
"""The way back (migrations down)."""

after_create(ledger_entries, APPEND_ONLY)
