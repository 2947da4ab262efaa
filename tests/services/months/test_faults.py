"""Jobs that are cut off: nothing is left, the attempt is told failed, the next run completes."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.domain.core.random_streams import Stream
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.queries import digest, list_jobs, show_job
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.forked_program import ForkedProcess, forker
from tests.fixtures.sessions import wait_for_loaders
from tests.services.builders import BLUEPRINT, made, make_tenant, row_counts

#: A job of some tenths of a second, so that random moments fall into all of its parts.
LONGER = BLUEPRINT | {"totals": BLUEPRINT["totals"] | {"activities_created": 9000, "contacts_created": 2000}}

_DRIVER = """
import sys
from demo_pipeline.settings import load_settings
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.services.months.materialise import materialise
settings = load_settings()
materialise(ready_database(settings), settings, sys.argv[1])
"""


@pytest.mark.risk("P1", partial=True)
@pytest.mark.parametrize("seed", range(2))
def test_p01_killed_at_a_random_moment(
    database: Database, database_settings: Settings, database_env: dict[str, str], seed: int
) -> None:
    """SIGKILL of the job's process: no row, the attempt ends up failed, the next run completes it."""
    _kill_and_complete(database, database_settings, database_env, seed)


@pytest.mark.long
@pytest.mark.risk("P1", partial=True)
@pytest.mark.parametrize("seed", range(100, 120))
def test_p01_killed_at_twenty_random_moments(
    database: Database, database_settings: Settings, database_env: dict[str, str], seed: int
) -> None:
    """The same at twenty more moments."""
    _kill_and_complete(database, database_settings, database_env, seed)


def _kill_and_complete(
    database: Database, settings: Settings, environment: dict[str, str], seed: int
) -> None:
    make_tenant(database, settings, LONGER)
    made(database, settings, LONGER, slug="undisturbed")
    empty = row_counts(database)
    process = forker().start(["acme"], {**os.environ, **environment}, code=_DRIVER)
    try:
        _wait_for_start(settings.home / "log" / "events.jsonl", "acme", process)
        # Up to 0.9 s, by the seed.
        time.sleep(int(Stream(("kill",)).below(str(seed), 1, 900)[0]) / 1000)
    finally:
        process.kill()
        process.communicate()
    job = list_jobs(database, settings, "acme")[0]
    was_done = job.status == "completed"
    wait_for_loaders(database)
    if not was_done:
        assert row_counts(database) == empty
    report = materialise(database, settings, "acme")
    assert report.already_applied == was_done
    assert report.job_id == job.id
    attempts = show_job(database, job.id).attempts
    assert [one.status for one in attempts] == (["completed"] if was_done else ["failed", "completed"])
    assert was_done or attempts[0].error_code == "interrupted"
    assert all(verdict.is_as_expected for verdict in verify(database, settings))
    first = digest(database, settings, "acme")
    assert materialise(database, settings, "acme").already_applied
    assert digest(database, settings, "acme") == first


def _wait_for_start(log: Path, slug: str, process: ForkedProcess) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        events = [json.loads(line) for line in lines]
        if any(one["event"] == "PATCH_JOB_STARTED" and one["tenant"] == slug for one in events):
            return
        assert process.poll() is None, "the process ended before its job began"
        time.sleep(0.01)
    pytest.fail("the job did not begin within a minute")


@pytest.mark.risk("P1", partial=True)
def test_p01_connection_cut(database: Database, database_settings: Settings) -> None:
    """The server ends the job's session in the middle: no row, a failed job that says so, a retry works."""
    make_tenant(database, database_settings)
    with database.admin() as conn:
        # The session ends itself, from inside its own INSERT: the surest middle there is.
        conn.execute(
            "CREATE FUNCTION crm.cut() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        conn.execute("CREATE TRIGGER cut AFTER INSERT ON crm.deals EXECUTE FUNCTION crm.cut()")
    with pytest.raises(JobFailedError, match="connection"):
        materialise(database, database_settings, "acme")
    assert row_counts(database)["contacts"] == 0
    assert list_jobs(database, database_settings, "acme")[0].status == "failed"
    with database.admin() as conn:
        conn.execute("DROP TRIGGER cut ON crm.deals")
    materialise(database, database_settings, "acme")
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.risk("P1", partial=True)
def test_p01_a_constraint_that_a_row_breaks(database: Database, database_settings: Settings) -> None:
    """A row that the database refuses takes everything back with it, and the job says which rule it was."""
    make_tenant(database, database_settings)
    with database.admin() as conn:
        conn.execute("ALTER TABLE crm.activities ADD CONSTRAINT no_tasks CHECK (type <> 'task')")
    with pytest.raises(JobFailedError, match="no_tasks"):
        materialise(database, database_settings, "acme")
    assert row_counts(database)["contacts"] == 0
    with database.admin() as conn:
        conn.execute("ALTER TABLE crm.activities DROP CONSTRAINT no_tasks")
    assert not materialise(database, database_settings, "acme").already_applied


@pytest.mark.risk("P2", partial=True)
def test_p02_answer_lost_after_the_commit(database: Database, database_settings: Settings) -> None:
    """The connection dies after the commit and before its answer: the job is done, and said to be done."""
    make_tenant(database, database_settings)
    cuts: list[bool] = []
    with cutting_proxy(database, cuts) as through:
        report = materialise(through, database_settings, "acme")
    assert any(cuts)
    assert report.status == "completed"
    job = list_jobs(database, database_settings, "acme")[0]
    assert (job.id, job.status) == (report.job_id, "completed")
    assert materialise(database, database_settings, "acme").already_applied
    assert verify(database, database_settings)[0].is_as_expected
    assert [one.status for one in show_job(database, job.id).attempts] == ["completed"]


@contextmanager
def cutting_proxy(database: Database, cuts: list[bool]) -> Generator[Database]:
    """The database through a proxy that swallows the answer to the commit of the first finished job."""
    assert database.loader_url is not None
    parts = conninfo_to_dict(database.loader_url)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((str(parts["host"]), int(str(parts["port"]))))
            threading.Thread(target=_pass_on, args=(client, server, cuts), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield replace(
            database,
            loader_url=make_conninfo(database.loader_url, host="127.0.0.1", port=port, sslmode="disable"),
        )
    finally:
        listener.close()


def _pass_on(client: socket.socket, server: socket.socket, cuts: list[bool]) -> None:
    """Bytes both ways until one side ends, or until the commit of a finished job has been answered."""
    has_finished = False
    with client, server:
        while True:
            for ready in select.select([client, server], [], [])[0]:
                piece = ready.recv(65536)
                if not piece:
                    return
                (server if ready is client else client).sendall(piece)
                if ready is client and not cuts:
                    has_finished = has_finished or b"finish_job" in piece
                    if has_finished and b"COMMIT" in piece:
                        server.recv(65536)
                        cuts.append(True)
                        return
