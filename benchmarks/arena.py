"""A throw-away embedded server with a migrated database that is cloned for each measurement."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from benchmarks.process import server_cpu_seconds, work
from benchmarks.tenants import NO_CAPS, Sized
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.storage.embedded import server
from demo_pipeline.storage.embedded.server import Endpoint
from demo_pipeline.storage.schema import migrate

_EMPTY: Final = "bench_empty"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One database, by the URLs of who may enter."""

    name: str
    #: bypasses row-level security
    superuser_url: str = field(repr=False)
    admin_url: str = field(repr=False)
    loader_url: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """Settings that name it, and caps that stop nothing."""
        return {"DEMO_DATABASE_URL": self.admin_url, "DEMO_LOADER_URL": self.loader_url, **NO_CAPS}


@dataclass(frozen=True, kw_only=True)
class Arena:
    """The server and its folder."""

    folder: Path
    endpoint: Endpoint

    def place(self, name: str) -> Place:
        def url(of_login: str) -> str:
            return f"{of_login.rpartition('/')[0]}/{name}"

        return Place(
            name=name,
            superuser_url=url(self.endpoint.superuser_url),
            admin_url=url(self.endpoint.admin_url),
            loader_url=url(self.endpoint.loader_url),
        )

    def cpu_seconds(self) -> float:
        """CPU seconds of the server since its start."""
        return server_cpu_seconds(self.endpoint.pid)

    def version(self) -> str:
        with psycopg.connect(self.endpoint.superuser_url) as conn:
            return str(conn.info.parameter_status("server_version"))

    def server_settings(self) -> dict[str, str]:
        """Settings that weigh in a load."""
        names = ("shared_buffers", "max_wal_size", "fsync", "synchronous_commit", "full_page_writes")
        with psycopg.connect(self.endpoint.superuser_url) as conn:
            return {
                name: str(conn.execute("SELECT current_setting(%s)", [name]).fetchone()[0])  # type: ignore[index]
                for name in names
            }

    def clone(self, name: str, template: str = _EMPTY) -> Place:
        """A copy of another database that nobody is connected to; one of the same name is dropped."""
        place = self.place(name)
        with psycopg.connect(self.endpoint.superuser_url, autocommit=True) as conn:
            _drop(conn, name)
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER crm_admin").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
            # A copy does not get the grants on the database itself.
            conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            conn.execute(
                sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO demo_loader").format(sql.Identifier(name))
            )
            # What was written before shall not be flushed on the next measurement's time.
            conn.execute("CHECKPOINT")
        return place

    def drop(self, name: str) -> None:
        with psycopg.connect(self.endpoint.superuser_url, autocommit=True) as conn:
            _drop(conn, name)

    def provisioned(self, tenant: Sized) -> str:
        """The name of a database in which the tenant waits for its first load; made once."""
        name = f"bench_waiting_{tenant.slug}_{tenant.rows}".replace("-", "_")
        with psycopg.connect(self.endpoint.superuser_url) as conn:
            found = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is None:
            place = self.clone(name)
            self.provision(place, tenant)
        return name

    def provision(self, place: Place, tenant: Sized) -> None:
        """Make the tenant, and no rows of it."""
        work("provision", {"path": str(tenant.write(self.folder))}, place.environment)


@contextmanager
def open_arena(folder: Path | None = None) -> Generator[Arena]:
    """A server, stopped and deleted at the end unless ``folder`` is given: then it is used again."""
    base = folder or Path(tempfile.mkdtemp(prefix="demo-pipeline-bench-"))
    base.mkdir(parents=True, exist_ok=True)
    # The server of a run by root has another account, which must pass through.
    base.chmod(0o711)
    home = base / "home"
    try:
        arena = Arena(folder=base, endpoint=server.ensure_running(home))
        with psycopg.connect(arena.endpoint.superuser_url, autocommit=True) as conn:
            names = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bench%'").fetchall()
            for (name,) in names:
                _drop(conn, name)
            conn.execute(sql.SQL("CREATE DATABASE {} OWNER crm_admin").format(sql.Identifier(_EMPTY)))
        migrate.upgrade(arena.place(_EMPTY).admin_url)
        yield arena
    finally:
        with suppress(DemoError):
            server.stop(home)
            server_base = server.status(home).data_dir.parent
            if folder is None and server_base != home:
                shutil.rmtree(server_base, ignore_errors=True)
        if folder is None:
            shutil.rmtree(base, ignore_errors=True)


def _drop(conn: psycopg.Connection, name: str) -> None:
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
