"""Runs on other machines: the launcher that queues them in Redis, and the worker that executes them."""
