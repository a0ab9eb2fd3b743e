"""Tables of accounts: who signs in, how, and from which device. `account_pii` is the only one that names a person."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from outfitswap_desktop.server.tables.base import CREDITS, MILLIS, ULID, account_column, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("state", String(8), nullable=False, default="active"),
    Column("created_at", MILLIS, nullable=False),
    Column("closes_at", MILLIS),
    Column("reopens_as", String(8)),
    Column("erased_at", MILLIS),
    Column("debt_credits", CREDITS, nullable=False, default=0),
    CheckConstraint("state in ('active', 'frozen', 'closed')", name="state"),
    CheckConstraint("debt_credits >= 0", name="debt"),
)
account_pii = Table(
    "account_pii",
    metadata,
    account_column(primary_key=True),
    Column("email_ci", String(320), unique=True),
    Column("email_verified_at", MILLIS),
    Column("password_hash", String(200)),
    Column("display_name", String(80)),
    Column("stripe_customer_id", String(80), unique=True),
)
oauth_identities = Table(
    "oauth_identities",
    metadata,
    Column("provider", String(40), primary_key=True),
    Column("subject", String(255), primary_key=True),
    account_column(index=True),
)
oauth_states = Table(
    "oauth_states",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("provider", String(40), nullable=False),
    Column("browser_hash", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("onward", String(500), nullable=False),
    Column("expires_at", MILLIS, nullable=False, index=True),
)
email_tokens = Table(
    "email_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    account_column(nullable=True, index=True),
    Column("purpose", String(10), nullable=False),
    Column("expires_at", MILLIS, nullable=False, index=True),
    Column("used_at", MILLIS),
)
devices = Table(
    "devices",
    metadata,
    Column("id", ULID, primary_key=True),
    account_column(index=True),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("label", String(80), nullable=False),
    Column("os", String(40), nullable=False),
    Column("app_version", String(40), nullable=False, default=""),
    Column("first_seen", MILLIS, nullable=False),
    Column("last_seen", MILLIS, nullable=False),
    Column("state", String(8), nullable=False, default="active"),
    UniqueConstraint("account_id", "public_key"),
    CheckConstraint("state in ('active', 'revoked', 'suspect')", name="state"),
)
proof_nonces = Table(
    "proof_nonces",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("expires_at", MILLIS, nullable=False, index=True),
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", ULID, primary_key=True),
    account_column(index=True),
    Column("device_id", ULID, ForeignKey("devices.id")),
    Column("kind", String(8), nullable=False),
    Column("refresh_hash", String(64), nullable=False, unique=True),
    Column("rotated_from", String(64), index=True),
    Column("rotated_at", MILLIS),
    Column("created_at", MILLIS, nullable=False),
    Column("last_used", MILLIS, nullable=False),
    Column("expires_at", MILLIS, nullable=False),
    Column("revoked_at", MILLIS),
    Column("ip_truncated", String(45), nullable=False, default=""),
    Column("agent", String(200), nullable=False, default=""),
)
spent_refresh_tokens = Table(
    "spent_refresh_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("session_id", ULID, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("expires_at", MILLIS, nullable=False, index=True),
)
device_codes = Table(
    "device_codes",
    metadata,
    Column("device_code_hash", String(64), primary_key=True),
    Column("user_code", String(8), nullable=False, unique=True),
    Column("account_id", ULID, ForeignKey("accounts.id")),
    Column("state", String(9), nullable=False, default="pending"),
    Column("expires_at", MILLIS, nullable=False, index=True),
    Column("interval_s", Integer, nullable=False),
    Column("last_poll", MILLIS),
    Column("client", String(80), nullable=False, default=""),
    CheckConstraint("state in ('pending', 'approved', 'denied', 'used')", name="state"),
)
authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    account_column(),
    Column("challenge", String(64), nullable=False),
    Column("redirect_uri", String(200), nullable=False),
    Column("expires_at", MILLIS, nullable=False, index=True),
    Column("used_at", MILLIS),
    Column("session_id", ULID, ForeignKey("sessions.id")),
)
licences = Table(
    "licences",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("account_id", ULID, ForeignKey("accounts.id"), index=True),
    Column("key_prefix", String(5), nullable=False, index=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("credits", CREDITS, nullable=False, default=0),
    Column("max_devices", Integer, nullable=False, default=3),
    Column("valid_until", MILLIS),
    Column("state", String(8), nullable=False, default="issued"),
    Column("issued_at", MILLIS, nullable=False),
    Column("redeemed_at", MILLIS),
    CheckConstraint("state in ('issued', 'redeemed', 'revoked')", name="state"),
)
abuse_marks = Table(
    "abuse_marks",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("account_id", ULID, ForeignKey("accounts.id"), index=True),
    Column("at", MILLIS, nullable=False),
)
