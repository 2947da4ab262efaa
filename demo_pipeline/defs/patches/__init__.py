"""Patches in Dagster: the job, the inbox sensor, and what the asset pages show of patches."""
