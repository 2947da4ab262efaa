"""Answers of the commands that need no tenant: folders, pages, health, the database."""

from __future__ import annotations

from typing import Final

from scripts.answers.shapes import (
    COUNT,
    FLAG,
    INSTANT,
    INTEGER,
    NUMBER,
    TEXT,
    Schema,
    either,
    list_of,
    mapping,
    one_of,
    or_null,
    record,
)

_REVISION: Final = record({"revision": or_null(TEXT)})

PLATFORM_ANSWERS: Final[dict[str, Schema]] = {
    "init": record(
        {
            "folder": TEXT,
            "tenant": TEXT,
            "written": list_of(TEXT),
            "kept": list_of(TEXT),
            "next": list_of(TEXT),
        }
    ),
    "serve": record({"url": TEXT}),
    "worker": record({"queue": TEXT, "slots": COUNT}),
    "health": either(
        record(
            {
                "healthy": FLAG,
                "read_at": INSTANT,
                "figures": list_of(
                    record(
                        {
                            "name": TEXT,
                            "value": or_null(NUMBER),
                            "threshold": NUMBER,
                            "attempts": or_null(COUNT),
                            "is_alert": FLAG,
                        }
                    )
                ),
                "alerts": list_of(
                    record(
                        {
                            "kind": TEXT,
                            "subject": TEXT,
                            "tenant": or_null(TEXT),
                            "months": or_null(TEXT),
                            "job_id": or_null(TEXT),
                            "run_id": or_null(TEXT),
                            "opened_at": or_null(INSTANT),
                            "seen_at": INSTANT,
                            "what": TEXT,
                            "remedy": TEXT,
                            "command": or_null(TEXT),
                        }
                    )
                ),
                "tenants": list_of(
                    record(
                        {
                            "tenant": TEXT,
                            "state": one_of(["fresh", "stale", "closed"]),
                            "last_activity_at": or_null(INSTANT),
                            "loaded_until": or_null(INSTANT),
                            "quiet_minutes": or_null(COUNT),
                            "allowed_minutes": or_null(COUNT),
                        }
                    )
                ),
                "jobs": mapping(COUNT),
                "last_completed_at": or_null(INSTANT),
                "receivers": list_of(TEXT),
                "undelivered_notices": COUNT,
            }
        ),
        record({"receivers": list_of(record({"name": TEXT, "error": or_null(TEXT)}))}),
    ),
    "db upgrade": either(
        _REVISION,
        record(
            {
                "current": or_null(TEXT),
                "target": TEXT,
                "revisions": list_of(
                    record(
                        {
                            "revision": TEXT,
                            "steps": list_of(record({"sql": TEXT, "in_transaction": FLAG})),
                        }
                    )
                ),
                "script": or_null(TEXT),
            }
        ),
    ),
    "db downgrade": _REVISION,
    "db backup": record(
        {
            "file": TEXT,
            "size_bytes": COUNT,
            "revision": or_null(TEXT),
            "table_count": COUNT,
            "pg_dump": TEXT,
            "restore": TEXT,
        }
    ),
    "db restore": record({"database": TEXT, "revision": or_null(TEXT)}),
    "db adopt": record(
        {
            "revision": or_null(TEXT),
            "already_adopted": FLAG,
            "tables": list_of(
                record(
                    {
                        "table": TEXT,
                        "estimated_rows": INTEGER,
                        "size_bytes": COUNT,
                        "columns": mapping(TEXT),
                        **{
                            name: list_of(TEXT)
                            for name in (
                                *("constraints", "indexes", "triggers", "checks"),
                                *("demo_rows_leave_null", "demo_rows_leave_some_null"),
                                *("demo_rows_leave_to_default", "must_fill", "must_fill_newly"),
                            )
                        },
                    }
                )
            ),
            "roles": list_of(TEXT),
            "steps": list_of(record({"step": TEXT, "scans": FLAG})),
        }
    ),
    "db url": record({"url": TEXT}),
    "db status": record({"folder": TEXT, "is_running": FLAG, "url": or_null(TEXT)}),
    "db stop": record({"was_running": FLAG}),
}
