"""Reports of tenants that are in no database: of a blueprint's own figures, in any currency and length."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.heroes.model import HeroAccounts
from demo_pipeline.services.months.freshness import FreshnessState
from demo_pipeline.services.tenants.release import Releases
from demo_pipeline.services.tenants.report import (
    MonthClosings,
    OpenDeal,
    OpenStage,
    TenantReport,
    ValueClass,
)
from demo_pipeline.services.tenants.verify import Verdict
from demo_pipeline.storage.rows.report_figures import Funnel, OpenActivities
from tests.builders.blueprints import resolved
from tests.builders.heroes import deal, heroes

#: whatever a person or a file may bring into a name
HOSTILE: Final = "<script>alert(1)</script> & \"Söhne\" 'x' \u202eevil\u202c {{ 7 * 7 }} </title></svg>"
_FIRST: Final = Month.of(2021, 1)


def report_of(
    *, month_count: int = 12, currency: str = "EUR", text: str = "Kranz Logistik", **changes: Any
) -> TenantReport:
    """A report of so many months, the last of them running; ``text`` is every text of the database."""
    spec, _ = resolved(
        {
            "name": "Kranz Logistik",
            "country": "DE",
            "currency": currency,
            "industry": "saas",
            "start_month": str(_FIRST),
            "end_month": str(_FIRST),
            "seed": "1",
            "totals": {"contacts_created": 1},
        }
    )
    object.__setattr__(spec, "name", text)
    months = list(_FIRST.until(_FIRST + (month_count - 1)))
    figures = FiguresByMonth((month, _figures(place)) for place, month in enumerate(months))
    values: dict[str, Any] = {
        "spec": spec,
        "end_month": None,
        "freshness": FreshnessState.FRESH,
        "as_of": datetime(months[-1].year, months[-1].number, 15, 12, tzinfo=UTC),
        "months": figures,
        "expected": figures,
        "funnel": Funnel(contacts=1200, contacted=900, with_deal=300, with_won_deal=80),
        "closings": {
            month: MonthClosings(won_count=place + 1, lost_count=2 * place, won_value=100, lost_value=50)
            for place, month in enumerate(months)
        },
        "undated_closings": MonthClosings(),
        "values": (
            ValueClass(lower=None, upper=100, open_count=1),
            ValueClass(lower=100, upper=200, won_count=5, open_count=3, lost_count=2),
            ValueClass(lower=200, upper=500, won_count=9),
        ),
        "activity_hours": {(0, 9): 120, (2, 16): 1500, (6, 23): 1},
        "median_cycle": timedelta(days=33, hours=5),
        "open_stages": (OpenStage(stage=text, count=4, value=123_456, weighted_value=6_543),),
        "largest_open_deals": (
            OpenDeal(
                title=text, company=text, stage=text, owner=text, value=99_000, expected_close_on="2026-01-31"
            ),
        ),
        "open_activities": (OpenActivities(type="task", count=3, overdue_count=1),),
        "heroes": heroes(
            contact=text,
            company=text,
            city=text,
            owner=text,
            deal=deal(text, currency=spec.currency),
        ),
        "verdict": Verdict(tenant=spec.slug, findings=(), pending=()),
        "notes": (),
    }
    values["releases"] = Releases(tenant=values["spec"].slug, months={})
    return TenantReport(**{**values, **changes})


def empty_report() -> TenantReport:
    """A tenant of which nothing is loaded."""
    report = report_of(month_count=3)
    return report_of(
        month_count=3,
        months=FiguresByMonth(dict.fromkeys(report.months, Figures())),
        expected=FiguresByMonth(),
        funnel=Funnel(contacts=0, contacted=0, with_deal=0, with_won_deal=0),
        closings={},
        values=(),
        activity_hours={},
        median_cycle=None,
        open_stages=(),
        largest_open_deals=(),
        open_activities=(),
        heroes=HeroAccounts(accounts=()),
        verdict=Verdict(tenant="larkmoor", findings=(), pending=tuple(report.months)),
    )


def _figures(place: int) -> Figures:
    return Figures(
        leads_created=20 + place,
        contacts_created=40 + 3 * place,
        companies_created=place,
        deals_created=9 + place,
        closed_won_count=4,
        closed_won_value=1_234_567 + 1_000 * place,
        pipeline_added_value=98_765_432_100,
        activities_created=0 if place % 7 == 3 else 1_000 * place,
    )
