"""Plans of the inbox that were refused, and whether a corrected plan was applied since.

Read from the reports beside them. A refused plan is settled once its file was deleted or moved, or a file of
the same name was applied later.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from demo_pipeline.services.inbox.folder import End, read_reports
from demo_pipeline.settings import Settings

#: characters of a reason that are repeated
_MOST_TEXT: Final = 300


@dataclass(frozen=True, kw_only=True)
class RefusedPlan:
    """A plan that was refused."""

    tenant: str
    name: str
    reason: str
    at: datetime
    #: the job that failed, where the plan got so far
    job_id: str | None
    dagster_run_id: str | None
    is_settled: bool


def refused_plans(settings: Settings, since: datetime) -> list[RefusedPlan]:
    """The plans that were refused at ``since`` or later, the earliest first.

    Reports that cannot be read are left out; without an inbox there is none.
    """
    applied = {(one.tenant, one.name): one.at for one in _settled(settings, "done", since)}

    def is_settled(plan: RefusedPlan) -> bool:
        at = applied.get((plan.tenant, plan.name))
        # Reports are dated to the second.
        return plan.is_settled or (at is not None and at >= plan.at)

    return [replace(one, is_settled=is_settled(one)) for one in _settled(settings, "refused", since)]


def _settled(settings: Settings, end: End, since: datetime) -> list[RefusedPlan]:
    return sorted(_read(settings, end, since), key=lambda one: (one.at, one.tenant, one.name))


def _read(settings: Settings, end: End, since: datetime) -> Iterator[RefusedPlan]:
    for tenant, text, has_file in read_reports(settings, end, since.timestamp()):
        try:
            report: Any = json.loads(text)
            error: Any = report.get("error") or {}
            plan = RefusedPlan(
                tenant=tenant,
                name=report["file"],
                reason=textwrap.shorten(str(error.get("message", "")), _MOST_TEXT, placeholder=" ..."),
                at=datetime.fromisoformat(report["at"]),
                job_id=error.get("details", {}).get("job_id"),
                dagster_run_id=report.get("dagster_run_id"),
                is_settled=not has_file,
            )
            is_recent = plan.at >= since
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # not a report of this program
        if is_recent:
            yield plan
