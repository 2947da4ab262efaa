"""The tables of schema ``crm``, declared.

What the CRM holds of every tenant, real ones and demos side by side. Every key and every reference
carries the tenant. A test proves that a migrated database equals this; migrations do not import it.
The tables of schema ``demo`` are in ``tables``; functions, policies, grants and views are SQL of the
migrations.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
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
from sqlalchemy.schema import SchemaItem

from demo_pipeline.domain.model import ACTIVITY_TYPES, CONTACT_STATUSES, USER_ROLES

METADATA: Final = MetaData()

_LIVING: Final = text("deleted_at IS NULL")


def _text(name: str, *, required: bool = False, default: str | None = None) -> Column[Any]:
    return Column(
        name,
        Text,
        nullable=not (required or default),
        server_default=text(f"'{default}'") if default else None,
    )


def _one_of(column: str, values: tuple[str, ...]) -> str:
    """The condition that a column has one of these values."""
    quoted = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({quoted})"


def _instant(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True))


def _uuid(name: str, *, required: bool = False) -> Column[Any]:
    return Column(name, Uuid, nullable=not required)


def _required(name: str, kind: type[Integer | Boolean], default: str) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=text(default))


def _id() -> Column[Any]:
    return Column("id", Uuid, nullable=False, server_default=text("gen_random_uuid()"))


def _times() -> list[Column[Any]]:
    now = text("now()")
    return [
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=now),
        _instant("deleted_at"),
    ]


def _reference(table: str, column: str, target: str, *, name: str = "") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"{table}_{name or column.removesuffix('_id')}_fkey",
    )


def _reference_index(table: str, column: str) -> Index:
    """Begins with the reference: one that begins with the tenant competes with the primary key.

    Where the statistics say that a tenant has a row or two, both look alike to the planner, and a check of a
    foreign key may read all rows of a large tenant.
    """
    return Index(f"{table}_{column.removesuffix('_id')}_ref_idx", column, "tenant_id")


def _tenant_reference(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id"], ["crm.tenants.id"], name=f"{table}_tenant_fkey")


def _table(name: str, *items: SchemaItem) -> Table:
    return Table(
        name,
        METADATA,
        _uuid("tenant_id", required=True),
        _id(),
        *items,
        PrimaryKeyConstraint("tenant_id", "id", name=f"{name}_pkey"),
        schema="crm",
    )


def _generated(name: str) -> list[SchemaItem]:
    """Provenance. Rules about what jobs write are policies of the loader: people's edits are never refused.

    The reference to the tenant stands here too: owner, company and contact may all be absent, and a row
    of nobody's tenant must not exist.
    """
    return [
        _required("demo_generated", Boolean, "false"),
        _uuid("demo_job_id"),
        Column("demo_source_month", String(7)),
        _tenant_reference(name),
        _reference(name, "demo_job_id", "demo.job_ledger", name="job"),
        CheckConstraint(
            "NOT demo_generated OR (demo_job_id IS NOT NULL AND demo_source_month IS NOT NULL)",
            name=f"{name}_provenance_check",
        ),
        Index(
            f"{name}_job_idx",
            "tenant_id",
            "demo_job_id",
            "demo_source_month",
            postgresql_where=text("demo_generated"),
        ),
    ]


TENANTS: Final = Table(
    "tenants",
    METADATA,
    _id(),
    _text("slug", required=True),
    _text("name", required=True),
    _text("country"),
    _text("timezone"),
    _text("currency"),
    _text("industry"),
    *_times(),
    PrimaryKeyConstraint("id", name="tenants_pkey"),
    UniqueConstraint("slug", name="tenants_slug_key"),
    schema="crm",
)

USERS: Final = _table(
    "users",
    _text("email", required=True),
    _text("first_name"),
    _text("last_name"),
    _text("role", default="member"),
    *_times(),
    _tenant_reference("users"),
    CheckConstraint(_one_of("role", USER_ROLES), name="users_role_check"),
    Index("users_email_key", "tenant_id", "email", unique=True, postgresql_where=_LIVING),
)

PIPELINE_STAGES: Final = _table(
    "pipeline_stages",
    _text("name", required=True),
    _required("position", Integer, "0"),
    _required("probability", Integer, "0"),
    _required("is_won", Boolean, "false"),
    _required("is_lost", Boolean, "false"),
    *_times(),
    _tenant_reference("pipeline_stages"),
    CheckConstraint("probability BETWEEN 0 AND 100", name="pipeline_stages_probability_check"),
    CheckConstraint("NOT (is_won AND is_lost)", name="pipeline_stages_outcome_check"),
)

TAGS: Final = _table(
    "tags", _text("name", required=True), _text("color"), *_times(), _tenant_reference("tags")
)

COMPANIES: Final = _table(
    "companies",
    _text("name", required=True),
    _text("domain"),
    _text("industry"),
    _text("size"),
    _uuid("owner_id"),
    _text("address"),
    _text("city"),
    _text("state"),
    _text("country"),
    _text("postal_code"),
    _text("phone"),
    _text("website"),
    *_times(),
    *_generated("companies"),
    _reference("companies", "owner_id", "crm.users"),
    Index("companies_kpi_idx", "tenant_id", "created_at", postgresql_where=_LIVING),
)

CONTACTS: Final = _table(
    "contacts",
    _text("first_name"),
    _text("last_name"),
    _text("email"),
    _text("phone"),
    _uuid("company_id"),
    _uuid("owner_id"),
    _text("status"),
    _text("source"),
    *_times(),
    *_generated("contacts"),
    _reference("contacts", "company_id", "crm.companies"),
    _reference("contacts", "owner_id", "crm.users"),
    CheckConstraint(_one_of("status", CONTACT_STATUSES), name="contacts_status_check"),
    Index(
        "contacts_kpi_idx",
        "tenant_id",
        "created_at",
        postgresql_include=["status"],
        postgresql_where=_LIVING,
    ),
    _reference_index("contacts", "company_id"),
)

CONTACT_TAGS: Final = _table(
    "contact_tags",
    _uuid("contact_id", required=True),
    _uuid("tag_id", required=True),
    *_times(),
    _reference("contact_tags", "contact_id", "crm.contacts"),
    _reference("contact_tags", "tag_id", "crm.tags"),
    # Of the living only: a tag that was removed can be set again.
    Index(
        "contact_tags_living_key", "tenant_id", "contact_id", "tag_id", unique=True, postgresql_where=_LIVING
    ),
    _reference_index("contact_tags", "contact_id"),
)

DEALS: Final = _table(
    "deals",
    _text("title"),
    Column("value", Numeric(15, 2)),
    _text("currency"),
    _uuid("stage_id"),
    _uuid("owner_id"),
    _uuid("contact_id"),
    _uuid("company_id"),
    Column("probability", Integer),
    Column("expected_close_date", Date),
    _instant("closed_at"),
    *_times(),
    *_generated("deals"),
    _reference("deals", "stage_id", "crm.pipeline_stages"),
    _reference("deals", "owner_id", "crm.users"),
    _reference("deals", "contact_id", "crm.contacts"),
    _reference("deals", "company_id", "crm.companies"),
    CheckConstraint("value >= 0", name="deals_value_check"),
    CheckConstraint("probability BETWEEN 0 AND 100", name="deals_probability_check"),
    Index(
        "deals_kpi_idx",
        "tenant_id",
        "created_at",
        postgresql_include=["stage_id", "value"],
        postgresql_where=_LIVING,
    ),
    _reference_index("deals", "contact_id"),
    _reference_index("deals", "company_id"),
)

ACTIVITIES: Final = _table(
    "activities",
    _text("type", default="note"),
    _text("subject"),
    _text("description"),
    _uuid("contact_id"),
    _uuid("company_id"),
    _uuid("deal_id"),
    _uuid("created_by_id"),
    _instant("scheduled_at"),
    _instant("completed_at"),
    Column("duration_minutes", Integer),
    *_times(),
    *_generated("activities"),
    _reference("activities", "contact_id", "crm.contacts"),
    _reference("activities", "company_id", "crm.companies"),
    _reference("activities", "deal_id", "crm.deals"),
    _reference("activities", "created_by_id", "crm.users"),
    CheckConstraint(_one_of("type", ACTIVITY_TYPES), name="activities_type_check"),
    CheckConstraint("duration_minutes >= 0", name="activities_duration_check"),
    Index("activities_kpi_idx", "tenant_id", "created_at", postgresql_where=_LIVING),
    _reference_index("activities", "contact_id"),
    _reference_index("activities", "deal_id"),
    _reference_index("activities", "company_id"),
)
