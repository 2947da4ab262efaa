"""Dagster definitions: partitions, assets, checks, jobs. Bodies of a few lines that call a service."""
