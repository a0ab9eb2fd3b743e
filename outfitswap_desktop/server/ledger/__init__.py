"""The ledger of credits: double entry, append-only; every balance can be recomputed from its entries."""
