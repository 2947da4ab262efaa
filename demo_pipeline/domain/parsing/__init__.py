"""Single values as people write them: numbers, months, names, choices."""
