"""Accounts: who somebody is, how they sign in, from which devices, and what they may ask of their own data."""
