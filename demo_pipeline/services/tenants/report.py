"""What a report says of one tenant, or of all: figures, what is open, and the checks, of one snapshot.

Figures come from the KPI SQL and from ``storage.rows.report_figures``, checks from ``verify``; nothing is
judged or counted a second time. Sentences, pictures and pages are in ``rendering``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.heroes.model import HeroAccounts
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.services.months.freshness import FreshnessState, tenant_freshness
from demo_pipeline.services.months.month_range import partial_month_notes
from demo_pipeline.services.tenants.heroes import read_heroes
from demo_pipeline.services.tenants.queries import kpi_months
from demo_pipeline.services.tenants.release import Releases, releases_of
from demo_pipeline.services.tenants.verify import VERIFIED, UnreadableTenant, Verdict, check_tenant
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants
from demo_pipeline.storage.rows import misplaced, report_figures
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.misplaced import Misplaced
from demo_pipeline.storage.rows.report_figures import Funnel, OpenActivities

if TYPE_CHECKING:
    from demo_pipeline.services.scorecard.score import Scorecard

Connection = psycopg.Connection[Any]

#: open deals that are listed
_MOST_DEALS: Final = 10
#: Lower edges of the classes of deal values, major units: 1, 2, 5, 10 and so on, beyond the column's range.
_EDGES: Final = tuple(Decimal(step).scaleb(power) for power in range(15) for step in (1, 2, 5))


@dataclass(frozen=True, kw_only=True)
class MonthClosings:
    """Deals that were closed in one UTC month, whenever they were opened; values in minor units."""

    won_count: int = 0
    lost_count: int = 0
    won_value: int = 0
    lost_value: int = 0


@dataclass(frozen=True, kw_only=True)
class ValueClass:
    """Deals whose value is at least ``lower`` and below ``upper``, in minor units; None: no bound."""

    lower: int | None
    upper: int | None
    won_count: int = 0
    open_count: int = 0
    lost_count: int = 0


@dataclass(frozen=True, kw_only=True)
class OpenStage:
    """Open deals in one stage; values in minor units."""

    #: None: deals without a stage
    stage: str | None
    count: int
    value: int
    #: each deal times its probability
    weighted_value: int


@dataclass(frozen=True, kw_only=True)
class OpenDeal:
    """One open deal; its value in minor units."""

    title: str
    company: str
    stage: str
    owner: str
    value: int | None
    #: ISO date; empty: none is expected
    expected_close_on: str


@dataclass(frozen=True, kw_only=True)
class TenantReport:
    """One tenant as it is at one instant. Values in minor units of its currency."""

    spec: TenantSpec
    #: the last month of a closed tenant; None: a living one
    end_month: Month | None
    freshness: FreshnessState
    #: which of the loaded months may be shown
    releases: Releases
    #: the instant of the report
    as_of: datetime
    #: the KPIs of the months that ``kpis`` shows, zeros included
    months: FiguresByMonth
    #: what the ledger expects of those of these months that it records
    expected: FiguresByMonth
    funnel: Funnel
    #: month of closing → deals, every month from the first closing to the last
    closings: dict[Month, MonthClosings]
    #: closed deals without a closing date
    undated_closings: MonthClosings
    #: in order; the first may be that of deals below 1 or without a value
    values: tuple[ValueClass, ...]
    #: activities by weekday (0: Monday) and hour, both in the tenant's time zone; without zeros
    activity_hours: dict[tuple[int, int], int]
    #: of won deals, from creation to closing; None: there is none
    median_cycle: timedelta | None
    open_stages: tuple[OpenStage, ...]
    largest_open_deals: tuple[OpenDeal, ...]
    open_activities: tuple[OpenActivities, ...]
    heroes: HeroAccounts
    #: of ``verify``, in the same snapshot
    verdict: Verdict
    #: of months that are loaded in part, a sentence each
    notes: tuple[str, ...]
    #: None: it was not asked for
    scorecard: Scorecard | None = None

    @property
    def currency(self) -> Currency:
        return self.spec.currency

    @property
    def running_month(self) -> Month:
        """The UTC month of the instant."""
        return Month.containing(self.as_of)

    @property
    def complete_months(self) -> FiguresByMonth:
        """The shown months that are over."""
        return self.months.over(month for month in self.months if month < self.running_month)


@dataclass(frozen=True, kw_only=True)
class TenantOverview:
    """One tenant in the overview of all: its state and its KPIs."""

    slug: str
    verdict: Verdict
    #: None: the tenant's stored plan cannot be read, and the verdict says why
    spec: TenantSpec | None
    end_month: Month | None
    #: None: not judged, for the same reason
    freshness: FreshnessState | None
    months: FiguresByMonth


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All tenants, by slug, at one instant."""

    as_of: datetime
    tenants: tuple[TenantOverview, ...]


def read_report(
    database: Database, settings: Settings, slug: str, *, with_scorecard: bool = False
) -> TenantReport:
    """Read and check one tenant. ``with_scorecard``: measure it too, which reads every row.

    Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``.
    """
    with database.snapshot() as conn:
        context = find_tenant_context(conn, settings, slug, "report")
        as_of = instant_of(conn, settings)
        report = _report(conn, settings, context, as_of, misplaced.find(conn))
        if not with_scorecard:
            return report
        # numpy and pyarrow: reports without a scorecard do without.
        from demo_pipeline.services.scorecard.score import take_scorecard

        return replace(report, scorecard=take_scorecard(conn, context, as_of))


def read_overview(database: Database, settings: Settings) -> Overview:
    """Read and check every tenant, all in one snapshot."""
    with database.snapshot() as conn:
        as_of = instant_of(conn, settings)
        slugs = [one.slug for one in tenants.list_tenants(conn)]
        freshness = _freshness(conn, settings, as_of)
        strays = misplaced.find(conn) if slugs else ()
        lines = (_overview(conn, settings, slug, as_of, freshness.get(slug), strays) for slug in slugs)
        return Overview(as_of=as_of, tenants=tuple(lines))


def _freshness(
    conn: Connection, settings: Settings, as_of: datetime, tenant_id: UUID | None = None
) -> dict[str, FreshnessState]:
    """Of every tenant that can be read, or of one, by slug."""
    found = tenant_freshness(conn, settings, as_of, tenant_id, on_unreadable=lambda _: None)
    return {one.tenant: one.state for one in found}


def _overview(
    conn: Connection,
    settings: Settings,
    slug: str,
    as_of: datetime,
    freshness: FreshnessState | None,
    strays: Sequence[Misplaced],
) -> TenantOverview:
    try:
        context = find_tenant_context(conn, settings, slug, "report")
    except UnreadableTenantError as error:
        verdict = UnreadableTenant(tenant=slug, error=error).verdict
        return TenantOverview(
            slug=slug, verdict=verdict, spec=None, end_month=None, freshness=None, months=FiguresByMonth()
        )
    return TenantOverview(
        slug=slug,
        verdict=check_tenant(conn, settings, context, as_of, VERIFIED, strays).verdict,
        spec=context.spec,
        end_month=context.end_month,
        freshness=freshness,
        months=_months(conn, context),
    )


def _months(conn: Connection, context: TenantContext) -> FiguresByMonth:
    """The KPIs of the months that ``kpis`` shows."""
    figures = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
    return figures.over(kpi_months(context, figures))


def _report(
    conn: Connection, settings: Settings, context: TenantContext, as_of: datetime, strays: Sequence[Misplaced]
) -> TenantReport:
    tenant_id, currency = context.state.tenant.tenant_id, context.spec.currency
    months = _months(conn, context)
    closings, undated = _closings(report_figures.closings(conn, tenant_id), currency)
    return TenantReport(
        spec=context.spec,
        end_month=context.end_month,
        freshness=_freshness(conn, settings, as_of, tenant_id)[context.spec.slug],
        releases=releases_of(conn, context),
        as_of=as_of,
        months=months,
        expected=context.expected_by_month.over(
            month for month in months if month in context.recorded_months
        ),
        funnel=report_figures.funnel(conn, tenant_id),
        closings=closings,
        undated_closings=undated,
        values=_value_classes(report_figures.deal_values(conn, tenant_id, _EDGES), currency),
        activity_hours=_activity_hours(
            report_figures.activity_instants(conn, tenant_id), context.spec.timezone
        ),
        median_cycle=report_figures.median_cycle(conn, tenant_id),
        open_stages=tuple(
            OpenStage(
                stage=one.stage,
                count=one.count,
                value=_minor(one.value, currency),
                weighted_value=_minor(one.weighted_value, currency),
            )
            for one in report_figures.open_stages(conn, tenant_id)
        ),
        largest_open_deals=tuple(
            _open_deal(one, currency)
            for one in report_figures.largest_open_deals(conn, tenant_id, _MOST_DEALS)
        ),
        open_activities=tuple(report_figures.open_activities(conn, tenant_id, as_of)),
        heroes=read_heroes(conn, context, as_of),
        verdict=check_tenant(conn, settings, context, as_of, VERIFIED, strays).verdict,
        notes=partial_month_notes(context, months, as_of),
    )


def _minor(amount: Decimal, currency: Currency) -> int:
    """As the KPIs round what people enter with more decimals than the currency has."""
    return currency.minor(amount, ROUND_HALF_UP)


def _open_deal(deal: report_figures.OpenDeal, currency: Currency) -> OpenDeal:
    return OpenDeal(
        title=deal.title or "",
        company=deal.company or "",
        stage=deal.stage or "",
        owner=deal.owner or "",
        value=None if deal.value is None else _minor(deal.value, currency),
        expected_close_on="" if deal.expected_close_on is None else deal.expected_close_on.isoformat(),
    )


def _closings(
    found: Sequence[report_figures.Closing], currency: Currency
) -> tuple[dict[Month, MonthClosings], MonthClosings]:
    """Closings of every month from the first to the last, and those without a date."""
    by_month: dict[Month | None, MonthClosings] = {}
    for one in found:
        month = None if one.month is None else Month.parse(one.month)
        before, value = by_month.get(month, MonthClosings()), _minor(one.value, currency)
        by_month[month] = (
            replace(before, won_count=one.count, won_value=value)
            if one.is_won
            else replace(before, lost_count=one.count, lost_value=value)
        )
    undated = by_month.pop(None, MonthClosings())
    dated = sorted(month for month in by_month if month is not None)
    shown = dated[0].until(dated[-1]) if dated else ()
    return {month: by_month.get(month, MonthClosings()) for month in shown}, undated


def _value_classes(
    found: Sequence[report_figures.DealValueCount], currency: Currency
) -> tuple[ValueClass, ...]:
    """Deals below 1 or without a value, then every class from the lowest to the highest with a deal."""
    counts = Counter[tuple[int, str]]()
    for one in found:
        counts[one.bucket, one.outcome] = one.count
    buckets = {bucket for bucket, _ in counts}
    whole = buckets - {0}
    shown = [*([0] if 0 in buckets else []), *(range(min(whole), max(whole) + 1) if whole else ())]
    bounds: list[int | None] = [None, *(currency.minor(edge, ROUND_HALF_UP) for edge in _EDGES), None]
    return tuple(
        ValueClass(
            lower=bounds[bucket],
            upper=bounds[bucket + 1],
            won_count=counts[bucket, "won"],
            open_count=counts[bucket, "open"],
            lost_count=counts[bucket, "lost"],
        )
        for bucket in shown
    )


def _activity_hours(found: Sequence[tuple[datetime, int]], timezone: str) -> dict[tuple[int, int], int]:
    """Activities by local weekday and hour; PostgreSQL's own time zones may be of another version."""
    zone, counts = load_timezone(timezone), Counter[tuple[int, int]]()
    for instant, count in found:
        local = instant.astimezone(zone)
        counts[local.weekday(), local.hour] += count
    return dict(sorted(counts.items()))
