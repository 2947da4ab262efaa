"""Hero accounts: accounts of a tenant whose story a salesperson can present in two minutes."""
