"""PostgreSQL: server, roles, migrations, SQL, COPY, job ledger. Nothing here commits a job."""
