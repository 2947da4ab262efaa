"""What the product stands on: a ready database, Dagster's instance, its asset pages."""
