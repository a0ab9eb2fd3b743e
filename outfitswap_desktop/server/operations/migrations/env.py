"""Alembic's way in: runs the revisions on the connection and in the transaction that operations.migrate has opened."""

from __future__ import annotations

from alembic import context

from outfitswap_desktop.server.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
