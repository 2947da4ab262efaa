"""Checkpoints: remember all that a tenant is, and go back to it."""
