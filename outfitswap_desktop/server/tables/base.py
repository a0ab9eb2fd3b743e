"""What all tables share: the metadata with its naming rule, and the types of ids, times and credits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ULID = String(26)
MILLIS = BigInteger
CREDITS = BigInteger


def account_column(*, primary_key: bool = False, nullable: bool = False, index: bool = False) -> Column[str]:
    """A reference to the account that a row belongs to."""
    return Column(
        "account_id", ULID, ForeignKey("accounts.id"), primary_key=primary_key, nullable=nullable, index=index
    )
