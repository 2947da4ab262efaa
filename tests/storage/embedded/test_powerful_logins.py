"""A login for jobs that may more than a loader is refused; only a superuser can make all of these."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from demo_pipeline.storage.database import Database
from tests.fixtures.postgres import PostgresServer, refusal


@pytest.mark.parametrize(
    ("powers", "roles", "complaint"),
    [
        ("SUPERUSER", ["demo_loader"], "SUPERUSER"),
        ("BYPASSRLS", ["demo_loader"], "BYPASSRLS"),
        ("CREATEROLE", ["demo_loader"], "CREATEROLE"),
        ("", ["demo_loader", "crm_reader"], "member of crm_reader"),
        ("", ["demo_loader", "demo_owner"], "member of demo_owner"),
        ("", [], "not a member of demo_loader"),
    ],
)
def test_loader_that_may_more_is_refused(
    postgres_server: PostgresServer,
    database: Database,
    powers: LiteralString,
    roles: list[str],
    complaint: str,
) -> None:
    """The database's guards hold for a loader only, so nobody else is one."""
    login, password = f"{postgres_server.prefix}_{secrets.token_hex(4)}", secrets.token_hex(8)
    name = sql.Identifier(login)
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                name, sql.SQL(powers), sql.Literal(password)
            )
        )
        try:
            for role in roles:
                conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), name))
            assert database.loader_url is not None
            address = database.loader_url.partition("@")[2]
            url = f"postgresql://{login}:{password}@{address}"
            message = refusal(replace(database, loader_url=url), as_loader=True)
            assert complaint in message
            assert "DEMO_LOADER_URL" in message
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(name))
