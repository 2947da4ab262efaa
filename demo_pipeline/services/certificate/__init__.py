"""Proof that a tenant's contact values are reserved."""
