"""Alembic's environment, revisions and their frozen SQL; run by ``storage.schema.migrate`` alone."""
