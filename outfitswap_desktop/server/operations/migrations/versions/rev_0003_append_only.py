"""The ledger's journal and the audit chain can only be added to."""

from __future__ import annotations

from collections.abc import Mapping

from alembic import op

from outfitswap_desktop.server.tables import ledger, operations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the triggers."""
    _run(ledger.APPEND_ONLY, operations.APPEND_ONLY)


def downgrade() -> None:
    """Drop them."""
    _run(operations.NOT_APPEND_ONLY, ledger.NOT_APPEND_ONLY)


def _run(*parts: Mapping[str, tuple[str, ...]]) -> None:
    tx = op.get_bind()
    for part in parts:
        for line in part[tx.dialect.name]:
            tx.exec_driver_sql(line)
