"""The declared schema, as SQLAlchemy metadata: what a migrated database must equal.

The tables of schema ``crm`` are derived from the model (``domain.model``); checks of values and indexes are
added here. Schema ``demo`` holds what is known about demo tenants; no tenant sees it. Its history outlives a
tenant, so nothing in it references ``crm.tenants``. Hero accounts are no history: they reference their rows
and are deleted with them. A test proves that a migrated database equals the declaration; migrations do not
import it. Functions, policies, grants and views are SQL of the migrations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import UserDefinedType

from demo_pipeline.domain import model
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, WHOLES
from demo_pipeline.domain.model import MODEL, Kind, Model

METADATA: Final = MetaData()

# -- schema crm --------------------------------------------------------------------------------------------

_TYPES: Final[dict[Kind, Any]] = {
    Kind.UUID: Uuid(),
    Kind.TEXT: Text(),
    Kind.INTEGER: Integer(),
    Kind.BOOLEAN: Boolean(),
    Kind.DATE: Date(),
    Kind.INSTANT: DateTime(timezone=True),
    Kind.MONEY: Numeric(15, 2),
    Kind.MONTH: String(7),
}
_LIVING: Final = text("deleted_at IS NULL")
#: table → name → what the values of its rows must meet, besides the model's fixed sets of values
_CHECKS: Final = {
    "pipeline_stages": {
        "probability": "probability BETWEEN 0 AND 100",
        "outcome": "NOT (is_won AND is_lost)",
    },
    "deals": {"value": "value >= 0", "probability": "probability BETWEEN 0 AND 100"},
    "activities": {"duration": "duration_minutes >= 0"},
}
#: table → name and columns that are unique among the living rows of a tenant
_UNIQUE: Final = {
    "users": ("email_key", ["email"]),
    # Of the living only: a tag that was removed can be set again.
    "contact_tags": ("living_key", ["contact_id", "tag_id"]),
}


def declare_crm(crm: Model, metadata: MetaData) -> None:
    """Add the tables of a model to ``metadata``."""
    for table in crm:
        columns = [
            Column(
                column.name,
                _TYPES[column.kind],
                nullable=column.is_nullable,
                server_default=None if column.default is None else text(column.default),
            )
            for column in table.columns
        ]
        Table(table.name, metadata, *columns, *_constraints(table), *_indexes(table), schema="crm")


def _constraints(table: model.Table) -> Iterator[SchemaItem]:
    """Keys, references and checks."""
    name = table.name
    if table.is_tenant:
        yield PrimaryKeyConstraint("id", name=f"{name}_pkey")
        yield UniqueConstraint("slug", name=f"{name}_slug_key")
        return
    yield PrimaryKeyConstraint("tenant_id", "id", name=f"{name}_pkey")
    # Where all references may be absent, the tenant is referenced itself: no row is of nobody's tenant.
    if not any(column.references and column.is_required for column in table.columns):
        yield ForeignKeyConstraint(["tenant_id"], ["crm.tenants.id"], name=f"{name}_tenant_fkey")
    references = [(one.column, f"crm.{one.parent}", one.column) for one in table.references]
    if table.is_counted:
        references.append(("demo_job_id", "demo.job_ledger", "job"))
        # Rules about what jobs write are policies of the loader: people's edits are never refused.
        yield CheckConstraint(
            "NOT demo_generated OR (demo_job_id IS NOT NULL AND demo_source_month IS NOT NULL)",
            name=f"{name}_provenance_check",
        )
    for column, target, label in references:
        yield ForeignKeyConstraint(
            ["tenant_id", column],
            [f"{target}.tenant_id", f"{target}.id"],
            name=f"{name}_{label.removesuffix('_id')}_fkey",
        )
    for column in table.columns:
        if column.values:
            values = ", ".join(f"'{value}'" for value in column.values)
            yield CheckConstraint(f"{column.name} IN ({values})", name=f"{name}_{column.name}_check")
    for label, condition in _CHECKS.get(name, {}).items():
        yield CheckConstraint(condition, name=f"{name}_{label}_check")


def _indexes(table: model.Table) -> Iterator[Index]:
    name = table.name
    if table.is_counted:
        yield Index(
            f"{name}_job_idx",
            *("tenant_id", "demo_job_id", "demo_source_month"),
            postgresql_where=text("demo_generated"),
        )
        yield Index(
            f"{name}_kpi_idx",
            *("tenant_id", "created_at"),
            postgresql_include=list(
                dict.fromkeys(
                    column for metric in METRICS.values() if metric.table == name for column in metric.reads
                )
            ),
            postgresql_where=_LIVING,
        )
    if name in MODEL.monthly:
        yield Index(
            f"{name}_deleted_idx",
            *("tenant_id", "deleted_at"),
            postgresql_where=text("deleted_at IS NOT NULL"),
            info={"revision": "0006_checkpoints"},
        )
    if name in _UNIQUE:
        label, columns = _UNIQUE[name]
        yield Index(f"{name}_{label}", "tenant_id", *columns, unique=True, postgresql_where=_LIVING)
    # Begins with the reference: an index that begins with the tenant competes with the primary key. Where the
    # statistics say that a tenant has a row or two, both look alike to the planner, and a check of a foreign
    # key may read all rows of a large tenant.
    for column in table.columns:
        if column.is_indexed:
            yield Index(f"{name}_{column.name.removesuffix('_id')}_ref_idx", column.name, "tenant_id")


declare_crm(MODEL, METADATA)
#: indexes of schema crm that a later revision than the baseline makes, also in an adopted CRM
LATER_INDEXES: Final = frozenset(
    str(index.name)
    for table in METADATA.tables.values()
    for index in table.indexes
    if "revision" in index.info
)

# -- schema demo -------------------------------------------------------------------------------------------

_MONTH: Final = "'^[0-9]{4}-(0[1-9]|1[0-2])$'"


class TransactionId(UserDefinedType[int]):
    """``xid8``: a transaction id that does not wrap around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def _table(name: str, *items: SchemaItem) -> None:
    Table(name, METADATA, *items, schema="demo")


def _optional(kind: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names]


def _required(name: str, kind: Any, default: str | None = None) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=None if default is None else text(default))


def _reference(name: str, columns: list[str], target: str) -> ForeignKeyConstraint:
    targets = ["tenant_id", "id"] if len(columns) > 1 else [columns[0] if columns[0] != "job_id" else "id"]
    return ForeignKeyConstraint(columns, [f"{target}.{column}" for column in targets], name=name)


_INSTANT: Final = DateTime(timezone=True)

_table(
    "tenant_metadata",
    _required("tenant_id", Uuid),
    _required("slug", Text),
    _required("is_demo_generated", Boolean, "true"),
    _required("incarnation", Integer, "1"),
    _required("blueprint", JSONB),
    _required("plan", JSONB),
    _required("seed", Text),
    _required("lists_version", Text),
    _required("excluded_from_analytics", Boolean, "true"),
    *_optional(Text, "requested_by"),
    _required("provisioned_at", _INSTANT),
    *_optional(_INSTANT, "deleted_at"),
    _required("next_job_number", Integer, "1"),
    *_optional(Uuid, "claim_job_id"),
    *_optional(TransactionId, "claim_xid"),
    *_optional(_INSTANT, "claim_at"),
    *_optional(Uuid, "claim_blueprint_job_id"),
    PrimaryKeyConstraint("tenant_id", name="tenant_metadata_pkey"),
    UniqueConstraint("slug", "incarnation", name="tenant_metadata_slug_key"),
    CheckConstraint("slug ~ '^[a-z][a-z0-9-]{1,38}$'", name="tenant_metadata_slug_check"),
    CheckConstraint("is_demo_generated", name="tenant_metadata_demo_check"),
    CheckConstraint("incarnation >= 1", name="tenant_metadata_incarnation_check"),
    CheckConstraint("next_job_number >= 1", name="tenant_metadata_number_check"),
    Index(
        "tenant_metadata_living_slug_key",
        "slug",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("tenant_metadata_claim_idx", "claim_xid"),
)

#: the blueprint's figures that are loaded, by month; money in major units
_table(
    "tenant_months",
    _required("tenant_id", Uuid),
    _required("month", String(7)),
    _required("loaded_as_of", _INSTANT),
    _required("is_whole", Boolean),
    *(
        _required(metric, Numeric(17, 2) if metric in VALUE_METRICS else BigInteger, "0")
        for metric in METRICS
    ),
    _required("versions", ARRAY(Text), "'{}'"),
    PrimaryKeyConstraint("tenant_id", "month", name="tenant_months_pkey"),
    _reference("tenant_months_tenant_fkey", ["tenant_id"], "demo.tenant_metadata"),
    CheckConstraint(f"month ~ {_MONTH}", name="tenant_months_month_check"),
    CheckConstraint(
        " AND ".join(f"{metric} >= 0" for metric in METRICS if metric not in WHOLES),
        name="tenant_months_positive_check",
    ),
    *(
        CheckConstraint(
            f"{' + '.join(parts)} <= {whole}",
            name=f"tenant_months_{'value' if METRICS[whole].is_value else METRICS[whole].table}_check",
        )
        for whole, parts in WHOLES.items()
    ),
)

_table(
    "job_ledger",
    _required("id", Uuid),
    _required("tenant_id", Uuid),
    _required("incarnation", Integer),
    _required("number", Integer),
    _required("ordinal", Integer, "0"),
    _required("kind", Text),
    *_optional(Text, "mode", "plan_type"),
    *_optional(JSONB, "plan"),
    *_optional(Text, "seed"),
    *_optional(String(7), "range_start_month", "range_end_month"),
    *_optional(JSONB, "tolerances"),
    *_optional(_INSTANT, "as_of"),
    *_optional(JSONB, "before_kpis", "after_kpis", "diff_report"),
    _required("status", Text, "'pending'"),
    *_optional(Uuid, "undone_by"),
    *_optional(JSONB, "metrics"),
    *_optional(Text, "error_code", "error_message", "dagster_run_id", "requested_by"),
    *_optional(Numeric(12, 3), "seconds"),
    _required("created_at", _INSTANT, "now()"),
    *_optional(_INSTANT, "started_at", "completed_at"),
    PrimaryKeyConstraint("id", name="job_ledger_pkey"),
    UniqueConstraint("tenant_id", "id", name="job_ledger_tenant_id_key"),
    UniqueConstraint("tenant_id", "number", name="job_ledger_number_key"),
    _reference("job_ledger_tenant_fkey", ["tenant_id"], "demo.tenant_metadata"),
    _reference("job_ledger_undone_by_fkey", ["tenant_id", "undone_by"], "demo.job_ledger"),
    CheckConstraint("kind ~ '^[a-z][a-z_]*$'", name="job_ledger_kind_check"),
    CheckConstraint("plan_type IN ('deltas', 'targets')", name="job_ledger_plan_type_check"),
    CheckConstraint(
        "status IN ('pending', 'running', 'completed', 'failed')", name="job_ledger_status_check"
    ),
    CheckConstraint("status <> 'completed' OR completed_at IS NOT NULL", name="job_ledger_completed_check"),
    CheckConstraint("number >= 1", name="job_ledger_number_check"),
    CheckConstraint("ordinal >= 0", name="job_ledger_ordinal_check"),
    CheckConstraint(
        f"range_start_month ~ {_MONTH} AND range_end_month ~ {_MONTH}"
        " AND range_start_month <= range_end_month",
        name="job_ledger_range_check",
    ),
    Index(
        "job_ledger_one_running_key", "tenant_id", unique=True, postgresql_where=text("status = 'running'")
    ),
    Index("job_ledger_started_idx", "started_at"),
)

#: what completed jobs changed of what is expected of a month, beyond the blueprint; money in major units
_table(
    "job_months",
    _required("tenant_id", Uuid),
    _required("job_id", Uuid),
    _required("month", String(7)),
    *(
        _required(metric, Numeric(17, 2) if metric in VALUE_METRICS else BigInteger, "0")
        for metric in METRICS
    ),
    PrimaryKeyConstraint("tenant_id", "job_id", "month", name="job_months_pkey"),
    _reference("job_months_job_fkey", ["tenant_id", "job_id"], "demo.job_ledger"),
    CheckConstraint(f"month ~ {_MONTH}", name="job_months_month_check"),
)

#: generated rows that were changed outside of a job, by their job; written by triggers of ``crm`` alone
_table(
    "edited_rows",
    _required("tenant_id", Uuid),
    _required("job_id", Uuid),
    _required("id", Uuid),
    PrimaryKeyConstraint("tenant_id", "job_id", "id", name="edited_rows_pkey"),
)

#: requests of the last minute
_table(
    "requests",
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _required("tenant_id", Uuid),
    _required("at", _INSTANT, "clock_timestamp()"),
    PrimaryKeyConstraint("id", name="requests_pkey"),
    Index("requests_at_idx", "at"),
)

_table(
    "job_progress",
    _required("job_id", Uuid),
    _required("progress", Integer, "0"),
    *_optional(Text, "current_step"),
    _required("updated_at", _INSTANT, "now()"),
    PrimaryKeyConstraint("job_id", name="job_progress_pkey"),
    _reference("job_progress_job_fkey", ["job_id"], "demo.job_ledger"),
    CheckConstraint("progress BETWEEN 0 AND 100", name="job_progress_progress_check"),
)

_table(
    "job_attempts",
    _required("job_id", Uuid),
    _required("attempt", Integer),
    _required("status", Text, "'running'"),
    *_optional(Text, "error_code", "error_message"),
    _required("started_at", _INSTANT, "now()"),
    *_optional(_INSTANT, "ended_at"),
    *_optional(Integer, "backend_pid"),
    *_optional(Text, "requested_by", "dagster_run_id"),
    PrimaryKeyConstraint("job_id", "attempt", name="job_attempts_pkey"),
    _reference("job_attempts_job_fkey", ["job_id"], "demo.job_ledger"),
    CheckConstraint("attempt >= 1", name="job_attempts_attempt_check"),
    CheckConstraint("status IN ('running', 'completed', 'failed')", name="job_attempts_status_check"),
    CheckConstraint("(status = 'running') = (ended_at IS NULL)", name="job_attempts_ended_check"),
)

_table(
    "audit_log",
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _required("at", _INSTANT, "clock_timestamp()"),
    _required("event", Text),
    _required("actor", Text, "SESSION_USER"),
    *_optional(Uuid, "tenant_id"),
    *_optional(Text, "slug"),
    *_optional(Uuid, "job_id"),
    *_optional(JSONB, "detail"),
    PrimaryKeyConstraint("id", name="audit_log_pkey"),
    Index("audit_log_at_idx", "at", "event"),
)

#: months that may be shown
_table(
    "month_releases",
    _required("tenant_id", Uuid),
    _required("month", Text),
    _required("released_at", _INSTANT, "clock_timestamp()"),
    _required("released_by", Text),
    *_optional(Text, "reason"),
    _required("change_count", BigInteger),
    PrimaryKeyConstraint("tenant_id", "month", name="month_releases_pkey"),
    _reference("month_releases_tenant_fkey", ["tenant_id"], "demo.tenant_metadata"),
    CheckConstraint(f"month ~ {_MONTH}", name="month_releases_month_check"),
    CheckConstraint("reason ~ '\\S'", name="month_releases_reason_check"),
    CheckConstraint("change_count >= 0", name="month_releases_count_check"),
)

#: what the last reading of all rows of a tenant found
_table(
    "examinations",
    _required("tenant_id", Uuid),
    _required("examined_at", _INSTANT),
    _required("examined_by", Text),
    _required("fingerprint", Numeric),
    _required("reasons", JSONB),
    _required("notes", JSONB),
    *_optional(Uuid, "checkpoint_id"),
    PrimaryKeyConstraint("tenant_id", name="examinations_pkey"),
    _reference("examinations_tenant_fkey", ["tenant_id"], "demo.tenant_metadata"),
    CheckConstraint("jsonb_typeof(reasons) = 'array'", name="examinations_reasons_check"),
    CheckConstraint("jsonb_typeof(notes) = 'array'", name="examinations_notes_check"),
)

_table(
    "incidents",
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _required("kind", Text),
    _required("subject", Text),
    _required("detail", JSONB, "'{}'"),
    _required("opened_at", _INSTANT, "now()"),
    _required("seen_at", _INSTANT, "now()"),
    *_optional(_INSTANT, "closed_at"),
    PrimaryKeyConstraint("id", name="incidents_pkey"),
    CheckConstraint("kind ~ '^[a-z][a-z_]*$'", name="incidents_kind_check"),
    CheckConstraint("seen_at >= opened_at", name="incidents_seen_check"),
    CheckConstraint("closed_at >= opened_at", name="incidents_closed_check"),
    Index("incidents_open_key", "kind", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
)

#: accounts with a story to present, at most one of each kind
_table(
    "hero_accounts",
    _required("tenant_id", Uuid),
    _required("kind", Text),
    _required("contact_id", Uuid),
    *_optional(Uuid, "company_id"),
    _required("deal_id", Uuid),
    *_optional(Uuid, "earlier_deal_id"),
    _required("is_exact_fit", Boolean),
    _required("chosen_at", _INSTANT),
    PrimaryKeyConstraint("tenant_id", "kind", name="hero_accounts_pkey"),
    *(
        ForeignKeyConstraint(
            ["tenant_id", column],
            [f"crm.{parent}.tenant_id", f"crm.{parent}.id"],
            name=f"hero_accounts_{column.removesuffix('_id')}_fkey",
            ondelete="CASCADE",
        )
        for column, parent in (
            ("contact_id", "contacts"),
            ("company_id", "companies"),
            ("deal_id", "deals"),
            ("earlier_deal_id", "deals"),
        )
    ),
    CheckConstraint("kind IN ('comeback', 'at_risk', 'upsell')", name="hero_accounts_kind_check"),
    CheckConstraint("kind <> 'at_risk' OR earlier_deal_id IS NULL", name="hero_accounts_earlier_check"),
)

#: what each receiver is sent about an incident
_table(
    "incident_notices",
    _required("incident_id", BigInteger),
    _required("receiver", Text),
    _required("is_recovery", Boolean),
    _required("due_at", _INSTANT, "now()"),
    *_optional(_INSTANT, "delivered_at"),
    PrimaryKeyConstraint("incident_id", "receiver", "is_recovery", name="incident_notices_pkey"),
    ForeignKeyConstraint(["incident_id"], ["demo.incidents.id"], name="incident_notices_incident_fkey"),
    CheckConstraint("receiver ~ '^[0-9a-f]{64}$'", name="incident_notices_receiver_check"),
    Index("incident_notices_due_idx", "receiver", "due_at", postgresql_where=text("delivered_at IS NULL")),
)

#: what a tenant was besides its rows, for a rewind or for the undo of one
_table(
    "checkpoints",
    _required("id", Uuid),
    _required("tenant_id", Uuid),
    *_optional(Text, "name"),
    _required("is_automatic", Boolean, "false"),
    _required("taken_at", _INSTANT, "clock_timestamp()"),
    _required("expires_at", _INSTANT),
    *_optional(Text, "digest"),
    _required("row_counts", JSONB, "'{}'"),
    *(_required(name, JSONB) for name in ("tenant", "months", "jobs", "hero_accounts", "table_columns")),
    PrimaryKeyConstraint("id", name="checkpoints_pkey"),
    UniqueConstraint("tenant_id", "name", name="checkpoints_name_key"),
    _reference("checkpoints_job_fkey", ["tenant_id", "id"], "demo.job_ledger"),
    CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]{0,39}$'", name="checkpoints_name_check"),
    CheckConstraint("NOT is_automatic OR name IS NOT NULL", name="checkpoints_automatic_check"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="checkpoints_digest_check"),
    CheckConstraint("(name IS NULL) = (digest IS NULL)", name="checkpoints_named_check"),
)

#: its rows; only the keys are required, since a CRM may accept more than the model does
for _of in MODEL:
    if not _of.is_tenant:
        _table(
            f"checkpoint_{_of.name}",
            _required("checkpoint_id", Uuid),
            *(
                Column(one.name, _TYPES[one.kind], nullable=one.name not in {"tenant_id", "id"})
                for one in _of.columns
            ),
            PrimaryKeyConstraint("checkpoint_id", "id", name=f"checkpoint_{_of.name}_pkey"),
        )

#: rows that a rewind, or the undo of one, changed
_table(
    "rewind_rows",
    _required("checkpoint_id", Uuid),
    _required("entity", Text),
    _required("id", Uuid),
    _required("action", Text),
    _required("is_generated", Boolean),
    PrimaryKeyConstraint("checkpoint_id", "entity", "id", name="rewind_rows_pkey"),
    CheckConstraint(
        "action IN ('changed', 'inserted', 'hidden', 'deleted')", name="rewind_rows_action_check"
    ),
)

#: rows that people had edited when it was taken; of a rewind those whose record it changed
_table(
    "checkpoint_edits",
    _required("checkpoint_id", Uuid),
    _required("job_id", Uuid),
    _required("id", Uuid),
    _required("was_edited", Boolean),
    PrimaryKeyConstraint("checkpoint_id", "job_id", "id", name="checkpoint_edits_pkey"),
)
