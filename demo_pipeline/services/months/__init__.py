"""Months of a tenant: what is missing, and the job that makes it."""
