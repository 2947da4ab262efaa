"""The embedded PostgreSQL server: its programs, its folder, its process."""
