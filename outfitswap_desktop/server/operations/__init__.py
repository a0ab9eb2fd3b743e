"""Running the server: migrations, sweeps, e-mail, the audit chain, metrics, logs, backups and health."""
