"""Use cases, one a module. A service owns its transaction."""
