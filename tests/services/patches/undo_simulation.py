"""Simulation of one tenant with healing, undo and its reversal, beside the steps of ``simulation``.

What healing and undo must leave is computed here from rows in Python. Which healed row replaces which hidden
row is not recorded anywhere, so only bounds are claimed of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, show_job, show_tenant
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import TABLES
from tests.services.patches.builders import (
    GENERATED,
    Rows,
    added,
    expected_by_ledger,
    figures_of,
    fingerprint_of_all,
    fingerprint_of_others,
    lessened,
    tenant_rows,
)
from tests.services.patches.simulation import TenantSimulation

FiguresByMonth = Mapping[Month, Figures]

_REFERENCES: Final = ("company_id", "contact_id", "deal_id")
_NOTHING: Final = Figures()


@dataclass(frozen=True, kw_only=True)
class _Undone:
    """What an undo that holds did."""

    patch: UUID
    hidden: frozenset[UUID]
    #: by how much it lowered what is expected
    lowered: FiguresByMonth
    #: job → figures of its rows that went along
    along: Mapping[UUID, FiguresByMonth]


class UndoSimulation(TenantSimulation):
    """A tenant whose patches are undone and restored and whose missing rows are made again."""

    def __init__(self, database: Database, settings: Settings, seed: int) -> None:
        super().__init__(database, settings, seed)
        #: patch → what it added when it was applied
        self._made: dict[UUID, FiguresByMonth] = {}
        #: patch of TARGETS → the drift that it took in
        self._taken_in: dict[UUID, FiguresByMonth] = {}
        #: undo that holds → what it did
        self._undone: dict[UUID, _Undone] = {}

    @property
    def applied_patches(self) -> list[UUID]:
        """Patches that are not undone, in the order of their jobs."""
        undone = {one.patch for one in self._undone.values()}
        return [patch for patch in self._made if patch not in undone]

    @property
    def undos(self) -> list[UUID]:
        """Undos that are not reversed, in the order of their jobs."""
        return list(self._undone)

    def hide_rows_of_a_patch(self) -> None:
        """People hide up to four rows of one patch, undone or not."""
        patch = self.draws.one_of(list(self._made))
        self.people.hide_of(self.draws, patch, self.draws.between(1, 4))
        self.log.append(f"people hide rows of {patch}")

    def apply(self, wanted: PatchPlan) -> JobReport:
        """Apply a plan and remember what was added."""
        changed = self._subject().state.changes
        report = super().apply(wanted)
        rows, months = self._rows(), self._subject().state.months
        own = self._shown(rows, {report.job_id})
        self._made[report.job_id] = own
        if wanted.plan_type is PlanType.TARGETS:
            # Against the blueprint's rows, missing ones made again, and the jobs before.
            due = _sum({month: state.figures for month, state in months.items()}, changed)
            drift = lessened(self._shown(rows), _sum(due, own))
            asked = {request.month for request in wanted.months}
            self._taken_in[report.job_id] = {month: one for month, one in drift.items() if month in asked}
        return report

    # -- healing -------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """What falls short is made up for as far as it can be, never beyond; a second time makes nothing."""
        self.log.append(f"materialise at {self.now}")
        before, others = self._rows(), fingerprint_of_others(self.database, self.slug)
        report = materialise(
            self.database, self.settings, self.slug, self.spec.start_month, self.running, with_gaps=True
        )
        after = self._rows()
        assert fingerprint_of_others(self.database, self.slug) == others
        for table in TABLES:
            for key, row in before[table].items():
                assert after[table][key] == row
        expected = self._due()
        own = self._shown(after, {report.job_id}) if report.kind == "heal" else {}
        whole = self._shown(after)
        base, found = lessened(whole, own), self._shown(before)
        if report.kind == "heal":
            assert report.is_passed
            for result in report.months:
                assert result.expected == expected.get(result.month, _NOTHING)
                assert result.before == found.get(result.month, _NOTHING)
                assert result.after == whole.get(result.month, _NOTHING)
        for month in self.spec.start_month.until(self.running):
            due, stood = expected.get(month, _NOTHING), base.get(month, _NOTHING)
            came = own.get(month, _NOTHING)
            for metric in METRICS:
                assert came[metric] >= 0
                assert stood[metric] + came[metric] <= max(due[metric], stood[metric]), (month, metric)
            if self._can_be_made(month, due - stood, after):
                assert stood + came == due, month
                self.log.append(f"whole again: {month}")
        self.check_verify(after)
        first = digest(self.database, self.settings, self.slug)
        again = materialise(
            self.database, self.settings, self.slug, self.spec.start_month, self.running, with_gaps=True
        )
        assert not any(again.created.values()), again.created
        assert digest(self.database, self.settings, self.slug) == first

    def _can_be_made(self, month: Month, lacking: Figures, rows: Rows) -> bool:
        """Whether rows alone can bring exactly these figures; said only where there is no doubt of it."""
        is_early = month == self.running and self.now.day < 8
        living = [row for row in rows["contacts"].values() if row["deleted_at"] is None]
        has_contact = lacking.contacts_created > 0 or any(row["created_at"] < month.start for row in living)
        has_won_stage = any(
            stage["is_won"] and stage["deleted_at"] is None for stage in rows["pipeline_stages"].values()
        )
        won, won_value = lacking.closed_won_count, lacking.closed_won_value
        return (
            bool(lacking)
            and not is_early
            and has_contact
            and has_won_stage
            and all(lacking[metric] >= 0 for metric in METRICS)
            and lacking.leads_created <= lacking.contacts_created
            and won <= lacking.deals_created
            and (won <= won_value if won else won_value == 0)
            and won_value <= lacking.pipeline_added_value
            and (won < lacking.deals_created or won_value == lacking.pipeline_added_value)
        )

    # -- undo ----------------------------------------------------------------------------------------------

    def undo(self, patch: UUID) -> None:
        """A patch is taken back, or refused for what hangs on it; sometimes brought back and taken again."""
        with_dependents = self.draws.chance(60)
        self.log.append(f"undo {patch}, with dependents: {with_dependents}")
        before = self._rows()
        own = _living(before, patch)
        hanging = _hanging(before, own)
        if None in hanging.values() or (hanging and not with_dependents):
            whole = fingerprint_of_all(self.database)
            with pytest.raises(InputError) as caught:
                undo_job(self.database, self.settings, patch, with_dependents=with_dependents)
            assert caught.value.problems[0].code in {"people_hang_on_it", "jobs_hang_on_it"}
            assert fingerprint_of_all(self.database) == whole
            self.log.append("refused")
            return
        undo = self._undo(patch, before, own, hanging)
        if self.draws.chance(40):
            gone = self._rows()
            self._restore(undo)
            assert self._rows() == before
            self._undo(patch, before, own, hanging)
            assert _without_instants(self._rows()) == _without_instants(gone)

    def restore(self, undo: UUID) -> None:
        """What an undo hid comes back; refused where that, or what it hangs on, was taken back since."""
        self.log.append(f"restore {undo}")
        whole = fingerprint_of_all(self.database)
        rows, hidden = self._rows(), self._undone[undo].hidden
        whose = {
            row["demo_job_id"] for table in GENERATED for key, row in rows[table].items() if key in hidden
        }
        undone_since = whose & {one.patch for other, one in self._undone.items() if other != undo}
        code = ""
        try:
            self._restore(undo)
        except InputError as error:
            code = error.problems[0].code
        if code:
            assert code == "parents_are_hidden" or (code == "undone_since" and undone_since)
            assert fingerprint_of_all(self.database) == whole
            self.log.append("refused")
        else:
            assert not undone_since

    def _undo(self, patch: UUID, before: Rows, own: set[UUID], hanging: Mapping[UUID, UUID | None]) -> UUID:
        others = fingerprint_of_others(self.database, self.slug)
        due = self._due()
        report = undo_job(self.database, self.settings, patch, with_dependents=bool(hanging))
        assert fingerprint_of_others(self.database, self.slug) == others
        after, lowered = self._rows(), lessened(due, self._due())
        taken = frozenset({*own, *hanging})
        _check_hidden(before, after, taken)
        self._check_figures(report, before, after)
        along = {
            job: self._shown_of({key for key, whose in hanging.items() if whose == job}, before)
            for job in {job for job in hanging.values() if job is not None}
        }
        self._check_lowered(patch, before, after, along, lowered)
        self.check_verify(after)
        assert show_job(self.database, patch).job.undone_by == report.job_id
        self._undone[report.job_id] = _Undone(patch=patch, hidden=taken, lowered=lowered, along=along)
        return report.job_id

    def _restore(self, undo: UUID) -> None:
        before, others, due = self._rows(), fingerprint_of_others(self.database, self.slug), self._due()
        undone = self._undone[undo]
        report = undo_job(self.database, self.settings, undo)
        assert fingerprint_of_others(self.database, self.slug) == others
        after = self._rows()
        # What people deleted for good meanwhile does not come back.
        there = {key for table in GENERATED for key in before[table]}
        _check_hidden(after, before, undone.hidden & there)
        self._check_figures(report, before, after)
        assert self._due() == added(due, undone.lowered)
        self.check_verify(after)
        assert show_job(self.database, undone.patch).job.undone_by is None
        del self._undone[undo]

    def _check_lowered(
        self,
        patch: UUID,
        before: Rows,
        after: Rows,
        along: Mapping[UUID, FiguresByMonth],
        lowered: FiguresByMonth,
    ) -> None:
        """What is expected falls by what the patch had added, save what stands in for what people took."""
        jobs = self._subject().state.jobs
        healing = {job.job_id: job.number for job in jobs if job.kind == "heal"}
        [number] = [job.number for job in jobs if job.job_id == patch]
        gone = [one.along.get(patch, {}) for one in self._undone.values()]
        stand_ins = self._shown(after, {job for job, its in healing.items() if its > number})
        own = self._shown(before, {patch})
        # What the patch had added and no undo has taken off yet; what of that people took.
        made = _sum(self._made[patch], *[_negated(one) for one in gone])
        missing = lessened(made, own)
        recorded = _sum(made, self._taken_in.get(patch, {}))
        with_others = [figures for job, figures in along.items() if job not in healing]
        with_healing = _sum(*[figures for job, figures in along.items() if job in healing])
        drift = lessened(self._shown(before), added(self._due(), lowered))
        kept = lessened(_sum(recorded, *with_others), lowered)
        for month in {*kept, *missing, *drift}:
            for metric in METRICS:
                stays, took = (one.get(month, _NOTHING)[metric] for one in (kept, missing))
                place = (month, metric, stays, took)
                assert 0 <= stays <= max(took, 0), place
                assert stays <= max(stand_ins.get(month, _NOTHING)[metric], 0), place
                if not drift.get(month) and not with_healing and took > 0:
                    # All that people took has been made up for, or there would be less than expected.
                    assert stays == min(took, stand_ins.get(month, _NOTHING)[metric]), place

    def _check_figures(self, report: JobReport, before: Rows, after: Rows) -> None:
        """A report tells the figures as they were and are."""
        were, are = self._shown(before), self._shown(after)
        assert report.is_passed
        due = self._due()
        for result in report.months:
            assert result.before == were.get(result.month, _NOTHING)
            assert result.after == are.get(result.month, _NOTHING)
            assert result.expected == due.get(result.month, _NOTHING)
        told = {result.month for result in report.months}
        assert set(lessened(were, are)) <= told

    # -- looks ---------------------------------------------------------------------------------------------

    def _rows(self) -> Rows:
        return tenant_rows(self.database, self.slug)

    def _subject(self) -> TenantContext:
        return show_tenant(self.database, self.settings, self.slug).context

    def _due(self) -> dict[Month, Figures]:
        return expected_by_ledger(self.database, self.settings, self.slug)

    def _shown(self, rows: Rows, jobs: set[UUID] | None = None) -> dict[Month, Figures]:
        return figures_of(rows, self.spec.currency, jobs)

    def _shown_of(self, ids: set[UUID], rows: Rows) -> dict[Month, Figures]:
        chosen = {
            table: {key: row for key, row in rows[table].items() if key in ids or table not in GENERATED}
            for table in TABLES
        }
        return self._shown(chosen)


def _living(rows: Rows, job: UUID) -> set[UUID]:
    return {
        row["id"]
        for table in GENERATED
        for row in rows[table].values()
        if row["demo_job_id"] == job and row["deleted_at"] is None
    }


def _hanging(rows: Rows, taken: set[UUID]) -> dict[UUID, UUID | None]:
    """Living rows that refer to ``taken``, and so on: id → whose row it is."""
    found: dict[UUID, UUID | None] = {}
    is_growing = True
    while is_growing:
        is_growing = False
        for table in GENERATED:
            for key, row in rows[table].items():
                hangs = any(row.get(name) in taken or row.get(name) in found for name in _REFERENCES)
                if hangs and row["deleted_at"] is None and key not in taken and key not in found:
                    found[key] = row["demo_job_id"]
                    is_growing = True
    return found


def _check_hidden(shown: Rows, hidden: Rows, ids: frozenset[UUID]) -> None:
    """Between the two, exactly these rows are hidden, their tags with them, and nothing else is other."""
    for table in TABLES:
        assert shown[table].keys() == hidden[table].keys()
        for key, row in shown[table].items():
            other = hidden[table][key]
            if row != other:
                assert (row["deleted_at"], other["deleted_at"] is not None) == (None, True)
                assert row == {**other, "deleted_at": None}
                assert key in ids or (table == "contact_tags" and row["contact_id"] in ids)
    assert not [
        row
        for table in (*GENERATED, "contact_tags")
        for key, row in hidden[table].items()
        if row["deleted_at"] is None and (key in ids or row.get("contact_id") in ids)
    ]


def _without_instants(rows: Rows) -> Rows:
    """Rows with nothing of their deletion but that it was."""
    return {
        table: {key: {**row, "deleted_at": row["deleted_at"] is None} for key, row in rows[table].items()}
        for table in rows
    }


def _negated(figures: FiguresByMonth) -> FiguresByMonth:
    return lessened({}, figures)


def _sum(*parts: FiguresByMonth) -> FiguresByMonth:
    whole: FiguresByMonth = {}
    for part in parts:
        whole = added(whole, part)
    return whole
