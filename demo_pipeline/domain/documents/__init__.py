"""Documents that the product writes and reads back: stored JSON, starter files."""
