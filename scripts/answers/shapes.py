"""Parts of JSON Schemas: texts of one form, records, lists, and what several answers share.

A record has all of its fields and no others, unless a field is optional. What one command answers belongs in
``catalogue``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.storage.ledger.job_ledger import STATUSES

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
INTEGER: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
#: what a person or a job wrote: a blueprint, a plan, a measurement; its keys are described elsewhere
ANYTHING: Final[Schema] = {}
DOCUMENT: Final[Schema] = {"type": "object"}


def _form(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


MONTH: Final = _form("month")
INSTANT: Final = _form("instant")
MONEY: Final = _form("money")
ID: Final = _form("id")
DIGEST: Final = _form("digest")
FIGURES: Final = _form("figures")
FIGURES_OF_MONTH: Final = _form("figures_of_month")
MONTH_CHANGE: Final = _form("month_change")


def one_of(values: Iterable[str]) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": sorted(values)}


def record(fields: dict[str, Schema], **optional: Schema) -> Schema:
    """An object with these fields and no others; ``optional`` ones may be missing."""
    return {
        "type": "object",
        "properties": {**fields, **optional},
        "required": list(fields),
        "additionalProperties": False,
    }


def list_of(items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": items}


def mapping(values: Schema, keys: Schema | None = None) -> Schema:
    """An object whose keys are names of something, months for instance."""
    names = {} if keys is None else {"propertyNames": keys}
    return {"type": "object", **names, "additionalProperties": values}


def by_month(values: Schema) -> Schema:
    """An object with a key for each month."""
    return mapping(values, MONTH)


def or_null(schema: Schema) -> Schema:
    """The value, or null where there is none."""
    return {"anyOf": [schema, {"type": "null"}]}


def either(*schemas: Schema) -> Schema:
    """One of several answers, which the options of the command select."""
    return {"anyOf": list(schemas)}


def _figure(metric: str) -> Schema:
    return MONEY if metric in VALUE_METRICS else INTEGER


_FIGURES: Final = {metric: _figure(metric) for metric in METRICS}

#: forms by name; a schema contains those that it refers to
DEFINITIONS: Final[dict[str, Schema]] = {
    "month": {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])$", "description": "A month, as 2025-01."},
    "instant": {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$",
        "description": "An ISO 8601 instant with its offset from UTC.",
    },
    "money": {
        "type": "string",
        "pattern": r"^-?\d+(\.\d+)?$",
        "description": "An amount in major units of the tenant's currency, with all of its decimals.",
    },
    "id": {
        "type": "string",
        "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        "description": "A UUID.",
    },
    "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "A SHA-256."},
    "figures": {**record(_FIGURES), "description": "The KPIs of a month or a span."},
    "figures_of_month": record({"month": MONTH, **_FIGURES}),
    "month_change": record(
        {
            "month": MONTH,
            "metrics": record(
                {
                    metric: record(
                        dict.fromkeys(("before", "target", "after", "delta"), figure) | {"passed": FLAG}
                    )
                    for metric, figure in _FIGURES.items()
                }
            ),
        }
    ),
}

ROW_COUNTS: Final = {**mapping(COUNT), "description": "Rows by table."}
CHANGE_FIELDS: Final[dict[str, Schema]] = {
    "job_id": ID,
    "status": one_of(STATUSES),
    "already_applied": FLAG,
    "created": ROW_COUNTS,
    "months": list_of(MONTH_CHANGE),
    "passed": FLAG,
    "seconds": NUMBER,
}
CHANGE: Final = record(CHANGE_FIELDS)
REPORT: Final = record({"job_id": ID, "tenant": TEXT, **CHANGE_FIELDS})
#: of a job of the ledger
JOB_FIELDS: Final[dict[str, Schema]] = {
    "job_id": ID,
    "tenant": TEXT,
    "tenant_id": ID,
    "incarnation": COUNT,
    "number": COUNT,
    "kind": one_of(JobKind),
    "mode": or_null(TEXT),
    "plan_type": or_null(TEXT),
    "status": one_of(STATUSES),
    "undone_by": or_null(ID),
    "range_start_month": or_null(MONTH),
    "range_end_month": or_null(MONTH),
    "seed": or_null(TEXT),
    "ordinal": or_null(COUNT),
    "as_of": or_null(INSTANT),
    "progress": COUNT,
    "current_step": or_null(TEXT),
    "error_code": or_null(TEXT),
    "error_message": or_null(TEXT),
    "dagster_run_id": or_null(TEXT),
    "requested_by": or_null(TEXT),
    "created_at": INSTANT,
    "started_at": or_null(INSTANT),
    "completed_at": or_null(INSTANT),
    "seconds": or_null(NUMBER),
}
VERDICT: Final = record(
    {
        "tenant": TEXT,
        "is_as_expected": FLAG,
        "findings": list_of(
            record({"check": TEXT, "month": or_null(MONTH), "metric": or_null(TEXT), "message": TEXT})
        ),
        "pending": list_of(MONTH),
        "notes": list_of(TEXT),
    }
)
KPIS: Final = record({"tenant": TEXT, "months": list_of(FIGURES_OF_MONTH)})
_HERO_DEAL: Final = {
    "title": or_null(TEXT),
    "value": or_null(MONEY),
    "currency": TEXT,
    "stage": or_null(TEXT),
    "id": ID,
}
HERO: Final = record(
    {
        "kind": TEXT,
        "is_exact_fit": FLAG,
        "chosen_at": INSTANT,
        "account": TEXT,
        "contact": TEXT,
        "contact_id": ID,
        "company": or_null(TEXT),
        "company_id": or_null(ID),
        "deal": record(_HERO_DEAL),
        "earlier_deal": or_null(record(_HERO_DEAL)),
        "talk_track": list_of(TEXT),
    }
)
PLAN: Final = record(
    {
        "mode": TEXT,
        "plan_type": TEXT,
        "tolerances": record({"count": COUNT, "value": MONEY}),
        "months": list_of(
            record({"month": MONTH, "metrics": record({}, **_FIGURES)}),
        ),
    },
    seed=TEXT,
    fingerprint=TEXT,
)
