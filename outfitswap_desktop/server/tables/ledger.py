"""Tables of the ledger: double entry, append-only, and what is derived from it."""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from outfitswap_desktop.server.tables.base import CREDITS, MILLIS, ULID, account_column, metadata

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("account_id", ULID, ForeignKey("accounts.id"), index=True),
    Column("kind", String(10), nullable=False),
    Column("balance", CREDITS, nullable=False, default=0),
    CheckConstraint("kind = 'system' or balance >= 0", name="balance"),
)
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
    Index("ix_credit_grants_account_id_remaining", "account_id", "remaining"),
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
idempotency = Table(
    "idempotency",
    metadata,
    account_column(primary_key=True),
    Column("key", String(120), primary_key=True),
    Column("method_path", String(200), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("status", Integer),
    Column("response", JSON),
    Column("created_at", MILLIS, nullable=False, index=True),
)
