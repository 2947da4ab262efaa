"""Blueprints: what a person declares of a tenant, checked, and resolved to figures of every month."""
