"""Which contact data can reach nobody, by rule and source."""
