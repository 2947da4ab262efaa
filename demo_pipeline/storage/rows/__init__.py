"""Rows of tenants in SQL: loaded, counted, compared, checked, soft-deleted."""
