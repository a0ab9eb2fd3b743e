"""What all tables share: the metadata with its naming rule, and the types of ids, times and credits."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import DDL, BigInteger, Column, ForeignKey, MetaData, String, Table, event

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def after_create(table: Table, statements: Mapping[str, tuple[str, ...]]) -> None:
    """Have `statements` (by the database's name) follow the making of `table`."""
    for database, lines in statements.items():
        for line in lines:
            event.listen(table, "after_create", DDL(line).execute_if(dialect=database))  # type: ignore[no-untyped-call]


ULID = String(26)
MILLIS = BigInteger
CREDITS = BigInteger


def account_column(*, primary_key: bool = False, nullable: bool = False, index: bool = False) -> Column[str]:
    """A reference to the account that a row belongs to."""
    return Column(
        "account_id", ULID, ForeignKey("accounts.id"), primary_key=primary_key, nullable=nullable, index=index
    )
