"""Simulation of one tenant: made in some country, edited by people, patched again and again.

Each step draws from ``draws``, which the test replaces before a step; so the seeds of the steps decide
everything and a failure can be repeated. What must be true after each step is computed here, apart from the
code under test. Which steps come in which order belongs to the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import digest, list_jobs, list_tenants, show_tenant
from demo_pipeline.services.tenants.verify import Check, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import EUR, JPY
from tests.seeded_random import SeededRandom
from tests.services.builders import TABLES, make_tenant
from tests.services.months.user_edits import People
from tests.services.patches.builders import (
    Rows,
    added,
    expected_by_ledger,
    figures_of,
    fingerprint_of_all,
    fingerprint_of_others,
    lessened,
    plan,
    tenant_rows,
    unsound,
)

_PLACES: Final = (
    ("US", "America/Los_Angeles"), ("US", "America/New_York"), ("GB", "Europe/London"),
    ("DE", "Europe/Berlin"), ("DE", "Pacific/Auckland"),
)  # fmt: skip
_INDUSTRIES: Final = ("saas", "ecommerce", "igaming", "trading", "finserv")
#: No row may lie after the clock of the machine that runs the tests.
_LATEST: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)


class TenantSimulation:
    """One tenant, from its first month on."""

    def __init__(self, database: Database, settings: Settings, seed: int) -> None:
        self.database, self._settings = database, settings
        self.draws = SeededRandom(seed)
        self.slug = f"simulated-{seed}"
        #: what was done, for the reader of a failure
        self.log: list[str] = []
        self.now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(
            days=self.draws.between(40, 199), minutes=self.draws.below(1440)
        )
        if self.slug in {tenant.slug for tenant in list_tenants(database)}:
            delete_tenant(database, self.settings, self.slug)
        make_tenant(database, self.settings, self._blueprint(), slug=self.slug)
        self.spec: TenantSpec = show_tenant(database, self.settings, self.slug).spec
        self.people = People(database, self.slug, self.spec.start_month)
        #: whether people changed what a stage means: then rows of the blueprint may count otherwise
        self.is_turned = False

    @property
    def settings(self) -> Settings:
        return self._settings.model_copy(update={"now": self.now})

    @property
    def running(self) -> Month:
        return Month.containing(self.now)

    def _blueprint(self) -> dict[str, Any]:
        draws = self.draws
        country, zone = draws.one_of(_PLACES)
        start = self.running + -draws.between(2, 5)
        months = list(start.until(min(start + draws.below(4), self.running)))
        blueprint: dict[str, Any] = {
            "name": "Larkmoor Nord",
            "country": country,
            "timezone": zone,
            "industry": draws.one_of(_INDUSTRIES),
            "start_month": str(start),
            "end_month": str(months[-1]),
            "seed": str(draws.below(10)),
            "team_size": draws.between(2, 6),
            "months": [],
        }
        if draws.chance(40):
            # A living tenant.
            del blueprint["end_month"]
        if draws.chance(20):
            blueprint |= {"currency": "JPY", "industry": "ecommerce"}
        has_contact = False
        for month in months:
            if month != months[-1] and draws.chance(20):
                continue
            figures = self._figures(can_sell=has_contact, can_win=True)
            has_contact = has_contact or figures.contacts_created > 0
            currency = JPY if blueprint.get("currency") == "JPY" else EUR
            entry = {"month": str(month), **figures.to_json(currency)}
            blueprint["months"] = [*blueprint["months"], entry]
        return blueprint

    def _figures(self, *, can_sell: bool, can_win: bool) -> Figures:
        """Feasible figures of one month."""
        draws = self.draws
        leads, others = draws.one_of((0, 0, 3, 9)), draws.one_of((0, 0, 2, 5))
        companies = draws.one_of((0, 1, 3))
        if not can_sell and leads + others == 0:
            return Figures(companies_created=companies)
        won = draws.one_of((0, 0, 1, 4)) if can_win else 0
        rest = draws.one_of((0, 1, 3))
        won_value = won + draws.one_of((0, 1, 777, 9_876_543)) if won else 0
        open_value = draws.one_of((0, 1, 5, 4_000_001)) if rest else 0
        return Figures(
            leads_created=leads,
            contacts_created=leads + others,
            companies_created=companies,
            deals_created=won + rest,
            closed_won_count=won,
            closed_won_value=won_value,
            pipeline_added_value=won_value + open_value,
            activities_created=draws.one_of((0, 1, 8)),
        )

    # -- what is asked -------------------------------------------------------------------------------------

    def random_plan(self) -> PatchPlan:
        """A plan that can be, of deltas or of targets, with figures left out at random."""
        draws, rows = self.draws, tenant_rows(self.database, self.slug)
        last = self.running if self.now.day >= 8 else self.running + -1
        months = list(self.spec.start_month.until(last))
        chosen = draws.some_of(months, min(len(months), draws.between(1, 4)))
        living = [row["created_at"] for row in rows["contacts"].values() if row["deleted_at"] is None]
        can_win = any(
            stage["is_won"] and stage["deleted_at"] is None for stage in rows["pipeline_stages"].values()
        )
        earlier = False
        asked: dict[str, dict[str, int | str]] = {}
        wanted: dict[Month, Figures] = {}
        for month in chosen:
            can_sell = earlier or any(at < month.start for at in living)
            figures = self._figures(can_sell=can_sell, can_win=can_win)
            earlier = earlier or figures.contacts_created > 0
            wanted[month] = figures
        is_targets = draws.chance(40)
        if is_targets:
            base = preview(
                self.database, self.settings, self.slug, plan({str(month): {} for month in chosen})
            ).before
            wanted = {month: base[month] + figures for month, figures in wanted.items()}
        for month, figures in wanted.items():
            asked[str(month)] = self._spelled(figures.to_json(self.spec.currency), is_targets=is_targets)
        return plan(asked, targets=is_targets, seed=draws.one_of((None, None, "b")))

    def _spelled(self, figures: dict[str, int | str], *, is_targets: bool) -> dict[str, int | str]:
        """The same with zeros and values left out where that can be."""
        kept = dict(figures)
        for metric, figure in figures.items():
            is_zero = not is_targets and metric not in VALUE_METRICS and figure == 0
            if is_zero and self.draws.chance(60):
                del kept[metric]
        if self.draws.chance(30):
            for metric in VALUE_METRICS:
                del kept[metric]
        return kept

    def spoiled(self, whole: PatchPlan) -> PatchPlan:
        """The plan with one thing in it that cannot be."""
        draws = self.draws
        months = {str(request.month): dict(request.given) for request in whole.months}
        asked: dict[str, dict[str, Any]] = {month: {**figures} for month, figures in months.items()}
        month = draws.one_of(list(asked))
        figures = asked[month]
        many = draws.one_of((1, 20))
        match draws.below(8):
            case 0:
                figures["leads_created"] = int(figures.get("contacts_created", 0)) + many
                figures.setdefault("contacts_created", 0)
            case 1:
                figures["closed_won_count"] = int(figures.get("deals_created", 0)) + many
                figures.setdefault("deals_created", 0)
                figures.pop("closed_won_value", None)
                figures.pop("pipeline_added_value", None)
            case 2:
                figures["closed_won_value"] = str(10**6)
                figures["pipeline_added_value"] = str(10**5)
            case 3:
                asked[str(self.spec.start_month + -1)] = {"contacts_created": 1}
            case 4:
                asked[str(self.running + 1)] = {"contacts_created": 1}
            case 5:
                # In yen too many decimals, in other money too little for so many.
                figures["closed_won_count"] = int(figures.get("closed_won_count", 0)) + many + 1
                figures["deals_created"] = int(figures.get("deals_created", 0)) + many + 1
                figures["closed_won_value"] = "0.01"
            case 6 if whole.plan_type is PlanType.TARGETS:
                figures["contacts_created"] = 0
                figures["leads_created"] = 1
            case _:
                figures["closed_won_count"] = int(figures.get("deals_created", 0)) + 5
                figures["deals_created"] = int(figures.get("deals_created", 0))
        asked = dict(sorted(asked.items())[:24])
        return plan(asked, targets=whole.plan_type is PlanType.TARGETS, seed=whole.seed)

    # -- what is done --------------------------------------------------------------------------------------

    def pass_time(self) -> None:
        """Up to 25 days pass."""
        draws = self.draws
        self.now = min(self.now + timedelta(days=draws.below(25), hours=draws.below(24)), _LATEST)

    def let_people_act(self) -> None:
        """People do a few things of their own."""
        done = self.people.act(self.draws, self.now, self.draws.between(1, 5))
        self.is_turned = self.is_turned or "turn_stage" in done or "delete" in done
        self.log.append(f"people: {', '.join(done)}")

    def extend(self) -> None:
        """The blueprint of a closed tenant asks for up to three months more, if there are any."""
        end = show_tenant(self.database, self.settings, self.slug).context.end_month
        if end is not None and end < self.running:
            last = self.draws.one_of(list((end + 1).until(min(self.running, end + 2))))
            self.log.append(f"extend to {last}")
            extend_tenant(self.database, self.settings, self.slug, last)

    def refuse(self, wanted: PatchPlan) -> None:
        """Nothing changes, and what is suggested works. A plan that can be by chance is applied."""
        self.log.append(f"refuse at {self.now}: {wanted.to_json()}")
        seen = preview(self.database, self.settings, self.slug, wanted)
        if seen.feasible:
            self.apply(wanted)
            return
        before = fingerprint_of_all(self.database)
        with pytest.raises(InputError) as caught:
            apply_patch(self.database, self.settings, self.slug, wanted)
        assert caught.value.problems == seen.problems
        suggestion = caught.value.suggestion
        assert suggestion == seen.suggestion
        assert fingerprint_of_all(self.database) == before
        if suggestion is not None:
            seed = suggestion.pop("seed", None)
            self.apply(PatchPlan.from_json(suggestion, seed=seed))

    def apply(self, wanted: PatchPlan) -> JobReport:
        """Apply a plan that can be, and look at everything that must be true then."""
        self.log.append(f"apply at {self.now}: {wanted.to_json()}")
        before, others = (
            tenant_rows(self.database, self.slug),
            fingerprint_of_others(self.database, self.slug),
        )
        drift = self.drift(before)
        seen = preview(self.database, self.settings, self.slug, wanted)
        assert seen.feasible, seen.problems
        report = apply_patch(self.database, self.settings, self.slug, wanted, again=True)
        after = tenant_rows(self.database, self.slug)
        assert fingerprint_of_others(self.database, self.slug) == others
        self._check_rows(before, after, report)
        own = figures_of(after, self.spec.currency, {report.job_id})
        whole = figures_of(after, self.spec.currency)
        base = lessened(whole, own)
        self._check_asked(wanted, own, base)
        self._check_report(report, own, base, whole)
        assert own == {month: delta for month, delta in seen.deltas.items() if delta}
        complaints = unsound(self.spec, after, report.job_id, self.now)
        assert not complaints, complaints
        self.check_verify(after)
        if not self.is_turned:
            now = self.drift(after)
            if wanted.plan_type is PlanType.TARGETS:
                drift = {
                    month: figures for month, figures in drift.items()
                    if month not in {request.month for request in wanted.months}
                }  # fmt: skip
            assert now == drift
        self._check_materialised(wanted.last_month, after)
        return report

    def _check_materialised(self, last: Month, rows: Rows) -> None:
        """Where people took nothing away, there is nothing left to make; what they took would be healed."""
        drift = self.drift(rows)
        if any(figures[metric] < 0 for figures in drift.values() for metric in METRICS):
            return
        first = digest(self.database, self.settings, self.slug)
        again = materialise(
            self.database, self.settings, self.slug, self.spec.start_month, last, with_gaps=True
        )
        # The job that provisioning left may be pending still; then it is this one, and makes nothing but a
        # stage that people deleted.
        made = {table for table, count in again.created.items() if count}
        assert made <= {"pipeline_stages"}, again.created
        now = tenant_rows(self.database, self.slug)
        assert {table: rows[table] for table in TABLES if table not in made} == {
            table: now[table] for table in TABLES if table not in made
        }
        assert all(now[table][key] == row for table in made for key, row in rows[table].items())
        assert made or digest(self.database, self.settings, self.slug) == first

    def drift(self, rows: Rows) -> dict[Month, Figures]:
        return lessened(
            figures_of(rows, self.spec.currency),
            expected_by_ledger(self.database, self.settings, self.slug),
        )

    def _check_rows(self, before: Rows, after: Rows, report: JobReport) -> None:
        """What was there is there unchanged; what is new is a job's, and is counted."""
        kinds = {job.id: job.kind for job in list_jobs(self.database, self.settings, self.slug)}
        created = dict.fromkeys(TABLES, 0)
        for table in TABLES:
            for key, row in before[table].items():
                assert after[table][key] == row
            for key, row in after[table].items():
                if key in before[table]:
                    continue
                created[table] += 1
                if "demo_job_id" not in row:
                    continue
                assert row["deleted_at"] is None
                if row["demo_job_id"] != report.job_id:
                    assert kinds[row["demo_job_id"]] == "materialise"
        assert created == {table: report.created.get(table, 0) for table in TABLES}
        for table, column in (("contacts", "email"), ("companies", "name"), ("companies", "domain")):
            told = [row[column] for row in after[table].values() if row[column] is not None]
            own = {row[column] for row in after[table].values() if row["demo_job_id"] == report.job_id}
            own.discard(None)
            assert all(told.count(text) == 1 for text in own)

    def _check_asked(
        self, wanted: PatchPlan, own: Mapping[Month, Figures], base: Mapping[Month, Figures]
    ) -> None:
        """Every figure of every month moved by what was asked, and by nothing where nothing was."""
        months = {request.month: request for request in wanted.months}
        assert set(own) <= set(months)
        for month, request in months.items():
            made, stood = own.get(month, Figures()), base.get(month, Figures())
            reached = (stood if wanted.plan_type is PlanType.TARGETS else Figures()) + made
            shown = reached.to_json(self.spec.currency)
            for metric in METRICS:
                asked = request.given.get(metric)
                if asked is not None:
                    expected = (
                        self.spec.currency.plain(self.spec.currency.minor(asked))
                        if not isinstance(asked, int)
                        else asked
                    )
                    assert shown[metric] == expected, (month, metric)
                elif metric not in VALUE_METRICS:
                    assert made[metric] == 0, (month, metric)

    def _check_report(
        self,
        report: JobReport,
        own: Mapping[Month, Figures],
        base: Mapping[Month, Figures],
        whole: Mapping[Month, Figures],
    ) -> None:
        assert report.is_passed
        nothing = Figures()
        for result in report.months:
            assert result.before == base.get(result.month, nothing)
            assert result.after == whole.get(result.month, nothing)
            assert result.delta == own.get(result.month, nothing)
        assert added(base, own) == whole

    def check_verify(self, rows: Rows) -> None:
        """The KPI check of ``verify`` finds what this computation finds, to the metric."""
        expected = expected_by_ledger(self.database, self.settings, self.slug)
        found = figures_of(rows, self.spec.currency)
        nothing = Figures()
        differ = {
            (str(month), metric)
            for month in {*expected, *found}
            for metric in METRICS
            if expected.get(month, nothing)[metric] != found.get(month, nothing)[metric]
        }
        verdict = verify(self.database, self.settings, self.slug)[0]
        told = [finding for finding in verdict.findings if finding.check is Check.DRIFT]
        assert {(finding.month, finding.metric) for finding in told} == differ
