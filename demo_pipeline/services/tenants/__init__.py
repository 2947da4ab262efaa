"""Tenants as a whole: provisioned, extended, looked at, verified, scanned, deleted."""
