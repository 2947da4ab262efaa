"""Whether a tenant can be shown now: its requirements, why one is not met, and the command that cures it."""
