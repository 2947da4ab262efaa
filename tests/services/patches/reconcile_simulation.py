"""Simulation of one tenant whose figures are lowered and raised, beside the steps of ``simulation``.

What must be true after each step is computed here from rows in Python: figures, the rows of people, and that
nothing living depends on what was hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final
from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import InputError, UnconfirmedError
from demo_pipeline.domain.core.figures import VALUE_METRICS, Figures, FiguresByMonth, Parts
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest
from tests.services.builders import TABLES
from tests.services.patches.builders import (
    GENERATED,
    Rows,
    figures_of,
    fingerprint_of_all,
    fingerprint_of_others,
    lessened,
    plan,
    tenant_rows,
    unsound,
)
from tests.services.patches.reconcile_builders import reconcile_plan
from tests.services.patches.simulation import TenantSimulation

_REFERENCES: Final = ("company_id", "contact_id", "deal_id")
_NOTHING: Final = Figures()


class ReconcileSimulation(TenantSimulation):
    """A tenant of some hundred rows; its plans are confirmed by the fingerprint of their preview."""

    #: how plans of all simulations ended
    ends: ClassVar[Counter[str]] = Counter()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        #: patches that are not undone
        self.jobs: list[UUID] = []

    def _figures(self, *, can_sell: bool, can_win: bool) -> Figures:
        """Larger months: hero accounts leave room in them."""
        one, times = super()._figures(can_sell=can_sell, can_win=can_win), self.draws.between(2, 6)
        return Figures.of_parts(Parts(*(part * times for part in one.parts)))

    # -- what is asked -------------------------------------------------------------------------------------

    def random_reconcile(self) -> PatchPlan:
        """Targets above and below what is there, some of them not feasible, with figures left out."""
        draws = self.draws
        last = self.running if self.now.day >= 8 else self.running + -1
        months = list(self.spec.start_month.until(last))
        chosen = sorted(draws.some_of(months, min(len(months), draws.between(1, 3))))
        before = preview(
            self.database, self.settings, self.slug, plan({str(month): {} for month in chosen}, targets=True)
        ).before
        asked: dict[str, dict[str, int | str]] = {}
        for month in chosen:
            there = before[month]
            parts = Parts(*(self._moved(max(part, 0)) for part in there.parts))
            figures = Figures.of_parts(parts).to_json(self.spec.currency)
            kept = {metric: figure for metric, figure in figures.items() if not draws.chance(25)}
            if draws.chance(30):
                kept = {metric: figure for metric, figure in kept.items() if metric not in VALUE_METRICS}
            asked[str(month)] = kept or {"activities_created": figures["activities_created"]}
        return reconcile_plan(asked)

    def _moved(self, part: int) -> int:
        """The same, less, or more."""
        draws = self.draws
        percent = draws.one_of((0, 40, 70, 90, 97, 100, 100, 100, 110, 150))
        return max(part * percent // 100 + draws.one_of((0, 0, 0, -1, 1, 2)), 0)

    # -- what is done --------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """A plan is exact in all months, or refused with a nearest plan that applies and is exact."""
        wanted = self.random_reconcile()
        self.log.append(f"reconcile at {self.now}: {wanted.to_json()}")
        seen = preview(self.database, self.settings, self.slug, wanted)
        if seen.feasible:
            self.ends["exact"] += 1
            self._apply_confirmed(wanted)
            return
        before = fingerprint_of_all(self.database)
        with pytest.raises(InputError) as caught:
            apply_patch(self.database, self.settings, self.slug, wanted, is_confirmed=True)
        assert caught.value.problems == seen.problems, (caught.value.problems, seen.problems)
        assert caught.value.suggestion == seen.suggestion is not None, seen.problems
        assert fingerprint_of_all(self.database) == before
        self.log.append(f"refused: {[problem.message for problem in seen.problems][:4]}")
        self.ends["refused, the nearest exact"] += 1
        self._apply_confirmed(PatchPlan.from_json(seen.suggestion))

    def _apply_confirmed(self, wanted: PatchPlan) -> None:
        before, others = self._rows(), fingerprint_of_others(self.database, self.slug)
        first = digest(self.database, self.settings, self.slug)
        seen = preview(self.database, self.settings, self.slug, wanted)
        assert seen.reconcile is not None, seen.problems
        with pytest.raises(UnconfirmedError):
            apply_patch(self.database, self.settings, self.slug, wanted, again=True)
        confirmed = replace(wanted, fingerprint=seen.reconcile.fingerprint)
        report = apply_patch(self.database, self.settings, self.slug, confirmed, again=True)
        after = self._rows()
        assert report.is_passed
        assert fingerprint_of_others(self.database, self.slug) == others
        self._check_people(before, after)
        self._check_only_deleted_at(before, after)
        hidden = _hidden(after) - _hidden(before)
        assert hidden == {one for ids in seen.reconcile.hidden_rows.values() for one in ids}
        assert not _dependents(after, hidden)
        self._check_targets(wanted, FiguresByMonth(seen.targets), before, after, report.jobs[0].job_id)
        complaints = unsound(self.spec, after, report.job_id, self.now)
        assert not complaints, complaints
        self.check_verify(after)
        if seen.rows_before == 0 and self.draws.chance(50):
            undo = undo_job(self.database, self.settings, report.job_id)
            assert digest(self.database, self.settings, self.slug) == first
            assert self._rows_but_made(report.job_id) == before
            if self.draws.chance(60):
                lowered = figures_of(after, self.spec.currency)
                undo_job(self.database, self.settings, undo.job_id)
                assert self._rows() == after
                assert figures_of(self._rows(), self.spec.currency) == lowered
                self.jobs.append(report.job_id)
        else:
            self.jobs.append(report.job_id)

    def undo_some(self) -> None:
        """An earlier patch is taken back, or refused for a reason; people's rows stay as they are."""
        job = self.draws.one_of(self.jobs)
        self.log.append(f"undo {job}")
        before, whole = self._rows(), fingerprint_of_all(self.database)
        try:
            undo_job(self.database, self.settings, job, with_dependents=self.draws.chance(60))
        except InputError as error:
            self.log.append(f"refused: {error.problems[0].code}")
            assert fingerprint_of_all(self.database) == whole
            return
        self.jobs.remove(job)
        after = self._rows()
        self._check_only_deleted_at(before, after)
        assert all(
            after[table][key] == row
            for table in GENERATED
            for key, row in before[table].items()
            if row["demo_job_id"] is None
        )
        self.check_verify(after)

    def add(self) -> None:
        """A plan that only adds."""
        self.jobs.append(self.apply(self.random_plan()).job_id)

    def make_whole(self) -> None:
        """What falls short is made again; a second time there is nothing to make."""
        self.log.append(f"materialise at {self.now}")
        before = self._rows()
        materialise(
            self.database, self.settings, self.slug, self.spec.start_month, self.running, with_gaps=True
        )
        after = self._rows()
        assert all(after[table][key] == row for table in TABLES for key, row in before[table].items())
        self.check_verify(after)

    # -- looks ---------------------------------------------------------------------------------------------

    def _check_targets(
        self, wanted: PatchPlan, targets: FiguresByMonth, before: Rows, after: Rows, first: UUID
    ) -> None:
        """Given figures are those that were asked; figures of all other months are what they were."""
        currency = self.spec.currency
        shown = figures_of(after, currency)
        came = figures_of(after, currency, {first}) if first not in self._jobs(before) else {}
        asked = {request.month: request for request in wanted.months}
        for month, request in asked.items():
            there = shown.get(month, _NOTHING)
            assert there == targets[month]
            for metric, figure in request.given.items():
                due = currency.minor(figure) if not isinstance(figure, int) else figure
                assert there[metric] == due, (month, metric)
        moved = lessened(shown, figures_of(before, currency))
        rest = {month: one for month, one in moved.items() if month not in asked}
        own_first = {month: one for month, one in came.items() if month not in asked}
        assert rest in ({}, own_first), rest

    def _check_people(self, before: Rows, after: Rows) -> None:
        """Rows that people made or edited are what they were, and so is what these depend on: not hidden."""
        with self.database.admin(readonly=True) as conn:
            edited = {row for (row,) in conn.execute("SELECT id FROM demo.edited_rows").fetchall()}
        theirs = {
            (table, key)
            for table in GENERATED
            for key, row in before[table].items()
            if row["demo_job_id"] is None or key in edited
        }
        assert all(after[table][key] == before[table][key] for table, key in theirs)
        tables = {"company_id": "companies", "contact_id": "contacts", "deal_id": "deals"}
        for table, key in theirs:
            row = before[table][key]
            if row["deleted_at"] is None:
                for column in _REFERENCES:
                    parent = row.get(column)
                    if parent is not None:
                        above = tables[column]
                        assert after[above][parent] == before[above][parent]

    @staticmethod
    def _check_only_deleted_at(before: Rows, after: Rows) -> None:
        for table in TABLES:
            for key, row in before[table].items():
                now = after[table][key]
                if now != row:
                    assert {**now, "deleted_at": None} == {**row, "deleted_at": None}

    def _rows(self) -> Rows:
        return tenant_rows(self.database, self.slug)

    def _rows_but_made(self, job: UUID) -> Rows:
        """All rows but those of a job and their tags."""
        rows = self._rows()
        own = {key for table in GENERATED for key, row in rows[table].items() if row["demo_job_id"] == job}
        return {
            table: {
                key: row
                for key, row in rows[table].items()
                if key not in own and not (table == "contact_tags" and row["contact_id"] in own)
            }
            for table in TABLES
        }

    @staticmethod
    def _jobs(rows: Rows) -> set[UUID]:
        return {row["demo_job_id"] for table in GENERATED for row in rows[table].values()}


def _hidden(rows: Rows) -> set[UUID]:
    return {key for table in GENERATED for key, row in rows[table].items() if row["deleted_at"] is not None}


def _dependents(rows: Mapping[str, Mapping[UUID, Mapping[str, Any]]], hidden: set[UUID]) -> list[UUID]:
    """Living rows that refer to hidden ones."""
    return [
        key
        for table in GENERATED
        for key, row in rows[table].items()
        if row["deleted_at"] is None and any(row.get(name) in hidden for name in _REFERENCES)
    ]
