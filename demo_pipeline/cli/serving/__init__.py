"""The Dagster UI and daemon as child processes, and the web server that answers its own page only."""
