"""The schema: declared tables, migrations, and the way from one revision to another."""
