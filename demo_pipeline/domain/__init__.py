"""What is true of demo tenants: blueprints, plans, figures, rows.

Pure: no clock, environment, network, logging, Dagster or SQL. The one thing read from disk are the
frozen word lists that are part of this package.
"""
