"""The data model of the CRM: its tables, their columns and references, what is counted, what a tenant sees.

Said once, here. Derived from it: the Arrow schemas of generated rows (``generation.row_schemas``), the
declared database schema (``storage.schema``), staging and INSERT statements, digest, row checks, dependents
and soft deletion (``storage.rows``), the columns on Dagster's asset pages. Views, grants, policies and
triggers are SQL of the migrations; tests compare them with the model.

A new column needs three places: its line here, the generator that fills it, and a migration. Values of rows,
types of any library and SQL statements do not belong here.

Names are literals of this module. So SQL may contain them, which the type checker proves (``LiteralString``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final, LiteralString

#: ``users.role``
USER_ROLES: Final = ("owner", "admin", "member", "readonly")
#: ``contacts.status``
CONTACT_STATUSES: Final = ("lead", "prospect", "customer", "churned", "other")
#: ``contacts.source``, the channels of a blueprint
CONTACT_SOURCES: Final = ("seo", "meta", "google", "affiliates", "referrals", "direct")
#: sources of contacts that arrive by themselves, at any hour
ARRIVAL_SOURCES: Final = frozenset(CONTACT_SOURCES) - {"referrals"}
#: ``companies.size``, the smallest first
COMPANY_SIZES: Final = ("1-10", "11-50", "51-200", "201-500", "501-1000", "1000+")
#: ``activities.type``, in the order of all weights and lists by type
ACTIVITY_TYPES: Final = ("note", "call", "email", "meeting", "task")


class Kind(StrEnum):
    """The type of a column, as PostgreSQL writes it."""

    UUID = "uuid"
    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "timestamptz"
    MONEY = "numeric(15, 2)"
    MONTH = "varchar(7)"


class Filled(StrEnum):
    """Who writes a column of a demo row."""

    #: the generator
    GENERATED = "generated"
    #: the load, with the same value for all rows of a job
    LOAD = "load"
    #: the database's default, or users later
    DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: LiteralString = field(kw_only=False)
    kind: Kind = field(default=Kind.TEXT, kw_only=False)
    #: NOT NULL in the database
    is_required: bool = False
    #: an expression of PostgreSQL; a column with a default is required, too
    default: LiteralString | None = None
    #: the only values that the database accepts; empty: any
    values: tuple[LiteralString, ...] = ()
    #: the table whose ``id`` it refers to, within the tenant
    references: LiteralString | None = None
    #: the reference has an index, to find the rows that refer to a row
    is_indexed: bool = False
    #: generated rows may leave it empty, as people do; always true of a reference that is not required
    is_sparse: bool = False
    #: an appointment: may lie in the future, and before the row was made
    is_planned: bool = False
    filled: Filled = Filled.GENERATED
    #: whether the tenant sees its values; ``deleted_at``, which its views have, is null in all that it sees
    is_visible: bool = True
    #: for the asset's page; empty: its name says all
    description: str = ""

    @property
    def is_nullable(self) -> bool:
        """Whether the database accepts null."""
        return not (self.is_required or self.default)

    @property
    def may_be_empty(self) -> bool:
        """Whether some generated rows have no value here."""
        return self.is_sparse or (self.references is not None and not self.is_required)

    @property
    def is_fact(self) -> bool:
        """An instant that is never before its row was made, and never in the future."""
        return self.kind is Kind.INSTANT and self.filled is Filled.GENERATED and not self.is_planned


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference between two tables of the model, always within one tenant."""

    child: LiteralString
    column: LiteralString
    parent: LiteralString


class Origin(StrEnum):
    """When the rows of a table are made."""

    #: with the tenant itself, by its provisioning
    PROVISIONING = "provisioning"
    #: with the tenant's first month
    TEAM = "team"
    #: with each month
    MONTH = "month"


_TENANT: Final = Column(
    "tenant_id",
    Kind.UUID,
    is_required=True,
    filled=Filled.LOAD,
    description="whose row it is; in every key and every reference",
)
_ID: Final = Column(
    "id",
    Kind.UUID,
    default="gen_random_uuid()",
    description="deterministic and ordered in time (the layout of UUIDv7)",
)
_TIMES: Final = (
    Column(
        "created_at",
        Kind.INSTANT,
        default="now()",
        description="inside the partition's UTC month, in the tenant's working hours; "
        "of contacts that arrive by themselves at any hour",
    ),
    Column("updated_at", Kind.INSTANT, default="now()", description="never before created_at"),
)
_DELETED_AT: Final = Column(
    "deleted_at",
    Kind.INSTANT,
    filled=Filled.DEFAULT,
    is_visible=False,
    description="set: people deleted the row, and no KPI counts it",
)
_PROVENANCE: Final = (
    Column(
        "demo_generated",
        Kind.BOOLEAN,
        default="false",
        filled=Filled.LOAD,
        is_visible=False,
        description="true: a job made the row; false: people did",
    ),
    Column(
        "demo_job_id",
        Kind.UUID,
        filled=Filled.LOAD,
        is_visible=False,
        description="the job that made the row",
    ),
    Column("demo_source_month", Kind.MONTH, is_visible=False, description="the partition's month"),
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of schema ``crm``, keyed by tenant and id."""

    name: LiteralString = field(kw_only=False)
    #: its own columns, in the database's order: without the key, the times and provenance
    own: tuple[Column, ...]
    origin: Origin = Origin.MONTH
    #: its rows are counted by KPIs, carry provenance and make an asset
    is_counted: bool = False

    @property
    def is_tenant(self) -> bool:
        """Whether a row is a tenant itself."""
        return self.origin is Origin.PROVISIONING

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in the database's order."""
        key = (_ID,) if self.is_tenant else (_TENANT, _ID)
        provenance = _PROVENANCE if self.is_counted else ()
        return (*key, *self.own, *_TIMES, _DELETED_AT, *provenance)

    @cached_property
    def generated(self) -> tuple[Column, ...]:
        """The columns that the generator fills, in the order of its rows: id and times first."""
        first = (_ID, *_TIMES)
        rest = (one for one in self.columns if one.filled is Filled.GENERATED and one not in first)
        return (*first, *rest)

    @cached_property
    def visible(self) -> tuple[LiteralString, ...]:
        """The columns that the tenant sees, by name."""
        return tuple(sorted(column.name for column in self.columns if column.is_visible))

    @cached_property
    def facts(self) -> tuple[LiteralString, ...]:
        """Its instants that are neither in the future nor before the creation of the row."""
        return tuple(column.name for column in (*_TIMES, *self.own) if column.is_fact)

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """What its rows refer to."""
        return tuple(
            Reference(child=self.name, column=column.name, parent=column.references)
            for column in self.own
            if column.references is not None
        )


@dataclass(frozen=True)
class Model:
    """Tables, parents before children: the order in which rows are loaded."""

    tables: tuple[Table, ...]

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    def __getitem__(self, name: str) -> Table:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Table]:
        return {table.name: table for table in self}

    @cached_property
    def counted(self) -> tuple[LiteralString, ...]:
        """The tables that are counted, and that carry provenance."""
        return tuple(table.name for table in self if table.is_counted)

    @cached_property
    def team(self) -> tuple[LiteralString, ...]:
        """The tables that a tenant's first month brings rows of."""
        return tuple(table.name for table in self if table.origin is Origin.TEAM)

    @cached_property
    def monthly(self) -> tuple[LiteralString, ...]:
        """The tables that every month brings rows of, the counted ones first."""
        monthly = [table for table in self if table.origin is Origin.MONTH]
        return tuple(table.name for table in sorted(monthly, key=lambda table: not table.is_counted))

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """All references, by child. One pass in this order finds all that depends on a row."""
        return tuple(reference for table in self for reference in table.references)

    @cached_property
    def counted_references(self) -> tuple[Reference, ...]:
        """The references between counted tables, in the same order."""
        return tuple(one for one in self.references if {one.child, one.parent} <= {*self.counted})


MODEL: Final = Model(
    (
        Table(
            "tenants",
            origin=Origin.PROVISIONING,
            own=(
                Column("slug", is_required=True),
                Column("name", is_required=True),
                Column("country"),
                Column("timezone"),
                Column("currency"),
                Column("industry"),
            ),
        ),
        Table(
            "users",
            origin=Origin.TEAM,
            own=(
                Column("email", is_required=True),
                Column("first_name"),
                Column("last_name"),
                Column("role", default="'member'", values=USER_ROLES),
            ),
        ),
        Table(
            "pipeline_stages",
            origin=Origin.TEAM,
            own=(
                Column("name", is_required=True),
                Column("position", Kind.INTEGER, default="0"),
                Column("probability", Kind.INTEGER, default="0"),
                Column("is_won", Kind.BOOLEAN, default="false"),
                Column("is_lost", Kind.BOOLEAN, default="false"),
            ),
        ),
        Table("tags", origin=Origin.TEAM, own=(Column("name", is_required=True), Column("color"))),
        Table(
            "companies",
            is_counted=True,
            own=(
                Column("name", is_required=True),
                Column("domain"),
                Column("industry"),
                Column("size"),
                Column("owner_id", Kind.UUID, references="users"),
                Column("address", is_sparse=True),
                Column("city", is_sparse=True),
                Column("state", is_sparse=True),
                Column("country"),
                Column("postal_code", is_sparse=True),
                Column("phone", is_sparse=True),
                Column("website", is_sparse=True),
            ),
        ),
        Table(
            "contacts",
            is_counted=True,
            own=(
                Column("first_name"),
                Column("last_name"),
                Column("email", is_sparse=True),
                Column("phone", is_sparse=True),
                Column("company_id", Kind.UUID, references="companies", is_indexed=True),
                Column("owner_id", Kind.UUID, references="users"),
                Column(
                    "status",
                    values=CONTACT_STATUSES,
                    description="lead, prospect, customer, churned or other; leads are a KPI of their own",
                ),
                Column("source"),
            ),
        ),
        Table(
            "contact_tags",
            own=(
                Column("contact_id", Kind.UUID, references="contacts", is_required=True, is_indexed=True),
                Column("tag_id", Kind.UUID, references="tags", is_required=True),
            ),
        ),
        Table(
            "deals",
            is_counted=True,
            own=(
                Column("title"),
                Column("value", Kind.MONEY, description="in units of the currency; zero or more"),
                Column("currency"),
                Column(
                    "stage_id",
                    Kind.UUID,
                    references="pipeline_stages",
                    description="won, lost or open, with the stage's probability",
                ),
                Column("owner_id", Kind.UUID, references="users"),
                Column("contact_id", Kind.UUID, references="contacts", is_indexed=True),
                Column("company_id", Kind.UUID, references="companies", is_indexed=True),
                Column("probability", Kind.INTEGER, is_sparse=True),
                Column("expected_close_date", Kind.DATE, is_planned=True),
                Column(
                    "closed_at",
                    Kind.INSTANT,
                    is_sparse=True,
                    description="if and only if the stage is won or lost",
                ),
            ),
        ),
        Table(
            "activities",
            is_counted=True,
            own=(
                Column("type", default="'note'", values=ACTIVITY_TYPES),
                Column("subject"),
                Column("description"),
                Column("contact_id", Kind.UUID, references="contacts", is_indexed=True),
                Column("company_id", Kind.UUID, references="companies", is_indexed=True),
                Column("deal_id", Kind.UUID, references="deals", is_indexed=True),
                Column("created_by_id", Kind.UUID, references="users"),
                Column("scheduled_at", Kind.INSTANT, is_sparse=True, is_planned=True),
                Column("completed_at", Kind.INSTANT, is_sparse=True, description="empty: still to be done"),
                Column("duration_minutes", Kind.INTEGER, is_sparse=True),
            ),
        ),
    )
)
