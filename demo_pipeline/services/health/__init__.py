"""The state of all demo tenants: watched figures, alerts, incidents and the notices about them."""
