"""A login for jobs that may more than a loader is refused; only a superuser can make all of these."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.connection.database import Database
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
    with _login(postgres_server, database, powers, roles) as (_, given):
        message = refusal(given, as_loader=True)
        assert complaint in message
        assert "DEMO_LOADER_URL" in message


def test_a_kept_loader_that_was_given_more_is_refused(
    postgres_server: PostgresServer, database: Database
) -> None:
    """What a login may is looked at with each use, not with each connection."""
    with (
        _login(postgres_server, database, "", ["demo_loader"]) as (name, given),
        given.pooled() as kept,
    ):
        with kept.loader() as conn:
            pid = conn.info.backend_pid
        with kept.loader() as conn:
            assert conn.info.backend_pid == pid
        with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
            conn.execute(sql.SQL("GRANT crm_reader TO {}").format(sql.Identifier(name)))
        with pytest.raises(DatabaseError, match="member of crm_reader"), kept.loader():
            pass


@contextmanager
def _login(
    server: PostgresServer, database: Database, powers: LiteralString, roles: list[str]
) -> Generator[tuple[str, Database]]:
    """A login, and the database with it as the loader's."""
    login, password = f"{server.prefix}_{secrets.token_hex(4)}", secrets.token_hex(8)
    name = sql.Identifier(login)
    with psycopg.connect(server.owner_url, autocommit=True) as conn:
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
            yield login, replace(database, loader_url=f"postgresql://{login}:{password}@{address}")
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(name))
