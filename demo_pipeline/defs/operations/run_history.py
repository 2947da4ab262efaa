"""What Dagster's records say of failed runs and failing checks, read a little further at each tick.

The sensor's cursor holds it as JSON: where reading ended, and what fails there. A cursor that is missing or
cannot be read begins 7 days ago. Records are read again from somewhat before that point, since a run may
commit its events later than another one that began after it; reading one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from pydantic import BaseModel, Field, ValidationError

from demo_pipeline.defs.shared.run_tags import tenant_of
from demo_pipeline.domain.core.terminal_text import neutral_line
from demo_pipeline.services.health.alerts import FailedRun, FailingChecks
from demo_pipeline.storage.connection.masking import masked

#: how long a failed run counts, and where reading begins
_WINDOW: Final = timedelta(days=7)
#: events, of all types, and seconds that are read again
_EVENTS_AGAIN: Final = 2_000
_SECONDS_AGAIN: Final = 30
#: evaluations that are read at once
_BATCH: Final = 1_000
#: characters of a failure's message
_MOST_TEXT: Final = 400
#: Dagster's own tag of a failed run that is tried again
_WILL_RETRY_TAG: Final = "dagster/will_retry"
#: Dagster's name of the job of a run that was asked for by its assets
_UNNAMED_JOB: Final = "__ASSET_JOB"
_SUCCESS, _FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
_FINISHED: Final = (_SUCCESS, _FAILURE)


class _Run(BaseModel):
    """A failed run."""

    run_id: str
    job: str
    tenant: str | None
    message: str
    #: Unix time of its end
    ended: float


class _Verdict(BaseModel):
    """A check that failed, of one month."""

    run_id: str
    #: Unix time of the evaluation
    at: float


class RunHistory(BaseModel):
    """The state after the last record that was read."""

    #: of the last evaluation; 0: none was read
    event_id: int = 0
    #: Unix time of the last change of a run that was read
    runs_until: float = 0
    #: job and tenant → their last run, where it failed
    failed_runs: dict[str, _Run] = Field(default_factory=dict[str, _Run])
    #: tenant → check → month → its last verdict, where it failed
    failing: dict[str, dict[str, dict[str, _Verdict]]] = Field(
        default_factory=dict[str, dict[str, dict[str, _Verdict]]]
    )
    #: run with a failed verdict → Unix time of the last one
    runs_with_failures: dict[str, float] = Field(default_factory=dict[str, float])

    @classmethod
    def of_cursor(cls, cursor: str | None) -> RunHistory:
        """The state that a cursor holds."""
        try:
            return cls() if not cursor else cls.model_validate_json(cursor)
        except ValidationError:
            return cls()

    def advance(self, instance: dg.DagsterInstance, now: datetime, deleted: Collection[str]) -> None:
        """Read on, up to ``now``; forget what is too old, and the tenants that were ``deleted``."""
        since = (now - _WINDOW).timestamp()
        self._read_evaluations(instance, since)
        self._read_runs(instance, since)
        self.failed_runs = {
            subject: run
            for subject, run in self.failed_runs.items()
            if run.ended >= since and run.tenant not in deleted
        }
        self.failing = {tenant: checks for tenant, checks in self.failing.items() if tenant not in deleted}
        self.runs_with_failures = {
            run_id: at for run_id, at in self.runs_with_failures.items() if at >= since
        }

    def runs(self) -> Iterator[FailedRun]:
        """The failed runs after which none of the same job and tenant succeeded."""
        for run in self.failed_runs.values():
            yield FailedRun(
                run_id=run.run_id,
                job=run.job,
                tenant=run.tenant,
                message=run.message,
                has_failed_checks=run.run_id in self.runs_with_failures,
            )

    def checks(self) -> Iterator[FailingChecks]:
        """The failing checks by tenant."""
        for tenant, checks in self.failing.items():
            last = max(
                (verdict for months in checks.values() for verdict in months.values()),
                key=lambda verdict: verdict.at,
            )
            yield FailingChecks(
                tenant=tenant,
                checks={check: sorted(months) for check, months in checks.items()},
                run_id=last.run_id,
            )

    def _read_evaluations(self, instance: dg.DagsterInstance, since: float) -> None:
        # The instance's own method of that name is about to go; the one of its storage stays.
        storage = instance.event_log_storage
        after = max(0, self.event_id - _EVENTS_AGAIN)
        while True:
            records = storage.get_event_records(
                dg.EventRecordsFilter(
                    event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION,
                    after_cursor=after,
                    after_timestamp=since,
                ),
                limit=_BATCH,
                ascending=True,
            )
            for record in records:
                self._note_evaluation(record)
                after = record.storage_id
            self.event_id = max(self.event_id, after)
            if len(records) < _BATCH:
                return

    def _note_evaluation(self, record: dg.EventLogRecord) -> None:
        entry, event = record.event_log_entry, record.event_log_entry.dagster_event
        if event is None:
            return
        evaluation = event.asset_check_evaluation_data
        month, _, tenant = (evaluation.partition or "").partition("|")
        if not tenant:
            return
        checks = self.failing.setdefault(tenant, {})
        months = checks.setdefault(evaluation.check_name, {})
        months.pop(month, None)
        # A warning is no alert: people may change the rows of a demo tenant.
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            months[month] = _Verdict(run_id=entry.run_id, at=entry.timestamp)
            self.runs_with_failures[entry.run_id] = entry.timestamp
        if not months:
            del checks[evaluation.check_name]
        if not checks:
            del self.failing[tenant]

    def _read_runs(self, instance: dg.DagsterInstance, since: float) -> None:
        after = max(since, self.runs_until - _SECONDS_AGAIN)
        records = instance.get_run_records(
            dg.RunsFilter(statuses=list(_FINISHED), updated_after=datetime.fromtimestamp(after, UTC)),
            order_by="update_timestamp",
            ascending=True,
        )
        for record in records:
            run = record.dagster_run
            updated = record.update_timestamp.replace(tzinfo=UTC).timestamp()
            self.runs_until = max(self.runs_until, updated)
            ended = record.end_time or updated
            tenant = tenant_of(run)
            job = _job_of(run)
            subject = f"{job} {tenant or ''}".strip()
            if run.status is _SUCCESS:
                self.failed_runs.pop(subject, None)
            elif run.tags.get(_WILL_RETRY_TAG) != "true" and ended >= since:
                known = self.failed_runs.get(subject)
                is_known = known is not None and known.run_id == run.run_id
                message = known.message if known is not None and is_known else _message_of(instance, run)
                self.failed_runs[subject] = _Run(
                    run_id=run.run_id, job=job, tenant=tenant, message=message, ended=ended
                )


def _job_of(run: dg.DagsterRun) -> str:
    """The name of a run's job, or of its assets where the pages or automation selected these."""
    if run.job_name.startswith(_UNNAMED_JOB) and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))
    return run.job_name


def _message_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a run failed: what its op said, or else what Dagster says; one line."""
    types = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    text = ""
    for entry in instance.all_logs(run.run_id, of_type=types):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            data = event.step_failure_data
            text = (data.user_failure_data and data.user_failure_data.description) or entry.user_message
            break
        text = event.message or text
    line = neutral_line(masked(" ".join(text.split())))
    return line if len(line) <= _MOST_TEXT else f"{line[: _MOST_TEXT - 4]} ..."
