"""SQLite stores of this machine: history; later queue, lease journal and settings."""
