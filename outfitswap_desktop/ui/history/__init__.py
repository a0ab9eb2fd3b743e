"""The history of this machine's results: grid, list, search, lineage, diagnostics."""
