"""Offline leases: credits that a device takes along, and what becomes of the receipts that it brings back."""
