"""Connections: URL, login, session settings, poolers, the server clock."""
