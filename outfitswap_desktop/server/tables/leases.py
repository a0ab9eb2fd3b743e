"""Tables of offline leases: what was promised, every receipt that came back, and the holds among them that are open."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)  # fmt: skip

from outfitswap_desktop.server.tables.base import CREDITS, MILLIS, ULID, account_column, metadata

leases = Table(
    "leases",
    metadata,
    Column("id", ULID, primary_key=True),
    account_column(index=True),
    Column("device_id", ULID, ForeignKey("devices.id"), nullable=False),
    Column("credits", CREDITS, nullable=False),
    Column("spent", CREDITS, nullable=False, default=0),
    Column("seq", Integer, nullable=False, default=0),
    Column("head", String(64), nullable=False),
    Column("issued_at", MILLIS, nullable=False),
    Column("not_after", MILLIS, nullable=False),
    Column("grace_until", MILLIS, nullable=False),
    Column("kid", String(40), nullable=False),
    Column("state", String(7), nullable=False),
    Column("closed_at", MILLIS),
    Column("closed_by", String(80), nullable=False, default=""),
    Column("forked_at", MILLIS),
    Column("late_at", MILLIS),
    Column("blob", Text, nullable=False),
    CheckConstraint("state in ('open', 'closed', 'expired', 'frozen')", name="state"),
    CheckConstraint("spent >= 0 and spent <= credits", name="spent"),
    Index("ix_leases_state_grace_until", "state", "grace_until"),
    Index(
        "ix_leases_one_open",
        "device_id",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)
lease_receipts = Table(
    "lease_receipts",
    metadata,
    Column("lease_id", ULID, ForeignKey("leases.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("prev", String(64), nullable=False),
    Column("kind", String(6), nullable=False),
    Column("job_id", String(80), nullable=False),
    Column("credits", CREDITS, nullable=False),
    Column("claimed_at", MILLIS, nullable=False),
    Column("received_at", MILLIS, nullable=False),
    Column("blob", Text, nullable=False),
    Column("main", Boolean, nullable=False),
    Column("charged", Boolean, nullable=False),
    CheckConstraint("kind in ('hold', 'commit', 'void')", name="kind"),
)
lease_holds = Table(
    "lease_holds",
    metadata,
    Column("lease_id", ULID, ForeignKey("leases.id"), primary_key=True),
    Column("job_id", String(80), primary_key=True),
    Column("credits", CREDITS, nullable=False),
    Column("received_at", MILLIS, nullable=False),
    CheckConstraint("credits > 0", name="credits"),
)
