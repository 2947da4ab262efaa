"""The certificate as one plain SQL file: what is expected of a tenant, and statements that find it again.

``psql`` alone runs the file, without this program. The statements are made here once: they are run when the
file is written, to learn the values that are there, and again by the file. KPIs are expected as the ledger
has them, and no row may break a rule; the other expected values are those that were there. Reads only, within
a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from demo_pipeline.domain.certificate.reserved import MAILS, PHONES, SITES
from demo_pipeline.domain.model import MODEL, Table
from demo_pipeline.storage.rows.kpis import KPI_SQL

Connection = psycopg.Connection[Any]

_MONTH: Final[LiteralString] = "to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM')"
_KPIS: Final[LiteralString] = f"""
    SELECT 'kpi ' || k.month || ' ' || kpi.name, kpi.value FROM (
    {KPI_SQL.replace("/* scope */", "and r.tenant_id = {tenant}")}) k
    CROSS JOIN LATERAL jsonb_each_text(to_jsonb(k) - 'tenant_id' - 'month') AS kpi (name, value)
"""
_JOINED: Final[LiteralString] = "ON p.tenant_id = r.tenant_id AND p.id ="
#: sentence that is true of sound data → rows that break it
_LIFE_CYCLES: Final[Mapping[LiteralString, LiteralString]] = {
    "contacts come after their company": (
        f"crm.contacts r JOIN crm.companies p {_JOINED} r.company_id WHERE r.created_at < p.created_at"
    ),
    "deals come after their contact": (
        f"crm.deals r JOIN crm.contacts p {_JOINED} r.contact_id WHERE r.created_at < p.created_at"
    ),
    "activities come after their contact": (
        f"crm.activities r JOIN crm.contacts p {_JOINED} r.contact_id WHERE r.created_at < p.created_at"
    ),
    "activities come after their deal": (
        f"crm.activities r JOIN crm.deals p {_JOINED} r.deal_id WHERE r.created_at < p.created_at"
    ),
    "deals are closed if and only if their stage is won or lost": (
        f"crm.deals r JOIN crm.pipeline_stages p {_JOINED} r.stage_id"
        " WHERE (p.is_won OR p.is_lost) <> (r.closed_at IS NOT NULL)"
    ),
    "deals close after they are made": "crm.deals r WHERE r.closed_at < r.created_at",
    "deals have a value of zero or more": "crm.deals r WHERE r.value < 0",
    "activities end after they are made": "crm.activities r WHERE r.completed_at < r.created_at",
}
_FILE: Final[LiteralString] = """\
BEGIN READ ONLY;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
DO $certificate$
DECLARE
    one record;
    broken bigint := 0;
    total bigint := 0;
BEGIN
    FOR one IN
        WITH expected (assertion, value) AS (VALUES
{rows}
        ), found (assertion, value) AS (
{found}
        )
        SELECT coalesce(e.assertion, f.assertion) AS assertion, e.value AS expected, f.value AS found
        FROM expected e FULL JOIN found f USING (assertion)
        ORDER BY 1
    LOOP
        total := total + 1;
        IF one.expected IS DISTINCT FROM one.found THEN
            broken := broken + 1;
            RAISE WARNING '%: expected %, found %', one.assertion,
                coalesce(one.expected, 'nothing'), coalesce(one.found, 'nothing');
        END IF;
    END LOOP;
    IF broken > 0 THEN
        RAISE EXCEPTION '% of % assertions do not hold', broken, total;
    END IF;
    RAISE NOTICE 'all % assertions hold', total;
END
$certificate$;
COMMIT;
"""


@dataclass(frozen=True, kw_only=True)
class CertificateFile:
    """A certificate as SQL."""

    text: str
    assertion_count: int


def certificate_file(
    conn: Connection,
    tenant_id: UUID,
    *,
    title: str,
    as_of: datetime,
    kpis: Mapping[str, str],
    phone_pattern: str,
    mail_pattern: str,
    site_pattern: str,
) -> CertificateFile:
    """The certificate of one tenant.

    ``kpis``: ``kpi 2025-01 deals_created`` → the expected value as text. The patterns are regular expressions
    of PostgreSQL for whole values that are reserved: the digits of numbers, e-mail addresses, websites.
    """
    queries = [
        *(sql.SQL(query).format(tenant=tenant_id) for query in _contents()),
        *(sql.SQL(query).format(tenant=tenant_id) for query in _rules()),
        *(
            sql.SQL(query).format(
                tenant=tenant_id, phones=phone_pattern, mails=mail_pattern, sites=site_pattern
            )
            for query in _reached()
        ),
    ]
    found = sql.SQL("\n            UNION ALL").join(queries)
    # As in the file: texts of dates and instants depend on them.
    conn.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'")
    there = dict(conn.execute(found).fetchall())
    expected = {
        name: "0" if name.startswith("no row breaks: ") else value
        for name, value in there.items()
        if not name.startswith("kpi ")
    } | dict(kpis)
    rows = sql.SQL(",\n").join(
        sql.SQL("            ({}, {})").format(name, value) for name, value in sorted(expected.items())
    )
    body = sql.SQL(_FILE).format(rows=rows, found=found).as_string(conn)
    head = [
        f"-- Certificate of {title}, as of {as_of:%Y-%m-%d %H:%M} UTC: {len(expected):,} assertions.",
        "-- psql --no-psqlrc --file=THIS_FILE DATABASE_URL",
        "-- Exit code 0: all hold. 3: some do not; each of them is printed as a warning.",
        "\\set ON_ERROR_STOP on",
    ]
    return CertificateFile(text="\n".join([*head, body]), assertion_count=len(expected))


def _contents() -> Iterator[LiteralString]:
    """KPIs; of each month and table the rows, and of each column its values and how many are missing."""
    yield _KPIS
    for table in MODEL:
        key: LiteralString = "id" if table.is_tenant else "tenant_id"
        month: LiteralString = _MONTH if table.is_counted else "'all'"
        columns: LiteralString = ", ".join(_digests(table))
        yield f"""
    SELECT '{table.name} ' || g.month || ': ' || c.name, c.value FROM (
        SELECT {month} AS month, jsonb_build_object('rows', count(*)::text, {columns}) AS made
        FROM crm.{table.name} r WHERE r.{key} = {{tenant}} AND r.deleted_at IS NULL GROUP BY 1) g
    CROSS JOIN LATERAL jsonb_each_text(g.made) AS c (name, value)"""


def _digests(table: Table) -> Iterator[LiteralString]:
    """For each visible column two pairs: a digest of its values by id, and the number of missing ones."""
    for column in table.visible:
        values: LiteralString = f"string_agg(coalesce(r.{column}::text, chr(30)), chr(31) ORDER BY r.id)"
        yield f"'{column}', md5({values})"
        yield f"'{column}, missing', count(*) FILTER (WHERE r.{column} IS NULL)::text"


def _rules() -> Iterator[LiteralString]:
    """Keys, life cycles and isolation: sentences, and how many rows break them."""
    for one in MODEL.references:
        yield _rule(
            f"{one.child}.{one.column} leads to a row of {one.parent}",
            f"crm.{one.child} r WHERE r.tenant_id = {{tenant}} AND r.{one.column} IS NOT NULL AND NOT EXISTS"
            f" (SELECT FROM crm.{one.parent} p {_JOINED.replace('ON', 'WHERE')} r.{one.column})",
        )
    for sentence, broken in _LIFE_CYCLES.items():
        yield _rule(sentence, f"{broken} AND r.tenant_id = {{tenant}} AND r.deleted_at IS NULL")
    for table in MODEL:
        key: LiteralString = "id" if table.is_tenant else "tenant_id"
        living: LiteralString = f"crm.{table.name} r WHERE r.{key} = {{tenant}} AND r.deleted_at IS NULL"
        for fact in table.facts:
            yield _rule(f"{table.name}.{fact} is not in the future", f"{living} AND r.{fact} > now()")
        yield _rule(f"{table.name} change after they are made", f"{living} AND r.updated_at < r.created_at")
    for name in MODEL.counted:
        job: LiteralString = "SELECT FROM demo.jobs j WHERE j.id = r.demo_job_id AND j.tenant_id"
        yield _rule(
            f"generated {name} name a job of their tenant",
            f"crm.{name} r WHERE r.tenant_id = {{tenant}} AND r.demo_generated"
            f" AND NOT EXISTS ({job} = r.tenant_id)",
        )
        yield _rule(
            f"{name} of other tenants name no job of this one",
            f"crm.{name} r WHERE r.tenant_id <> {{tenant}} AND EXISTS ({job} = {{tenant}})",
        )
    for table in MODEL:
        yield _rule(
            f"row-level security of {table.name} is on for everybody",
            f"pg_class r WHERE r.oid = 'crm.{table.name}'::regclass"
            " AND NOT (r.relrowsecurity AND r.relforcerowsecurity)",
        )


def _rule(sentence: LiteralString, broken: LiteralString) -> LiteralString:
    return f"\n    SELECT 'no row breaks: {sentence}', count(*)::text FROM {broken}"


def _reached() -> Iterator[LiteralString]:
    """Values that are not reserved. Collation C: letters, digits and blanks are those of ASCII."""
    for table, column in PHONES:
        phone: LiteralString = f'(r.{column} COLLATE "C")'
        digits: LiteralString = f"regexp_replace({phone}, '\\D', '', 'g')"
        unlike: LiteralString = f"({phone} !~ '^\\s*\\+' OR {digits} !~ ('^(?:' || {{phones}} || ')$'))"
        yield _is_reserved(table, column, unlike)
    for table, column in MAILS:
        yield _is_reserved(table, column, f"r.{column} COLLATE \"C\" !~* ('^(?:' || {{mails}} || ')$')")
    for table, column in SITES:
        yield _is_reserved(table, column, f"r.{column} COLLATE \"C\" !~* ('^(?:' || {{sites}} || ')$')")


def _is_reserved(table: LiteralString, column: LiteralString, unlike: LiteralString) -> LiteralString:
    return _rule(
        f"{table}.{column} is reserved",
        f"crm.{table} r WHERE r.tenant_id = {{tenant}} AND r.deleted_at IS NULL AND r.{column} <> ''"
        f" AND {unlike}",
    )
