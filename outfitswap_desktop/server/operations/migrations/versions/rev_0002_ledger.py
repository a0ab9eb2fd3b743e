"""The tables of the ledger, leases and payments, as they were when the server was first released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "packs",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("stripe_price_id", sa.String(length=120), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("credits > 0 and amount_minor > 0", name=op.f("ck_packs_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packs")),
    )
    op.create_table(
        "stripe_events",
        sa.Column("event_id", sa.String(length=120), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("api_version", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("processed_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_stripe_events")),
    )
    op.create_table(
        "watermarks",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watermarks")),
    )
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("method_path", sa.String(length=200), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_idempotency_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "case kind when 'system' then balance = 0 when 'debt' then balance <= 0 else balance >= 0 end",
            name=op.f("ck_ledger_accounts_balance"),
        ),
        sa.CheckConstraint(
            "kind in ('system', 'paid', 'promo', 'held', 'lease', 'debt')", name=op.f("ck_ledger_accounts_kind")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_accounts_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
    )
    op.create_index(op.f("ix_ledger_accounts_account_id"), "ledger_accounts", ["account_id"], unique=False)
    op.create_table(
        "ledger_txns",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=120), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("memo", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_txns_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_txns")),
        sa.UniqueConstraint("kind", "ref", name=op.f("uq_ledger_txns_kind_ref")),
    )
    op.create_index("ix_ledger_txns_account_id_id", "ledger_txns", ["account_id", "id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("pack_id", sa.String(length=60), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("idempotency_key", sa.String(length=120), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("checkout_session_id", sa.String(length=120), nullable=True),
        sa.Column("checkout_url", sa.Text(), nullable=True),
        sa.Column("payment_intent", sa.String(length=120), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_credits", sa.BigInteger(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.BigInteger(), nullable=True),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state in ('new', 'open', 'paid', 'expired', 'failed', 'refunded', 'disputed', 'review')",
            name=op.f("ck_orders_state"),
        ),
        sa.CheckConstraint(
            "credited in (0, credits) and refunded_credits between 0 and credited", name=op.f("ck_orders_credited")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_orders_account_id_accounts")),
        sa.ForeignKeyConstraint(["pack_id"], ["packs.id"], name=op.f("fk_orders_pack_id_packs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("account_id", "idempotency_key", name=op.f("uq_orders_account_id_idempotency_key")),
        sa.UniqueConstraint("checkout_session_id", name=op.f("uq_orders_checkout_session_id")),
        sa.UniqueConstraint("payment_intent", name=op.f("uq_orders_payment_intent")),
    )
    op.create_index(op.f("ix_orders_account_id"), "orders", ["account_id"], unique=False)
    op.create_index("ix_orders_state_created_at", "orders", ["state", "created_at"], unique=False)
    op.create_table(
        "credit_grants",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("bucket", sa.String(length=5), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("txn_id", sa.String(length=26), nullable=False),
        sa.CheckConstraint("bucket in ('paid', 'promo')", name=op.f("ck_credit_grants_bucket")),
        sa.CheckConstraint("remaining >= 0 and remaining <= amount", name=op.f("ck_credit_grants_remaining")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_credit_grants_account_id_accounts")),
        sa.ForeignKeyConstraint(["txn_id"], ["ledger_txns.id"], name=op.f("fk_credit_grants_txn_id_ledger_txns")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_grants")),
    )
    op.create_index("ix_credit_grants_account_id", "credit_grants", ["account_id"], unique=False)
    op.create_index("ix_credit_grants_expires_at", "credit_grants", ["expires_at"], unique=False)
    op.create_table(
        "disputes",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("order_id", sa.String(length=26), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("movements", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_disputes_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    op.create_index(op.f("ix_disputes_order_id"), "disputes", ["order_id"], unique=False)
    op.create_table(
        "leases",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("device_id", sa.String(length=26), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("grace_until", sa.BigInteger(), nullable=False),
        sa.Column("kid", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=False),
        sa.Column("forked_at", sa.BigInteger(), nullable=True),
        sa.Column("late_at", sa.BigInteger(), nullable=True),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.CheckConstraint("state in ('open', 'closed', 'expired', 'frozen')", name=op.f("ck_leases_state")),
        sa.CheckConstraint("spent >= 0 and spent <= credits", name=op.f("ck_leases_spent")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_leases_account_id_accounts")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_leases_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
    )
    op.create_index(op.f("ix_leases_account_id"), "leases", ["account_id"], unique=False)
    op.create_index(
        "ix_leases_one_open",
        "leases",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_leases_state_grace_until", "leases", ["state", "grace_until"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("txn_id", sa.String(length=26), nullable=False),
        sa.Column("ledger_account_id", sa.String(length=48), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_entries_amount")),
        sa.ForeignKeyConstraint(
            ["ledger_account_id"],
            ["ledger_accounts.id"],
            name=op.f("fk_ledger_entries_ledger_account_id_ledger_accounts"),
        ),
        sa.ForeignKeyConstraint(["txn_id"], ["ledger_txns.id"], name=op.f("fk_ledger_entries_txn_id_ledger_txns")),
        sa.PrimaryKeyConstraint("txn_id", "ledger_account_id", name=op.f("pk_ledger_entries")),
    )
    op.create_index("ix_ledger_entries_ledger_account_id", "ledger_entries", ["ledger_account_id"], unique=False)
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("order_id", sa.String(length=26), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_refunds_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index(op.f("ix_refunds_order_id"), "refunds", ["order_id"], unique=False)
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("device_id", sa.String(length=26), nullable=True),
        sa.Column("job_id", sa.String(length=80), nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("legs", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.CheckConstraint("state in ('held', 'committed', 'voided', 'expired')", name=op.f("ck_reservations_state")),
        sa.CheckConstraint("spent >= 0 and spent <= credits", name=op.f("ck_reservations_spent")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_reservations_account_id_accounts")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_reservations_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
    )
    op.create_index(op.f("ix_reservations_account_id"), "reservations", ["account_id"], unique=False)
    op.create_index("ix_reservations_state_expires_at", "reservations", ["state", "expires_at"], unique=False)
    op.create_table(
        "lease_draws",
        sa.Column("lease_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("grant_id", sa.String(length=26), nullable=False),
        sa.Column("bucket", sa.String(length=5), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("burned", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "burned >= 0 and returned >= 0 and burned + returned <= credits", name=op.f("ck_lease_draws_parts")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_lease_draws_account_id_accounts")),
        sa.ForeignKeyConstraint(["grant_id"], ["credit_grants.id"], name=op.f("fk_lease_draws_grant_id_credit_grants")),
        sa.PrimaryKeyConstraint("lease_id", "position", name=op.f("pk_lease_draws")),
    )
    op.create_table(
        "lease_holds",
        sa.Column("lease_id", sa.String(length=26), nullable=False),
        sa.Column("job_id", sa.String(length=80), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("credits > 0", name=op.f("ck_lease_holds_credits")),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name=op.f("fk_lease_holds_lease_id_leases")),
        sa.PrimaryKeyConstraint("lease_id", "job_id", name=op.f("pk_lease_holds")),
    )
    op.create_table(
        "lease_receipts",
        sa.Column("lease_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("job_id", sa.String(length=80), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("main", sa.Boolean(), nullable=False),
        sa.Column("charged", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind in ('hold', 'commit', 'void')", name=op.f("ck_lease_receipts_kind")),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name=op.f("fk_lease_receipts_lease_id_leases")),
        sa.PrimaryKeyConstraint("lease_id", "seq", "hash", name=op.f("pk_lease_receipts")),
    )


def downgrade() -> None:
    """Drop them, with their indexes."""
    for table in (
        "lease_receipts",
        "lease_holds",
        "lease_draws",
        "reservations",
        "refunds",
        "ledger_entries",
        "leases",
        "disputes",
        "credit_grants",
        "orders",
        "ledger_txns",
        "ledger_accounts",
        "idempotency",
        "watermarks",
        "stripe_events",
        "packs",
    ):
        op.drop_table(table)
