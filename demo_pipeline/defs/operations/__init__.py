"""Sensors that keep Dagster in step with the database."""
