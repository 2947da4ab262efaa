"""A CRM that was there before: what demo tenants need is put beside its tables and rows."""
