"""The platform: a ready database, Dagster's instance, its asset pages."""
