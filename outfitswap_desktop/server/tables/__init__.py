"""The tables of the server's database, by subject; `metadata` knows all of them."""

from outfitswap_desktop.server.tables import accounts, leases, ledger, operations, payments
from outfitswap_desktop.server.tables.base import metadata

__all__ = ["accounts", "leases", "ledger", "metadata", "operations", "payments"]
