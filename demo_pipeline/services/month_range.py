"""Which months a request means: the range asked for, its defaults, and what is refused of it."""

from __future__ import annotations

from datetime import datetime

from demo_pipeline.domain.errors import InputError, Problem
from demo_pipeline.domain.months import Month
from demo_pipeline.services.subject import Subject


def month_range(
    subject: Subject, first: Month | None, last: Month | None, as_of: datetime
) -> tuple[Month, Month]:
    """First and last month; the default ends with the span, or with what was ever loaded beyond it.

    Raises ``InputError`` for a month before the span or in the future, and for an empty range.
    """
    spec, running = subject.spec, Month.containing(as_of)
    start = first or spec.start_month
    end = last or max(start, min(running, max((spec.end_month, *subject.state.months))))
    problems: list[Problem] = []
    for month in sorted({start, end}):
        if month < spec.start_month:
            message = f"{month} is before the first month of {spec.slug}; begin with {spec.start_month}"
            problems.append(Problem(code="before_span", month=str(month), message=message))
        elif month > running:
            message = f"{month} lies in the future; the last month that has begun is {running}"
            problems.append(Problem(code="future_month", month=str(month), message=message))
    if end < start:
        message = f"the range ends ({end}) before it begins ({start})"
        problems.append(Problem(code="empty_range", month=str(start), message=message))
    if problems:
        raise InputError("; ".join(problem.message for problem in problems), problems)
    return start, end
