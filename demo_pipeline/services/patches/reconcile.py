"""Apply a plan that may lower figures: soft-delete generated rows, then make rows, until every target is met.

What goes is decided by the domain (``patch_plan.reconcile``) from the rows as they are, in the preview as in
the job; a fingerprint shows whether both have the same result. Nothing is done without a confirmation.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.errors import InputError, Problem, UnconfirmedError
from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.domain.patch_plan.reconcile import (
    ReconcileBaseline,
    Reconciled,
    goals_of,
    resolve_reconcile,
    tables_to_read,
)
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline, shows_targets
from demo_pipeline.domain.patch_plan.row_choice import Held, LivingRow, RowGraph
from demo_pipeline.services.jobs.steps import (
    AnotherTryError,
    JobOutcome,
    JobRun,
    JobSelection,
    JobTransaction,
)
from demo_pipeline.services.jobs.tenant_context import TenantContext, check_instant
from demo_pipeline.services.months.delta_loading import delta_rows, job_beside, load_blueprint, load_deltas
from demo_pipeline.services.months.pending_load import check_months_beyond, missing_rows
from demo_pipeline.services.months.plan_baseline import ProjectedBaseline, project_baseline
from demo_pipeline.services.patches.plan_request import (
    blueprint_notes,
    check_currency,
    last_month,
    patch_spec,
    record_refusal,
    requested_job,
)
from demo_pipeline.settings import Settings
from demo_pipeline.storage.ledger.hero_accounts import HeroMark, hero_marks
from demo_pipeline.storage.ledger.tenants import JobState
from demo_pipeline.storage.rows import soft_delete
from demo_pipeline.storage.rows.kpis import collected_figures
from demo_pipeline.storage.rows.provenance import finished_at
from demo_pipeline.storage.rows.reconcile_rows import (
    Holds,
    companies_without_contact,
    first_contact_without,
    read_rows,
)

Connection = psycopg.Connection[Any]
#: companies that a warning names
_MOST_NAMES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What a plan that reconciles comes to on a tenant."""

    baseline: PlanBaseline
    reconciled: Reconciled
    #: SHA-256 in hex of all that a person confirms
    fingerprint: str

    @property
    def deleted(self) -> tuple[LivingRow, ...]:
        return self.reconciled.choice.deleted

    @property
    def made(self) -> FiguresByMonth:
        return self.reconciled.choice.made

    @property
    def before(self) -> FiguresByMonth:
        """Figures of the months that are touched, with the blueprint's missing rows."""
        choice = self.reconciled.choice
        return self.baseline.before.over({*self.reconciled.targets, *choice.deleted_figures, *choice.made})


def read_holds(conn: Connection, context: TenantContext, projected: ProjectedBaseline) -> Holds:
    """What holds rows in place, which does not change while the tenant is held; for administrators."""
    tenant_id = context.state.tenant.tenant_id
    return Holds(
        finished=finished_at(conn, tenant_id),
        heroes=hero_marks(conn, tenant_id),
        awaited=projected.referenced,
    )


def reconcile(
    conn: Connection,
    context: TenantContext,
    plan: PatchPlan,
    settings: Settings,
    baseline: PlanBaseline,
    missing: FiguresByMonth,
    holds: Holds,
) -> Reconciliation:
    """Read the rows, and choose. ``missing``: what the blueprint's missing rows add; in ``baseline`` already.

    Raises as ``resolve_reconcile`` does.
    """
    tenant_id, currency = context.state.tenant.tenant_id, context.spec.currency
    goals = goals_of(plan, baseline)
    rows = read_rows(conn, tenant_id, tables_to_read(goals), holds, currency)
    if not baseline.has_won_stage:
        rows = [
            row._replace(held=Held.STAGE) if row.part == "won_deals" and not row.held else row for row in rows
        ]

    def has_contact_without(deleted: frozenset[bytes], month: Month) -> bool:
        if missing.total.contacts_created:
            return baseline.has_contact(month)
        first = first_contact_without(conn, tenant_id, deleted)
        return first is not None and first < month.end and baseline.has_contact(month)

    ground = ReconcileBaseline(baseline=baseline, missing=missing, has_contact_without=has_contact_without)
    reconciled = resolve_reconcile(plan, ground, RowGraph(rows), settings.caps.to_domain())
    return Reconciliation(
        baseline=baseline,
        reconciled=reconciled,
        fingerprint=_fingerprint(context, plan, baseline, reconciled),
    )


def reconcile_warnings(
    conn: Connection, context: TenantContext, found: Reconciliation, heroes: Sequence[HeroMark]
) -> Iterator[str]:
    """What a person may want to know of the rows that are to be hidden."""
    hidden = {row.id for row in found.deleted}
    contacts = [row for row in found.deleted if row.table == "contacts"]
    companies = {row.company_id for row in contacts if row.company_id and row.company_id not in hidden}
    names = companies_without_contact(
        conn, context.state.tenant.tenant_id, companies, [row.id for row in contacts]
    )
    if names:
        listed = ", ".join(names[:_MOST_NAMES]) + (" ..." if len(names) > _MOST_NAMES else "")
        what = counted(len(names), "company loses its last contact", "companies lose their last contact")
        yield f"{what}: {listed}"
    of_heroes = {mark.company_id.bytes: mark.kind for mark in heroes if mark.company_id is not None}
    for kind in sorted({of_heroes[row.company_id] for row in contacts if row.company_id in of_heroes}):
        yield f"a colleague of the {kind.replace('_', ' ')} hero account's contact is hidden"
    planned = found.reconciled.targets
    if others := [str(month) for month in found.before if month not in planned]:
        yield (
            "rows of other months go along, and others are made there, so that their figures stay: "
            + ", ".join(others)
        )


def _fingerprint(
    context: TenantContext, plan: PatchPlan, baseline: PlanBaseline, reconciled: Reconciled
) -> str:
    """Of the tenant as it is, what is asked of it, which rows go and what is made."""
    tenant, currency = context.state.tenant, context.spec.currency
    choice = reconciled.choice
    months = {*reconciled.targets, *choice.deleted_figures, *choice.made}
    document = {
        "tenant": str(tenant.tenant_id),
        "incarnation": tenant.incarnation,
        "last_job": max((job.number for job in context.state.jobs if job.status == "completed"), default=0),
        "plan": plan.to_json(),
        "seed": plan.seed if plan.seed is not None else tenant.seed,
        "before": baseline.before.over(months).to_json(currency),
        "deleted": [[row.table, row.id.hex()] for row in choice.deleted],
        "made": choice.made.to_json(currency),
    }
    return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def unconfirmed(slug: str, plan: PatchPlan) -> UnconfirmedError:
    """The refusal of a plan without a confirmation, or whose result has changed since."""
    code = "unconfirmed"
    message = (
        "a plan that reconciles hides rows and needs a confirmation; look at what plan preview shows, then "
        "apply it with --yes, or add the line that the preview prints (fingerprint: ...)"
    )
    if plan.fingerprint is not None:
        code = "out_of_date"
        message = (
            f"the fingerprint is not that of this plan on {slug} as it is now: it belongs to another plan or "
            "tenant, or rows or jobs have changed since the preview; look at the new preview and confirm it"
        )
    return UnconfirmedError(message, [Problem(code=code, field="fingerprint", message=message)])


@dataclass(frozen=True)
class ReconcileWork:
    """A plan that reconciles, and the steps of its job."""

    plan: PatchPlan
    currencies: frozenset[str]
    again: bool
    retried: UUID | None
    #: the present result is confirmed, and the fingerprint of the plan is not compared
    is_confirmed: bool

    def select(self, run: JobRun) -> JobSelection | UUID:
        check_instant(run.context, run.as_of, run.settings)
        check_currency(run.context, self.currencies)
        last = last_month(run.context, self.plan, run.as_of)
        check_months_beyond(run.context, last, run.settings.caps.to_domain())
        with run.database.snapshot() as conn:
            projected = project_baseline(conn, run.context, run.as_of, last)
            selected = requested_job(
                run,
                patch_spec(run.context, self.plan, run.as_of),
                lambda done: self._is_done(done, projected.baseline),
                self.retried,
            )
            if isinstance(selected, UUID):
                return selected
            holds = read_holds(conn, run.context, projected)
            try:
                found = self._reconcile(run, conn, projected.baseline, projected.missing.change, holds)
            except UnconfirmedError:
                raise
            except InputError as error:
                record_refusal(run, error)
                raise
        # A retry needs to know what was confirmed. No part of the job's identity.
        plan = {**(selected.plan or {}), "fingerprint": found.fingerprint}
        return JobSelection(
            request=replace(selected, plan=plan),
            execute=lambda transaction: self._execute(transaction, projected, holds),
            beside=job_beside(run, projected, last),
        )

    def _execute(self, run: JobTransaction, projected: ProjectedBaseline, holds: Holds) -> JobOutcome:
        missing = projected.missing.change
        # Of stages and contacts, too, the blueprint's missing ones come first.
        baseline = replace(projected.baseline, before=run.figures() + missing)
        found = self._reconcile(run, run.conn, baseline, missing, holds)
        choice = found.reconciled.choice
        last = last_month(run.context, self.plan, run.as_of)
        # Found before the deletion, since what goes is not missing. Loaded after it, so that rows that refer
        # to what is in the database do not refer to what goes.
        pending = missing_rows(run.conn, run.context, last, run.as_of)
        warnings = tuple(reconcile_warnings(run.conn, run.context, found, holds.heroes))
        deleted, instant = _delete(run, found.deleted)
        loaded, first = load_blueprint(run, last, pending)
        if first is not None:
            if run.figures() != (baseline.before - choice.deleted_figures).nonzero():
                raise AnotherTryError("rows of the blueprint went missing")
            first = replace(first, before=first.before + choice.deleted_figures.over(first.before))
        seed = self.plan.seed if self.plan.seed is not None else run.tenant.seed
        with run.making(*delta_rows(run, run.number, seed, choice.made, first)) as rows:
            created = load_deltas(run, choice.made, rows)
        expected = FiguresByMonth((month, run.context.expected(month, loaded)) for month in found.before)
        recorded = found.reconciled.targets - expected.over(found.reconciled.targets)
        return JobOutcome(
            before=baseline.before,
            change=choice.made - choice.deleted_figures,
            results={
                month: (
                    expected[month] + recorded.at(month),
                    found.reconciled.targets.get(month, found.before[month]),
                )
                for month in found.before
            },
            created=created,
            loaded=loaded.values(),
            recorded=recorded,
            first=first,
            metrics=deleted
            | {
                "hidden_at": instant.isoformat(),
                "made": choice.made.to_json(run.currency),
                "fingerprint": found.fingerprint,
            },
            notes=(*warnings, *blueprint_notes(first)),
        )

    def _reconcile(
        self, run: JobRun, conn: Connection, baseline: PlanBaseline, missing: FiguresByMonth, holds: Holds
    ) -> Reconciliation:
        """:func:`reconcile`; refuses what comes to something else than what was confirmed."""
        found = reconcile(conn, run.context, self.plan, run.settings, baseline, missing, holds)
        if not self.is_confirmed and found.fingerprint != self.plan.fingerprint:
            raise unconfirmed(run.tenant.slug, self.plan)
        return found

    def _is_done(self, last: JobState | None, baseline: PlanBaseline) -> bool:
        return last is not None and not self.again and shows_targets(self.plan, baseline)


def _delete(run: JobTransaction, rows: Collection[LivingRow]) -> tuple[dict[str, Any], datetime]:
    """Soft-delete the rows; what the job records of it, and the instant that they bear."""
    conn, tenant_id = run.conn, run.tenant.tenant_id
    ids: dict[str, list[UUID]] = {}
    for row in rows:
        ids.setdefault(row.table, []).append(UUID(bytes=row.id))
    soft_delete.collect_rows(conn, ids.items())
    if dependents := soft_delete.dependents(conn, tenant_id, collect=False):
        # The choice takes all that depends on a row along.
        raise AssertionError(f"{dependents[0].entity} {dependents[0].id} would depend on a deleted row")
    of_jobs = {
        str(job): figures.to_json(run.currency)
        for job in sorted(soft_delete.collected_jobs(conn, tenant_id))
        if (figures := collected_figures(conn, tenant_id, run.currency, job))
    }
    instant = soft_delete.soft_delete(conn, tenant_id)
    soft_delete.discard(conn)
    return {
        "hidden": {table: len(found) for table, found in ids.items()},
        "hidden_rows": {table: [str(one) for one in found] for table, found in ids.items()},
        "taken_along": of_jobs,
    }, instant
