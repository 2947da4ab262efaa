"""What each command answers with ``--json``, by the words that call it."""

from __future__ import annotations

from typing import Final

from scripts.answers.platform import PLATFORM_ANSWERS
from scripts.answers.shapes import (
    ANYTHING,
    CHANGE,
    CHANGE_FIELDS,
    COUNT,
    DIGEST,
    DOCUMENT,
    FIGURES,
    FIGURES_OF_MONTH,
    FLAG,
    HERO,
    ID,
    INSTANT,
    INTEGER,
    JOB_FIELDS,
    KPIS,
    MONEY,
    MONTH,
    MONTH_CHANGE,
    NUMBER,
    PLAN,
    REPORT,
    ROW_COUNTS,
    TEXT,
    VERDICT,
    Schema,
    by_month,
    either,
    list_of,
    mapping,
    one_of,
    or_null,
    record,
)

_JOB_CHANGE: Final = {"notes": list_of(TEXT), **CHANGE_FIELDS}
_CHECKPOINT: Final[dict[str, Schema]] = {
    "name": TEXT,
    "is_automatic": FLAG,
    "taken_at": INSTANT,
    "expires_at": INSTANT,
    "rows": COUNT,
    "job_id": ID,
    "digest": DIGEST,
}
_ROW_CHANGES: Final[dict[str, Schema]] = {
    "rows": record(dict.fromkeys(("changed", "inserted", "hidden", "deleted"), ROW_COUNTS)),
    "made_by_jobs": ROW_COUNTS,
}
_REPAIR_GROUP: Final = record({"table": TEXT, "reason": TEXT, "rows": COUNT, "ids": list_of(ID)})
_REPAIR: Final = record(
    {
        "tenant": TEXT,
        "kind": one_of(["repair", "dedupe", "cleanup"]),
        "done": FLAG,
        "hide": list_of(_REPAIR_GROUP),
        "along": ROW_COUNTS,
        "elsewhere": list_of(record({"tenant": TEXT, "tenant_id": ID, "table": TEXT, "rows": COUNT})),
        "deleted_elsewhere": COUNT,
        "kept": list_of(_REPAIR_GROUP),
        "stages": list_of(record({"id": ID, "name": TEXT, "is_won": FLAG, "is_lost": FLAG, "deals": COUNT})),
        "restored_stages": COUNT,
        "heroes": list_of(TEXT),
        "short": list_of(MONTH),
        "job": or_null(CHANGE),
    }
)
_READINESS: Final[dict[str, Schema]] = {
    "tenant": TEXT,
    "ready": FLAG,
    "checkpoint": or_null(TEXT),
    "examined_at": or_null(INSTANT),
    "requirements": mapping(one_of(["met", "not met", "unknown", "none"])),
    "reasons": list_of(record({"requirement": TEXT, "what": TEXT, "remedy": TEXT, "command": or_null(TEXT)})),
    "notes": list_of(TEXT),
    "was_ready": or_null(FLAG),
}
_TENANT_STATE: Final[dict[str, Schema]] = {
    "tenant": TEXT,
    "freshness": or_null(TEXT),
    "as_expected": FLAG,
    "findings": list_of(TEXT),
    "pending": list_of(MONTH),
    "months": list_of(FIGURES_OF_MONTH),
}
_SCORE_COUNTS: Final[dict[str, Schema]] = {"green": COUNT, "red": COUNT, "not_measured": COUNT}
_CERTIFIED: Final = record(
    {"place": TEXT, "rule": TEXT, "value_count": COUNT, "row_count": COUNT, "source": TEXT}
)
_HIDDEN_DEAL: Final = record(
    {"id": ID, "title": or_null(TEXT), "account": TEXT, "value": or_null(MONEY), "month": MONTH}
)
_PROVENANCE: Final = ("with_before", "without_before", "with_after", "without_after")
_WRITTEN: Final[dict[str, Schema]] = {"file": TEXT, "bytes": COUNT}

ANSWERS: Final[dict[str, Schema]] = {
    "run": record(
        {
            "passed": FLAG,
            "jobs": list_of(REPORT),
            "verdicts": list_of(VERDICT),
            "kpis": list_of(KPIS),
            "warnings": list_of(TEXT),
        }
    ),
    "ready": either(
        record(_READINESS),
        record({"ready": FLAG, "read_at": INSTANT, "tenants": list_of(record(_READINESS))}),
    ),
    "generate": record({"jobs": list_of(REPORT)}),
    "kpis": KPIS,
    "verify": record({"passed": FLAG, "tenants": list_of(VERDICT)}),
    "digest": record({"tenant": TEXT, "digest": DIGEST}),
    "release": record(
        {
            "tenant": TEXT,
            "released": list_of(MONTH),
            "months": list_of(
                record(
                    {
                        "month": MONTH,
                        "state": TEXT,
                        "released_at": or_null(INSTANT),
                        "released_by": or_null(TEXT),
                        "reason": or_null(TEXT),
                    }
                )
            ),
            "kept_back": by_month(list_of(record({"check": TEXT, "message": TEXT}))),
        }
    ),
    "scan": record(
        {
            "clean": FLAG,
            "tenants": list_of(
                record(
                    {
                        "tenant": TEXT,
                        "clean": FLAG,
                        "columns": COUNT,
                        "values": COUNT,
                        "findings": list_of(
                            record(
                                {
                                    "check": TEXT,
                                    "place": TEXT,
                                    "word": TEXT,
                                    "count": COUNT,
                                    "examples": list_of(TEXT),
                                }
                            )
                        ),
                    }
                )
            ),
        }
    ),
    "certify": either(
        record(
            {
                "tenant": TEXT,
                "as_of": INSTANT,
                "holds": FLAG,
                "certified": list_of(
                    record(
                        {
                            "place": TEXT,
                            "rule": TEXT,
                            "value_count": COUNT,
                            "row_count": COUNT,
                            "source": TEXT,
                        }
                    )
                ),
                "uncovered": list_of(record({"place": TEXT, "value": TEXT, "row_count": COUNT})),
            }
        ),
        record({**_WRITTEN, "assertions": COUNT}),
    ),
    "export": record(
        {
            "tenant": TEXT,
            "folder": TEXT,
            "format": one_of(["parquet", "csv", "xlsx"]),
            "as_of": INSTANT,
            "digest": DIGEST,
            "tables": list_of(record({"table": TEXT, "file": TEXT, "row_count": COUNT})),
            "unreleased": list_of(MONTH),
            "certificate_holds": FLAG,
        }
    ),
    "repair": _REPAIR,
    "dedupe": _REPAIR,
    "cleanup": _REPAIR,
    "report": either(
        record(
            {
                **_WRITTEN,
                "as_of": INSTANT,
                **_TENANT_STATE,
                "funnel": mapping(COUNT),
                "closings": list_of(
                    record(
                        {
                            "month": MONTH,
                            "won_count": COUNT,
                            "lost_count": COUNT,
                            "won_value": MONEY,
                            "lost_value": MONEY,
                        }
                    )
                ),
                "open": list_of(
                    record({"stage": TEXT, "count": COUNT, "value": MONEY, "weighted_value": MONEY})
                ),
                "heroes": list_of(HERO),
                "scorecard": or_null(record(_SCORE_COUNTS)),
            }
        ),
        record({**_WRITTEN, "as_of": INSTANT, "tenants": list_of(record(_TENANT_STATE))}),
    ),
    "score": record(
        {
            "tenant": TEXT,
            "as_of": INSTANT,
            **_SCORE_COUNTS,
            "scores": list_of(
                record(
                    {
                        "measure": TEXT,
                        "figure": or_null(NUMBER),
                        "expected": TEXT,
                        "low": or_null(NUMBER),
                        "high": or_null(NUMBER),
                        "unit": TEXT,
                        "sample": COUNT,
                        "least_sample": COUNT,
                        "verdict": one_of(["green", "red", "not measured"]),
                        "detail": TEXT,
                        "title": TEXT,
                        "population": TEXT,
                        "source": TEXT,
                    }
                )
            ),
        }
    ),
    "sample": record(
        {
            "tenant": TEXT,
            "currency": TEXT,
            "timezone": TEXT,
            "people": list_of(
                record(
                    {
                        "id": ID,
                        "name": or_null(TEXT),
                        **{name: or_null(TEXT) for name in ("email", "phone", "status", "source")},
                        "created_at": INSTANT,
                        **{name: or_null(TEXT) for name in ("company", "company_size", "city", "owner")},
                        "deals": list_of(
                            record(
                                {
                                    "title": or_null(TEXT),
                                    "value": or_null(MONEY),
                                    "stage": or_null(TEXT),
                                    "created_at": INSTANT,
                                    "closed_at": or_null(INSTANT),
                                    "expected_close_on": or_null(TEXT),
                                }
                            )
                        ),
                        "activities": list_of(
                            record(
                                {
                                    **{
                                        name: or_null(TEXT)
                                        for name in ("type", "subject", "description", "deal", "author")
                                    },
                                    "created_at": INSTANT,
                                    "scheduled_at": or_null(INSTANT),
                                    "completed_at": or_null(INSTANT),
                                }
                            )
                        ),
                    }
                )
            ),
        }
    ),
    "checkpoint": either(
        record({"tenant": TEXT, **_CHECKPOINT, "seconds": NUMBER}),
        record({"tenant": TEXT, "name": TEXT, "deleted": FLAG, "job_id": ID}),
    ),
    "checkpoints": record({"tenant": TEXT, "checkpoints": list_of(record(_CHECKPOINT))}),
    "rewind": either(
        record(
            {
                "tenant": TEXT,
                "checkpoint": TEXT,
                "done": {"const": False},
                **_ROW_CHANGES,
                "jobs": list_of(record({"job_id": ID, "kind": TEXT})),
                "months": list_of(record({"month": MONTH, "now": FIGURES, "then": FIGURES})),
            }
        ),
        record(
            {"tenant": TEXT, "checkpoint": TEXT, "done": {"const": True}, **CHANGE_FIELDS, **_ROW_CHANGES}
        ),
    ),
    "tenant provision": record(
        {
            "tenant": TEXT,
            "tenant_id": ID,
            "is_new": FLAG,
            "first_month": MONTH,
            "last_month": MONTH,
            "warnings": list_of(TEXT),
        }
    ),
    "tenant preview": record(
        {
            "tenant": TEXT,
            "currency": TEXT,
            "is_living": FLAG,
            "first_month": MONTH,
            "last_month": MONTH,
            "heal": TEXT,
            "lists": mapping(COUNT),
            "months": list_of(FIGURES_OF_MONTH),
            "warnings": list_of(TEXT),
        }
    ),
    "tenant extend": record(
        {
            "tenant": TEXT,
            "job_id": or_null(ID),
            "last_month": MONTH,
            "already_applied": FLAG,
            "months": list_of(FIGURES_OF_MONTH),
            "now": by_month(FIGURES),
        }
    ),
    "tenant list": record(
        {
            "tenants": list_of(
                record(
                    {
                        "tenant": TEXT,
                        "tenant_id": ID,
                        **dict.fromkeys(("name", "country", "industry", "currency"), TEXT),
                        "incarnation": COUNT,
                        "provisioned_at": INSTANT,
                        "is_living": FLAG,
                        "end_month": or_null(MONTH),
                        "loaded_month_count": COUNT,
                        "last_job_status": or_null(TEXT),
                    }
                )
            )
        }
    ),
    "tenant show": record(
        {
            "tenant": TEXT,
            "tenant_id": ID,
            **dict.fromkeys(("name", "country", "timezone", "currency", "industry"), TEXT),
            "incarnation": COUNT,
            "seed": TEXT,
            "lists_version": TEXT,
            "provisioned_at": INSTANT,
            "versions": list_of(TEXT),
            "excluded_from_analytics": FLAG,
            "first_month": MONTH,
            "last_month": MONTH,
            "is_living": FLAG,
            "end_month": or_null(MONTH),
            "heal": TEXT,
            "extensions": list_of(record({"job_id": ID, "to": MONTH})),
            "totals": FIGURES,
            "months": list_of(
                record(
                    {
                        "month": MONTH,
                        "is_whole": FLAG,
                        "loaded_as_of": or_null(INSTANT),
                        "versions": list_of(TEXT),
                        "expected": FIGURES,
                    }
                )
            ),
            "heroes": list_of(HERO),
            "blueprint": DOCUMENT,
            "jobs": list_of(record(JOB_FIELDS)),
        }
    ),
    "tenant delete": record({"tenant": TEXT, "deleted": ROW_COUNTS}),
    "plan preview": record(
        {
            "feasible": FLAG,
            "errors": list_of(
                record(
                    {
                        "month": or_null(MONTH),
                        "metric": or_null(TEXT),
                        "code": TEXT,
                        "message": TEXT,
                        "suggestion": ANYTHING,
                    }
                )
            ),
            "warnings": list_of(TEXT),
            **{name: by_month(FIGURES) for name in ("now", "blueprint", "before", "deltas", "targets")},
            "rows": by_month(ROW_COUNTS),
            "rows_before": COUNT,
            "suggestion": or_null(PLAN),
            "estimated_seconds": or_null(NUMBER),
            "already_applied": or_null(ID),
        },
        fingerprint=TEXT,
        changes=list_of(record({"month": MONTH, "table": TEXT, "hidden": COUNT, "made": COUNT})),
        largest_hidden_deals=list_of(_HIDDEN_DEAL),
        hidden_rows=mapping(list_of(ID)),
    ),
    "plan write": PLAN,
    "patch apply": either(CHANGE, record({"jobs": list_of(CHANGE), "passed": FLAG})),
    "job list": record({"jobs": list_of(record(JOB_FIELDS)), "total": COUNT}),
    "job show": record(
        {
            **JOB_FIELDS,
            "months": list_of(MONTH_CHANGE),
            "plan": or_null(DOCUMENT),
            "tolerances": or_null(DOCUMENT),
            "metrics": or_null(DOCUMENT),
            "before_kpis": or_null(by_month(FIGURES)),
            "after_kpis": or_null(by_month(FIGURES)),
            "diff_report": or_null(by_month(mapping(FIGURES))),
            "attempts": list_of(
                record(
                    {
                        "attempt": INTEGER,
                        "status": TEXT,
                        "started_at": INSTANT,
                        "ended_at": or_null(INSTANT),
                        "requested_by": or_null(TEXT),
                        "dagster_run_id": or_null(TEXT),
                        "error_code": or_null(TEXT),
                        "error_message": or_null(TEXT),
                    }
                )
            ),
        }
    ),
    "job undo": record({"tenant": TEXT, "kind": TEXT, "undoes": ID, **_JOB_CHANGE}),
    "job retry": record({"tenant": TEXT, "kind": TEXT, "retries": ID, **_JOB_CHANGE}),
    "provenance backfill": record(
        {
            "tenant": TEXT,
            "job_id": or_null(ID),
            "tables": mapping(record({**dict.fromkeys(_PROVENANCE, COUNT), "untold": list_of(ID)})),
        }
    ),
    **PLATFORM_ANSWERS,
}
