"""The activation server: accounts, the ledger of credits, payments through Stripe, and signed leases. Nobody imports it."""
