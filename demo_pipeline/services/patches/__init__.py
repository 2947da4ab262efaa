"""Patches: drafted, previewed, applied, split, undone."""
