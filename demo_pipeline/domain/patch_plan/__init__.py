"""Patch plans: what a person asks of some months, read, checked and resolved to deltas."""
