"""Figures lowered to the caps, and the values that the tables can hold.

Which caps there are and what is beyond one is in ``feasibility``. Nothing is read from files; values are in
minor units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from demo_pipeline.domain.core.apportion import apportion
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps, value_cap

#: what ``crm.deals.value`` holds, ``numeric(15,2)``: one deal may carry all that a month declares
MOST_DEAL_VALUE: Final = Decimal("9999999999999.99")
#: what the figures of a month hold, ``numeric(17,2)``
MOST_MONTH_VALUE: Final = Decimal("999999999999999.99")


def within_caps(
    figures: Sequence[Figures], caps: Caps, *, currency: Currency, has_value: Sequence[bool]
) -> tuple[Figures, ...]:
    """Figures lowered to the caps, every month in proportion; within the caps they stay as they are.

    Leads and other contacts, won deals and other deals are lowered apart, so that no part exceeds its whole.
    ``has_value``: which of the months declare a value. A month may lose its contacts or open deals:
    ``nearest_feasible`` once more mends that.
    """

    def lowered(counts: Sequence[int], most: int) -> Sequence[int]:
        return counts if sum(counts) <= most else apportion(max(0, most), counts)

    count = len(figures)
    leads = lowered([one.leads_created for one in figures], caps.leads)
    others = lowered([one.other_contacts for one in figures], caps.other_contacts)
    companies = lowered([one.companies_created for one in figures], caps.companies)
    activities = lowered([one.activities_created for one in figures], caps.activities)
    deals = lowered(
        [*(one.closed_won_count for one in figures), *(one.other_deals for one in figures)], caps.deals
    )
    won, other_deals = deals[:count], deals[count:]
    least = [*won, *(0 for _ in figures)]
    values = [
        *(max(one.closed_won_value if won[i] else 0, won[i]) for i, one in enumerate(figures)),
        *(one.open_value if other_deals[i] else 0 for i, one in enumerate(figures)),
    ]
    declared = [i for i in range(2 * count) if has_value[i % count]]
    most = max(value_cap(caps, currency), sum(least[i] for i in declared))
    if sum(values[i] for i in declared) > most:
        shares = apportion(most, [values[i] for i in declared], minimum=[least[i] for i in declared])
        for i, share in zip(declared, shares, strict=True):
            values[i] = share
    return tuple(
        Figures(
            leads_created=leads[i],
            contacts_created=leads[i] + others[i],
            companies_created=companies[i],
            deals_created=won[i] + other_deals[i],
            closed_won_count=won[i],
            closed_won_value=values[i],
            pipeline_added_value=values[i] + values[count + i],
            activities_created=activities[i],
        )
        for i in range(count)
    )


def check_storable(months: FiguresByMonth, declared: Mapping[Month, int], *, currency: Currency) -> None:
    """Refuse values that the tables cannot hold (``InputError``), whatever the cap on value is.

    ``declared``: month → the value that a person gave, in minor units.
    """
    problems: list[Problem] = []
    for month, figures in months.items():
        for asked, bound, what in (
            (declared.get(month, 0), MOST_DEAL_VALUE, "the most that one deal can have"),
            (figures.pipeline_added_value, MOST_MONTH_VALUE, "the most that a month can have"),
        ):
            most = currency.minor(bound, ROUND_FLOOR)
            if asked > most:
                message = (
                    f"{currency.shown(asked)} {currency} are more than "
                    f"{currency.shown(most)}, "
                    f"{what}; ask for less in this month"
                )
                problems.append(
                    Problem(
                        code="value_too_large",
                        month=str(month),
                        metric="pipeline_added_value",
                        value=currency.plain(asked),
                        message=message,
                        suggestion={"pipeline_added_value": currency.plain(most)},
                    )
                )
                break
    if problems:
        raise InputError("; ".join(map(str, problems)), problems)
