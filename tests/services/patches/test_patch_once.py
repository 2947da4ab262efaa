"""The same plan is the same job, whatever lies between two requests: a failure, a split, a zero, a retry."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import InputError, JobFailedError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.reference.countries import CURRENCIES
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.plan_request import check_currency
from demo_pipeline.services.patches.split import split_plan
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.queries import kpis, list_jobs, show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Caps, Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import make_tenant
from tests.services.patches.builders import SMALL, assert_as_expected, execute, plan

FEBRUARY = Month.parse("2025-02")
CONTACTS = plan({"2025-02": {"contacts_created": 9}})


def capped(settings: Settings, contacts: int) -> Settings:
    """The same settings with a cap on contacts."""
    other = settings.model_copy()
    object.__setattr__(other, "caps", Caps(other_contacts=contacts))
    return other


def contacts(database: Database, settings: Settings) -> int:
    """Contacts of February."""
    return kpis(database, settings, "acme").months[FEBRUARY].contacts_created


@pytest.mark.risk("P2")
def test_p02_a_failed_repetition_is_not_the_first_request(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """What failed when it was asked for once more is taken up by its retry, not by the plain request."""
    first = apply_patch(database, database_settings, tenant, CONTACTS)
    hurried = database_settings.model_copy(update={"job_timeout_seconds": 0.000_1})
    with pytest.raises(JobFailedError):
        apply_patch(database, hurried, tenant, CONTACTS, again=True)
    again = apply_patch(database, database_settings, tenant, CONTACTS)
    assert (again.job_id, again.already_applied) == (first.job_id, True)
    [failed] = [job for job in list_jobs(database, database_settings, tenant) if job.status == "failed"]
    assert not retry_job(database, database_settings, failed.id).already_applied
    assert_as_expected(database, database_settings)


@pytest.mark.risk("P2")
def test_p02_pieces_for_other_caps_are_refused(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """A plan of which a piece is applied is not cut anew, nor applied whole, until that piece is undone."""
    narrow = capped(database_settings, 5)
    before = contacts(database, database_settings)
    pieces = split_plan(database, narrow, tenant, CONTACTS)
    assert len(pieces) == 2
    report = apply_patch(database, narrow, tenant, pieces[0])
    with pytest.raises(InputError, match="piece of this plan is applied already"):
        apply_patch(database, database_settings, tenant, CONTACTS)
    with pytest.raises(InputError, match="piece of this plan is applied already"):
        split_plan(database, capped(database_settings, 3), tenant, CONTACTS)
    assert split_plan(database, narrow, tenant, CONTACTS) == pieces
    assert apply_patch(database, narrow, tenant, pieces[0]).already_applied
    undo_job(database, database_settings, report.job_id)
    apply_patch(database, database_settings, tenant, CONTACTS)
    assert contacts(database, database_settings) == before + 9


@pytest.mark.risk("P5", partial=True)
def test_p05_targets_in_pieces_go_on_from_where_they_are(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Broken off, taken back in part, asked again, under other caps: what is left is made, never more."""
    narrow = capped(database_settings, 5)
    first = contacts(database, database_settings)
    wanted = plan({"2025-02": {"contacts_created": first + 12}}, targets=True)

    def go_on(settings: Settings, at_most: int = 9) -> list[UUID]:
        pieces = split_plan(database, settings, tenant, wanted)
        return [apply_patch(database, settings, tenant, piece).job_id for piece in pieces[:at_most]]

    assert len(split_plan(database, narrow, tenant, wanted)) == 3
    jobs = go_on(narrow, at_most=1)
    assert contacts(database, database_settings) == first + 4
    jobs += go_on(narrow)
    assert contacts(database, database_settings) == first + 12
    undo_job(database, database_settings, jobs[-1])
    assert first + 4 < contacts(database, database_settings) < first + 12
    go_on(capped(database_settings, 3))
    assert contacts(database, database_settings) == first + 12
    for _ in range(2):
        assert go_on(narrow)
        apply_patch(database, database_settings, tenant, wanted)
        assert contacts(database, database_settings) == first + 12
    assert_as_expected(database, database_settings)


@pytest.mark.risk("P2")
def test_p02_a_zero_asks_for_nothing(database: Database, database_settings: Settings, tenant: str) -> None:
    """Deltas with zeros for blanks, and with a month of zeros, are the plan without them."""
    first = apply_patch(database, database_settings, tenant, CONTACTS)
    spelled = plan(
        {
            "2025-02": {"contacts_created": 9, "leads_created": 0, "deals_created": 0},
            "2025-03": {"activities_created": 0},
        }
    )
    again = apply_patch(database, database_settings, tenant, spelled)
    assert (again.job_id, again.already_applied) == (first.job_id, True)


def test_a_completed_job_is_told_and_not_done_again(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """The retry of an undo that was itself taken back hides nothing."""
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    undone = undo_job(database, database_settings, patch.job_id)
    undo_job(database, database_settings, undone.job_id)
    before = contacts(database, database_settings)
    assert retry_job(database, database_settings, undone.job_id).already_applied
    assert contacts(database, database_settings) == before


def test_no_retry_for_a_tenant_that_was_deleted(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """The next tenant of that name is another one, for every kind of job."""
    jobs = list_jobs(database, database_settings, tenant)
    delete_tenant(database, database_settings, tenant)
    make_tenant(database, database_settings, SMALL)
    for job in jobs:
        with pytest.raises(InputError, match="has been deleted since"):
            retry_job(database, database_settings, job.id)


def test_an_undo_leaves_what_was_made_up_for(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Rows that stand in for a patch's hidden ones stay, and are expected, when the patch is undone."""
    before = contacts(database, database_settings)
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    execute(
        database,
        "UPDATE crm.contacts SET deleted_at = now() WHERE id IN "
        "(SELECT id FROM crm.contacts WHERE demo_job_id = %s LIMIT 2)",
        patch.job_id,
    )
    assert materialise(database, database_settings, tenant).kind == "heal"
    undo_job(database, database_settings, patch.job_id)
    assert contacts(database, database_settings) == before + 2
    assert verify(database, database_settings)[0].is_as_expected


def test_a_dollar_is_any_dollar(database: Database, database_settings: Settings, tenant: str) -> None:
    """Amounts in the sign of the tenant's currency are its own; those of another currency are refused."""
    context = show_tenant(database, database_settings, tenant).context
    check_currency(context, frozenset({"£"}))
    check_currency(context, frozenset({"GBP"}))
    with pytest.raises(InputError, match="EUR"):
        check_currency(context, frozenset({"EUR"}))
    dollars = replace(context, spec=replace(context.spec, currency=CURRENCIES["USD"]))
    check_currency(dollars, frozenset({"$"}))
