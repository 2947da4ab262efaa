"""Months of tenants as assets: the graph that makes them, their jobs and schedules."""
