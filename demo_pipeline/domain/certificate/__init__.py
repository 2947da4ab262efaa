"""Which contact values are reserved, by rule and source."""
