"""Proof that nobody can be reached through a tenant's contact data."""
