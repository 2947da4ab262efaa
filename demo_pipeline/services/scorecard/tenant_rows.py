"""The rows of a tenant and what its blueprint asks for, as the scorecard's columns.

The only place that knows both the blueprint and the scorecard: measures know no blueprint, and read the facts
that are given to them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core import arrow
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import ACTIVITY_TYPES, COMPANY_SIZES
from demo_pipeline.domain.scorecard.columns import (
    MISSING,
    Activities,
    Companies,
    Contacts,
    Deals,
    Facts,
    TenantColumns,
    Texts,
    Users,
)
from demo_pipeline.domain.scorecard.statistics import Ints
from demo_pipeline.domain.scorecard.wordlists import AGREED
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.rows.score_columns import read_columns

Connection = psycopg.Connection[Any]

_EPOCH: Final = Month.of(1970, 1)
_PER_UNIT: Final = 1_000_000


def tenant_columns(conn: Connection, context: TenantContext, as_of: datetime) -> TenantColumns:
    """All living rows of a tenant, in the transaction of ``conn``."""
    patches = [job.job_id for job in context.state.jobs if job.kind is JobKind.PATCH]
    rows = read_columns(conn, context.state.tenant.tenant_id, patches, AGREED)
    facts = tenant_facts(context.spec, as_of)
    return TenantColumns(
        facts=facts,
        users=Users(
            created_us=_numbers(rows["users"], "created_us"), first_name=_texts(rows["users"], "first_name")
        ),
        companies=_companies(rows),
        contacts=_contacts(rows),
        deals=_deals(rows, facts),
        activities=_activities(rows),
        stages=tuple(one for one in _texts(rows["pipeline_stages"], "name") if one),
    )


def tenant_facts(spec: TenantSpec, as_of: datetime) -> Facts:
    """What a tenant is, and what its blueprint asks for."""
    return Facts(
        country=spec.country,
        industry=spec.industry,
        timezone=spec.timezone,
        mail_domain=spec.mail_domain,
        minor_digits=spec.currency.minor_digits,
        first_month=spec.start_month - _EPOCH,
        last_month=spec.end_month - _EPOCH,
        as_of_us=int(as_of.astimezone(UTC).timestamp() * 1_000_000),
        has_monthly_figures=spec.growth is None,
        monthly_rate=0.0 if spec.growth is None else float(spec.growth.monthly_rate),
        drop_off_rate=spec.drop_off_ppm / _PER_UNIT,
        response_sla_hours=spec.response_sla_minutes / 60,
        lost_value_ratio=None if spec.lost_value_ppm is None else spec.lost_value_ppm / _PER_UNIT,
        private_share=spec.private_ppm / _PER_UNIT,
        own_lists=frozenset(spec.lists.counts),
        own_companies=frozenset(one.name for one in spec.lists.companies),
    )


def _companies(rows: Mapping[str, pa.RecordBatch]) -> Companies:
    table = rows["companies"]
    return Companies(
        created_us=_numbers(table, "created_us"),
        owner=_places(table, "owner_id", rows["users"]),
        name=_texts(table, "name"),
        size=_places_in(table, "size", COMPANY_SIZES),
        industry=_texts(table, "industry"),
        address=_texts(table, "address"),
        city=_texts(table, "city"),
        state=_texts(table, "state"),
        postal_code=_texts(table, "postal_code"),
        phone=_texts(table, "phone"),
        website=_texts(table, "website"),
        origin=_numbers(table, "origin"),
    )


def _contacts(rows: Mapping[str, pa.RecordBatch]) -> Contacts:
    table = rows["contacts"]
    return Contacts(
        created_us=_numbers(table, "created_us"),
        owner=_places(table, "owner_id", rows["users"]),
        company=_places(table, "company_id", rows["companies"]),
        first_name=_texts(table, "first_name"),
        last_name=_texts(table, "last_name"),
        email=_texts(table, "email"),
        phone=_texts(table, "phone"),
        status=_texts(table, "status"),
        source=_texts(table, "source"),
        origin=_numbers(table, "origin"),
    )


def _deals(rows: Mapping[str, pa.RecordBatch], facts: Facts) -> Deals:
    table = rows["deals"]
    return Deals(
        created_us=_numbers(table, "created_us"),
        owner=_places(table, "owner_id", rows["users"]),
        contact=_places(table, "contact_id", rows["contacts"]),
        company=_places(table, "company_id", rows["companies"]),
        title=_texts(table, "title"),
        # The column has two digits; currencies with fewer use the first of them.
        value=_numbers(table, "value_hundredths") // 10 ** (2 - facts.minor_digits),
        outcome=_numbers(table, "outcome"),
        expected_day=_numbers(table, "expected_day"),
        closed_us=_numbers(table, "closed_us"),
        origin=_numbers(table, "origin"),
    )


def _activities(rows: Mapping[str, pa.RecordBatch]) -> Activities:
    table = rows["activities"]
    return Activities(
        created_us=_numbers(table, "created_us"),
        type=_places_in(table, "type", ACTIVITY_TYPES),
        contact=_places(table, "contact_id", rows["contacts"]),
        company=_places(table, "company_id", rows["companies"]),
        deal=_places(table, "deal_id", rows["deals"]),
        author=_places(table, "created_by_id", rows["users"]),
        scheduled_us=_numbers(table, "scheduled_us"),
        minutes=_numbers(table, "duration_minutes"),
        subject=_texts(table, "subject"),
        description=_texts(table, "description"),
        subject_length=_numbers(table, "subject_length"),
        description_length=_numbers(table, "description_length"),
        sounds_agreed=_numbers(table, "sounds_agreed") == 1,
        origin=_numbers(table, "origin"),
    )


def _numbers(table: pa.RecordBatch, name: str) -> Ints:
    return arrow.whole_numbers(arrow.column(table, name), MISSING)


def _texts(table: pa.RecordBatch, name: str) -> Texts:
    found = np.empty(table.num_rows, object)
    found[:] = arrow.column(table, name).to_pylist()
    return found


def _places_in(table: pa.RecordBatch, name: str, values: Sequence[str]) -> Ints:
    """The place of each text among ``values``."""
    return arrow.places(arrow.column(table, name), arrow.strings(values))


def _places(table: pa.RecordBatch, name: str, parents: pa.RecordBatch) -> Ints:
    """The place of the row that each row refers to."""
    return arrow.places(arrow.column(table, name), arrow.column(parents, "id"))
