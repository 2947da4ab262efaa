"""The plan inbox: a folder a tenant, its files applied and answered."""
