"""The certificate of one tenant: each number, address and domain under the rule that reserves it.

The rules are in ``domain.certificate``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.domain.certificate.reserved import (
    MAILS,
    PHONES,
    Rule,
    mail_pattern,
    mail_rule,
    phone_pattern,
    phone_rule,
    site_pattern,
    site_rule,
)
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.certificate_file import CertificateFile, certificate_file
from demo_pipeline.storage.rows.contact_values import ContactValue, contact_values

_PHONE_PLACES: Final = frozenset(f"{table}.{column}" for table, column in PHONES)
_MAIL_PLACES: Final = frozenset(f"{table}.{column}" for table, column in MAILS)


@dataclass(frozen=True, kw_only=True)
class CertifiedValues:
    """Values of one column that one rule covers."""

    #: as ``contacts.phone``
    place: str
    rule: str
    source: str
    value_count: int
    row_count: int


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What is certain of a tenant's contact data, and what is not."""

    tenant: str
    as_of: datetime
    certified: tuple[CertifiedValues, ...]
    #: values that no rule covers
    uncovered: tuple[ContactValue, ...]

    @property
    def holds(self) -> bool:
        """Whether every value is covered by a rule."""
        return not self.uncovered


def certify(database: Database, settings: Settings, slug: str) -> Certificate:
    """Examine every visible number, e-mail address, website and domain of a tenant.

    Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``.
    """
    with open_snapshot(database, settings, slug, "certify") as (conn, context, as_of):
        return certificate_of(conn, context, as_of)


def certificate_of(conn: Connection[Any], context: TenantContext, as_of: datetime) -> Certificate:
    """The same within a transaction."""
    values, rows = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    uncovered = list[ContactValue]()
    for one in contact_values(conn, context.state.tenant.tenant_id):
        rule = _rule(one, context.spec.mail_domain)
        if rule is None:
            uncovered.append(one)
        else:
            values[one.place, rule.name, rule.source] += 1
            rows[one.place, rule.name, rule.source] += one.row_count
    return Certificate(
        tenant=context.spec.slug,
        as_of=as_of,
        certified=tuple(
            CertifiedValues(
                place=place, rule=rule, source=source, value_count=count, row_count=rows[place, rule, source]
            )
            for (place, rule, source), count in sorted(values.items())
        ),
        uncovered=tuple(uncovered),
    )


def certificate_sql(database: Database, settings: Settings, slug: str) -> CertificateFile:
    """The certificate of a tenant as one SQL file, with what is there now; KPIs as the ledger expects them.

    Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``.
    """
    with open_snapshot(database, settings, slug, "certify") as (conn, context, as_of):
        currency = context.spec.currency
        return certificate_file(
            conn,
            context.state.tenant.tenant_id,
            title=slug,
            as_of=as_of,
            kpis={
                f"kpi {month} {name}": _text(name, figures[name], currency)
                for month, figures in context.expected_by_month.nonzero().items()
                for name in METRICS
            },
            phone_pattern=phone_pattern(),
            mail_pattern=mail_pattern(context.spec.mail_domain),
            site_pattern=site_pattern(context.spec.mail_domain),
        )


def _text(metric: str, figure: int, currency: Currency) -> str:
    """A figure as the SQL of the KPIs gives it: amounts with two decimals in every currency."""
    if not METRICS[metric].is_value:
        return str(figure)
    return f"{Decimal(figure).scaleb(-currency.minor_digits):.2f}"


def _rule(one: ContactValue, own_domain: str | None) -> Rule | None:
    if one.place in _PHONE_PLACES:
        return phone_rule(one.value)
    if one.place in _MAIL_PLACES:
        return mail_rule(one.value, own_domain)
    return site_rule(one.value, own_domain)
