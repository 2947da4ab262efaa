"""Demo tenants and the jobs that changed them."""
