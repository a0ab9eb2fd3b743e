"""Tables of purchases: what is for sale, orders, what came back of them, and every event that Stripe has sent."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)  # fmt: skip

from outfitswap_desktop.server.tables.base import CREDITS, MILLIS, ULID, account_column, metadata

packs = Table(
    "packs",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("title", String(120), nullable=False),
    Column("credits", CREDITS, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("stripe_price_id", String(120)),
    Column("active", Boolean, nullable=False, default=True),
    CheckConstraint("credits > 0 and amount_minor > 0", name="positive"),
)
orders = Table(
    "orders",
    metadata,
    Column("id", ULID, primary_key=True),
    account_column(index=True),
    Column("pack_id", String(60), ForeignKey("packs.id"), nullable=False),
    Column("credits", CREDITS, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("idempotency_key", String(120), nullable=False),
    Column("attempt", Integer, nullable=False, default=1),
    Column("checkout_session_id", String(120), unique=True),
    Column("checkout_url", Text),
    Column("payment_intent", String(120), unique=True),
    Column("paid_minor", BigInteger, nullable=False, default=0),
    Column("credited", CREDITS, nullable=False, default=0),
    Column("refunded_minor", BigInteger, nullable=False, default=0),
    Column("refunded_credits", CREDITS, nullable=False, default=0),
    Column("corrections", Integer, nullable=False, default=0),
    Column("state", String(8), nullable=False),
    Column("note", String(200), nullable=False, default=""),
    Column("created_at", MILLIS, nullable=False),
    Column("paid_at", MILLIS),
    Column("looked_at", MILLIS, nullable=False, default=0),
    UniqueConstraint("account_id", "idempotency_key"),
    CheckConstraint(
        "state in ('new', 'open', 'paid', 'expired', 'failed', 'refunded', 'disputed', 'review')", name="state"
    ),
    CheckConstraint("credited in (0, credits) and refunded_credits between 0 and credited", name="credited"),
    Index("ix_orders_state_created_at", "state", "created_at"),
)
refunds = Table(
    "refunds",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("order_id", ULID, ForeignKey("orders.id"), nullable=False, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at", MILLIS, nullable=False),
)
disputes = Table(
    "disputes",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("order_id", ULID, ForeignKey("orders.id"), nullable=False, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("status", String(40), nullable=False),
    Column("movements", Integer, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("created_at", MILLIS, nullable=False),
)
stripe_events = Table(
    "stripe_events",
    metadata,
    Column("event_id", String(120), primary_key=True),
    Column("type", String(80), nullable=False),
    Column("api_version", String(40), nullable=False, default=""),
    Column("livemode", Boolean, nullable=False),
    Column("created", MILLIS, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("received_at", MILLIS, nullable=False),
    Column("processed_at", MILLIS),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", String(500), nullable=False, default=""),
)
watermarks = Table(
    "watermarks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("at", MILLIS, nullable=False),
)
