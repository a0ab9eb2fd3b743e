"""Purchases: what is for sale, orders paid on Stripe's pages, and what Stripe says of them afterwards."""
