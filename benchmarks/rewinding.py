"""Checkpoints and rewinds: what is measured, and the task of ``benchmarks.work`` for a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg

from benchmarks.arena import Arena
from benchmarks.process import peak_bytes, timed, work
from benchmarks.results import Result
from benchmarks.tenants import Sized
from demo_pipeline.services.checkpoints.checkpoint import take_checkpoint
from demo_pipeline.services.checkpoints.rewind import rewind_tenant
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import load_settings
from demo_pipeline.storage.connection.database import open_database

#: milliseconds, of the smallest tenant
_GOALS: Final = {"checkpoint": 300.0, "rewind": 500.0}
_NAME: Final = "before"
#: What people do: a fifth each of rows edited, of values changed, hidden, deleted for good, and new.
_EDITS: Final = (
    (
        "UPDATE crm.contacts SET first_name = 'Ann' WHERE tenant_id = %(tenant)s AND id IN"
        " (SELECT id FROM crm.contacts WHERE tenant_id = %(tenant)s ORDER BY id LIMIT %(count)s)"
    ),
    (
        "UPDATE crm.deals SET value = 1 WHERE tenant_id = %(tenant)s AND id IN"
        " (SELECT id FROM crm.deals WHERE tenant_id = %(tenant)s ORDER BY id LIMIT %(count)s)"
    ),
    (
        "UPDATE crm.activities SET deleted_at = now() WHERE tenant_id = %(tenant)s AND id IN"
        " (SELECT id FROM crm.activities WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT %(count)s)"
    ),
    (
        "DELETE FROM crm.activities WHERE tenant_id = %(tenant)s AND id IN"
        " (SELECT id FROM crm.activities WHERE tenant_id = %(tenant)s ORDER BY id LIMIT %(count)s)"
    ),
    (
        "INSERT INTO crm.contacts (tenant_id, first_name) SELECT %(tenant)s, 'Bob'"
        " FROM generate_series(1, %(count)s)"
    ),
)


def rewinds(arena: Arena, sizes: Sequence[int], runs: int) -> Iterator[Result]:
    """A checkpoint, a hundredth of the rows changed but at least 1,000, a rewind and its undo."""
    peaks: list[float] = []
    for place_number, rows in enumerate(sizes):
        tenant = Sized(slug="harbour-works", rows=rows)
        place = arena.clone("bench_rewind", arena.provisioned(tenant))
        changed = max(1_000, rows // 100)
        work("job", {"slug": tenant.slug}, place.environment)
        arguments = {
            "slug": tenant.slug, "url": place.superuser_url, "changed": changed, "repeats": runs,
        }  # fmt: skip
        found = work("rewind", arguments, place.environment)
        peaks.append(found["peak_bytes"] / 1_000_000)
        for step in ("checkpoint", "rewind", "undo"):
            what = "undo of it" if step == "undo" else step
            yield Result(
                what=f"{what}, tenant of {rows:,} rows, {changed:,} changed",
                unit="ms",
                samples=tuple(seconds * 1000 for seconds in found[step]),
                goal=None if place_number else _GOALS.get(step),
                is_more_better=False,
            )
        arena.drop("bench_rewind")
    yield Result(
        what=f"growth of the process's peak from {sizes[0]:,} to {sizes[-1]:,} rows",
        unit="%",
        samples=((peaks[-1] / peaks[0] - 1) * 100,),
        goal=10,
        is_more_better=False,
    )


def rewind(*, slug: str, url: str, changed: int, repeats: int) -> dict[str, Any]:
    """Seconds of each step, without the first round; the digest is the checkpoint's after each rewind."""
    settings = load_settings()
    seconds: dict[str, list[float]] = {"checkpoint": [], "rewind": [], "undo": []}
    with open_database(settings).pooled() as database, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
        [[tenant]] = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", [slug]).fetchall()
        for number in range(repeats + 1):
            # Each is taken of a fresh tenant: of the rounds before, nothing is left.
            conn.execute("CHECKPOINT")
            with timed() as taken:
                take_checkpoint(database, settings, slug, _NAME, replaces=True)
            before = digest(database, settings, slug)
            for edit in _EDITS:
                conn.execute(edit, {"tenant": tenant, "count": changed // 5})
            with timed() as rewound:
                report = rewind_tenant(database, settings, slug, _NAME)
            if digest(database, settings, slug) != before:
                raise RuntimeError(f"{slug} is not as it was")
            with timed() as undone:
                undo = undo_job(database, settings, report.job_id)
            undo_job(database, settings, undo.job_id)
            conn.execute("DELETE FROM crm.contacts WHERE tenant_id = %s AND NOT demo_generated", [tenant])
            if number:
                for step, clock in (("checkpoint", taken), ("rewind", rewound), ("undo", undone)):
                    seconds[step].append(clock.wall)
    return {**seconds, "peak_bytes": peak_bytes()}
