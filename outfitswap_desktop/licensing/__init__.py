"""Credits on this machine: what is said to the activation server, leases and their receipts, secrets, and the runner's gate."""
