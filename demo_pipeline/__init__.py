"""Exact, reproducible demo tenants beside real customers, in PostgreSQL, through Dagster."""
