"""How believable a tenant is: the scorecard of its rows, and a sample of its people."""
