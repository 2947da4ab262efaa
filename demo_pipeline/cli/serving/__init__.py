"""The Dagster UI and daemon as child processes, and the guarded web server."""
