"""Patches that are measured, in a process of their own; tasks of ``benchmarks.work``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from benchmarks.process import timed
from benchmarks.tenants import LAST_MONTH, PATCHED
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.settings import load_settings
from demo_pipeline.storage.connection.database import open_database

#: Which rows of a table are those of a job, parents first.
_OF_JOB: Final[Mapping[str, LiteralString]] = {
    "companies": "demo_job_id = %s",
    "contacts": "demo_job_id = %s",
    "contact_tags": "contact_id IN (SELECT id FROM crm.contacts WHERE demo_job_id = %s)",
    "deals": "demo_job_id = %s",
    "activities": "demo_job_id = %s",
}


def patch(*, slug: str, repeats: int, is_keeping: bool) -> dict[str, Any]:
    """A patch of three months, 500 rows each, again and again; the first one is not counted.

    ``is_keeping``: they use the same connections.
    """
    settings = load_settings()
    seconds: list[float] = []
    rows: set[int] = set()
    with ExitStack() as stack:
        database = open_database(settings)
        if is_keeping:
            database = stack.enter_context(database.pooled())
        for _ in range(repeats + 1):
            with timed() as clock:
                report = apply_patch(database, settings, slug, _plan(1), again=True)
            seconds.append(clock.wall)
            rows.add(_checked(report))
    return {"seconds": seconds[1:], "rows": rows.pop()}


def large_patch(*, slug: str, url: str, times: int, repeats: int) -> dict[str, Any]:
    """A patch ``times`` as large, and a superuser's COPY of the very rows, which are taken out for it."""
    settings = load_settings()
    database = open_database(settings)
    found: dict[str, list[float]] = {"service": [], "copy": []}
    with psycopg.connect(url, autocommit=True) as conn:
        for _ in range(repeats):
            with timed() as clock:
                report = apply_patch(database, settings, slug, _plan(times), again=True)
            _checked(report)
            taken = _taken_out(conn, report)
            count = sum(rows for rows, _ in taken.values())
            found["service"].append(count / clock.wall)
            found["copy"].append(count / _put_back(conn, taken))
    return found


def _plan(times: int) -> PatchPlan:
    figures = {metric: figure * times for metric, figure in PATCHED.items()}
    return PatchPlan(
        months=tuple(MonthRequest(month, figures) for month in (LAST_MONTH + -2).until(LAST_MONTH))
    )


def _checked(report: JobReport) -> int:
    """Rows of the counted tables."""
    if not report.is_passed:
        raise RuntimeError(f"{report.tenant}: a KPI is off")
    return sum(report.created.values())


def _taken_out(conn: psycopg.Connection[Any], report: JobReport) -> dict[str, tuple[int, list[bytes]]]:
    """The job's rows by table, as binary COPY; gone from the tables, and vacuumed away."""
    taken: dict[str, tuple[int, list[bytes]]] = {}
    with conn.cursor() as cursor:
        for table, condition in _OF_JOB.items():
            rows = sql.SQL("COPY (SELECT * FROM crm.{} WHERE {} ORDER BY ctid) TO STDOUT (FORMAT binary)")
            with cursor.copy(rows.format(sql.Identifier(table), sql.SQL(condition)), [report.job_id]) as copy:
                pieces = [bytes(piece) for piece in copy]
            taken[table] = (cursor.rowcount, pieces)
        for table, condition in reversed(list(_OF_JOB.items())):
            cursor.execute(
                sql.SQL("DELETE FROM crm.{} WHERE {}").format(sql.Identifier(table), sql.SQL(condition)),
                [report.job_id],
            )
        cursor.execute("VACUUM")
        cursor.execute("CHECKPOINT")
    return taken


def _put_back(conn: psycopg.Connection[Any], taken: dict[str, tuple[int, list[bytes]]]) -> float:
    """Seconds that COPY into the tables takes, one transaction."""
    # As the loader's session has it: else the cached plans of foreign-key checks may scan.
    conn.execute("SET enable_seqscan = off")
    conn.execute("SET plan_cache_mode = force_generic_plan")
    conn.execute("SET jit = off")
    with timed() as clock, conn.transaction(), conn.cursor() as cursor:
        for table, (_, pieces) in taken.items():
            statement = sql.SQL("COPY crm.{} FROM STDIN (FORMAT binary)").format(sql.Identifier(table))
            with cursor.copy(statement) as copy:
                for piece in pieces:
                    copy.write(piece)
    return clock.wall
