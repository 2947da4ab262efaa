"""A tenant or a job whose stored documents cannot be read: one finding, and everything else goes on.

The database refuses such documents; here they are planted by an administrator who switched that off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from demo_pipeline.domain.core.errors import DemoError, UnreadableJobError, UnreadableTenantError
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.months.top_up import top_ups
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import backfill
from demo_pipeline.services.repairs.repair import repair
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.scan import scan
from demo_pipeline.services.tenants.verify import Check, inspect, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from tests.fixtures.postgres import PostgresServer, new_database
from tests.services.builders import made
from tests.services.patches.builders import SMALL, plan

SOME: Final = plan({"2025-02": {"contacts_created": 3, "activities_created": 4}})


def plant(database: Database, table: str, column: str, document: Any, key: str, value: Any) -> None:
    """Store a document that the database would refuse."""
    names = {"table": sql.Identifier("demo", table), "column": sql.Identifier(column)}
    with database.admin() as conn, conn.transaction():
        conn.execute(sql.SQL("alter table {table} disable trigger user").format(**names))
        conn.execute(
            sql.SQL("update {table} set {column} = %s where {key} = %s").format(
                key=sql.Identifier(key), **names
            ),
            [None if document is None else Jsonb(document), value],
        )
        conn.execute(sql.SQL("alter table {table} enable trigger user").format(**names))


def plant_plan(database: Database, slug: str, document: Any) -> None:
    """Give a tenant another plan."""
    plant(database, "tenant_metadata", "plan", document, "slug", slug)


@pytest.fixture
def two(database: Database, database_settings: Settings) -> Database:
    """Two tenants, of which ``broken`` has a plan without its decimals."""
    for slug in ("broken", "sound"):
        made(database, database_settings, SMALL, slug=slug)
    plan_of = stored(database, "broken")
    del plan_of["minor_digits"]
    plant_plan(database, "broken", plan_of)
    return database


def stored(database: Database, slug: str) -> dict[str, Any]:
    """The plan of a tenant as it is stored."""
    with database.admin(readonly=True) as conn:
        row = conn.execute("select plan from demo.tenant_metadata where slug = %s", [slug]).fetchone()
    assert row is not None
    return row[0]


def test_verify_reports_it_and_verifies_the_others(two: Database, database_settings: Settings) -> None:
    """One finding that names what is wrong and the remedy; the other tenant is as expected."""
    broken, sound = verify(two, database_settings)
    assert (broken.tenant, sound.tenant) == ("broken", "sound")
    assert sound.is_as_expected
    [finding] = broken.findings
    assert finding.check is Check.DOCUMENTS
    assert "plan.minor_digits: field required" in finding.message
    assert "demo-pipeline tenant delete broken --yes" in finding.message


def test_what_does_not_need_the_plan_works(two: Database, database_settings: Settings) -> None:
    """Scan, digest, the lists, the rows that would be deleted, and the deletion itself."""
    assert [one.tenant for one in scan(two, database_settings)] == ["broken", "sound"]
    assert queries.digest(two, database_settings, "broken")
    assert [one.slug for one in queries.list_tenants(two)] == ["broken", "sound"]
    assert len(queries.list_jobs(two, database_settings, "broken")) == 1
    visible, hidden = queries.row_counts(two, database_settings, "broken")
    deleted = delete_tenant(two, database_settings, "broken")
    assert {table: deleted[table] for table in visible} == visible
    assert set(hidden.values()) == {0}
    assert [one.tenant for one in verify(two, database_settings)] == ["sound"]


def test_top_ups_leave_it_out(two: Database, database_settings: Settings) -> None:
    """The schedule brings the other tenants up to now."""
    told: list[UnreadableTenantError] = []
    with two.admin() as conn:
        conn.execute(
            "update demo.tenant_months set loaded_as_of = '2025-03-05Z', is_whole = false"
            " where month = '2025-03'"
        )
    found = top_ups(two, database_settings, on_unreadable=told.append)
    assert [one.tenant for one in found] == ["sound"]
    assert [one.details["tenant"] for one in told] == ["broken"]


def commands(database: Database, settings: Settings, slug: str) -> Iterator[Callable[[], object]]:
    """Everything that reads one tenant."""
    yield lambda: queries.show_tenant(database, settings, slug)
    yield lambda: queries.kpis(database, settings, slug)
    yield lambda: inspect(database, settings, slug)
    yield lambda: preview(database, settings, slug, SOME)
    yield lambda: apply_patch(database, settings, slug, SOME)
    yield lambda: materialise(database, settings, slug)
    yield lambda: repair(database, settings, slug, is_dry=True)
    yield lambda: backfill(database, settings, slug)


def test_what_needs_the_plan_says_so(two: Database, database_settings: Settings) -> None:
    """Every command of one tenant ends with the same error, exit code 4."""
    for command in commands(two, database_settings, "broken"):
        with pytest.raises(UnreadableTenantError, match=r"plan\.minor_digits: field required") as caught:
            command()
        assert caught.value.exit_code == 4
    for command in commands(two, database_settings, "sound"):
        command()


def test_figures_that_cannot_be_read_are_the_tenants(two: Database, database_settings: Settings) -> None:
    """Loaded months with more decimals than the currency has: that tenant alone is reported."""
    yen = stored(two, "sound")
    yen["minor_digits"] = 0
    for figures in yen["figures"]:
        figures |= {"closed_won_value": "1", "pipeline_added_value": "1"}
    plant_plan(two, "sound", yen)
    with two.admin() as conn, conn.transaction():
        conn.execute("alter table demo.tenant_months disable trigger user")
        conn.execute("update demo.tenant_months set pipeline_added_value = pipeline_added_value + 0.5")
        conn.execute("alter table demo.tenant_months enable trigger user")
    verdicts = verify(two, database_settings)
    assert [[finding.check for finding in one.findings] for one in verdicts] == [[Check.DOCUMENTS]] * 2
    assert "loaded months: " in verdicts[1].findings[0].message


# -- jobs ------------------------------------------------------------------------------------------------


def broken_jobs() -> Iterator[tuple[str, Any]]:
    """Documents of a patch that cannot be read, by column."""
    metrics: list[Any] = [None, [], {"created": {"companies": "x"}}, {"created": 7}]
    reports: list[Any] = [[], {"x": {}}, {"2025-02": {"after": {"leads_created": []}}}]
    plans: list[Any] = [None, [], {}, {"months": 7}]
    yield from (("metrics", one) for one in metrics)
    yield from (("diff_report", one) for one in reports)
    yield from (("plan", one) for one in plans)


def test_an_unreadable_job_is_one_finding_of_its_tenant(
    database: Database, database_settings: Settings
) -> None:
    """It cannot be shown, undone or tried again; its tenant is verified, shown, patched and listed."""
    for slug in ("broken", "sound"):
        made(database, database_settings, SMALL, slug=slug)
    job = apply_patch(database, database_settings, "broken", SOME).job_id
    with database.admin(readonly=True) as conn:
        before = job_ledger.get_job(conn, job)
    for column, document in broken_jobs():
        plant(database, "job_ledger", column, document, "id", job)
        broken, sound = verify(database, database_settings)
        assert sound.is_as_expected
        assert [finding.check for finding in broken.findings] == [Check.DOCUMENTS], (column, document)
        assert f"job {job} of tenant 'broken' cannot be read ({column}" in broken.findings[0].message
        for command in (reading_job(database, job), undoing(database, database_settings, job)):
            with pytest.raises(UnreadableJobError, match=column) as caught:
                command()
            assert caught.value.exit_code == 4
        with pytest.raises(UnreadableJobError):
            retry_job(database, database_settings, job)
        assert queries.show_tenant(database, database_settings, "broken").jobs
        assert queries.list_jobs(database, database_settings)
        assert preview(database, database_settings, "broken", SOME).rows
        plant(database, "job_ledger", column, getattr(before, column), "id", job)
    assert verify(database, database_settings, "broken")[0].is_as_expected
    assert undo_job(database, database_settings, job).months


def reading_job(database: Database, job_id: UUID) -> Callable[[], object]:
    """Show a job."""
    return lambda: queries.show_job(database, job_id)


def undoing(database: Database, settings: Settings, job_id: UUID) -> Callable[[], object]:
    """Take a job back."""
    return lambda: undo_job(database, settings, job_id)


# -- any damage ------------------------------------------------------------------------------------------

_JUNK: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    | st.sampled_from(["2025-01", "0000-01", "NaN", "1e999", "-0", "infinity"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.text("abcxyz_", max_size=5), inner, max_size=3
    ),
    max_leaves=6,
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """A document with one to three places left out, replaced or added to."""
    broken = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        broken = _damage(draw, broken)
    return broken


def _damage(draw: st.DrawFn, document: Any) -> Any:
    what = draw(st.sampled_from(["deeper", "deeper", "deeper", "replace", "drop", "add"]))
    steps = _steps(document)
    if not steps or what == "replace":
        return draw(_JUNK)
    step = draw(st.sampled_from(steps))
    match what:
        case "deeper":
            document[step] = _damage(draw, document[step])
        case "drop":
            del document[step]
        case _ if isinstance(step, str):
            document[draw(st.text("abcxyz_", max_size=5))] = draw(_JUNK)
        case _:
            document.append(draw(_JUNK))
    return document


def _steps(document: Any) -> list[Any]:
    """Keys or places of a document that has any."""
    if isinstance(document, dict):
        return list(cast("dict[str, Any]", document))
    return list(range(len(cast("list[Any]", document)))) if isinstance(document, list) else []


@pytest.fixture(scope="module")
def damaged_tenant(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Settings, dict[str, Any]]]:
    """A database with a tenant and a patch, settings, and the documents as they are stored."""
    with new_database(postgres_server) as database:
        options = Settings(
            home=tmp_path_factory.mktemp("damaged"),
            database_url=database.admin_url,
            loader_url=database.loader_url,
        ).model_copy(update={"dagster_url": None, "now": None, "rate_per_tenant": 10**6, "rate_total": 10**6})
        made(database, options, SMALL, slug="acme")
        job = apply_patch(database, options, "acme", SOME).job_id
        with database.admin(readonly=True) as conn:
            patch = job_ledger.get_job(conn, job)
        documents = {"tenant": stored(database, "acme"), "job": patch}
        yield database, options, documents


def answers(command: Callable[[], object]) -> None:
    """A command ends well, or with an error of ours that can be shown; never otherwise."""
    with suppress(DemoError):
        command()


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_of_a_plan_ends_a_command_otherwise_than_with_an_answer(
    damaged_tenant: tuple[Database, Settings, dict[str, Any]], data: st.DataObject
) -> None:
    """Whatever stands in a tenant's plan or blueprint, each command answers; verify finds and goes on."""
    database, options, documents = damaged_tenant
    plan_of = data.draw(damaged(documents["tenant"]))
    plant_plan(database, "acme", plan_of if plan_of is not None else [])
    try:
        [verdict] = verify(database, options)
        assert all(finding.message for finding in verdict.findings)
        answers(lambda: queries.show_tenant(database, options, "acme"))
        answers(lambda: queries.kpis(database, options, "acme"))
        answers(lambda: preview(database, options, "acme", SOME))
        answers(lambda: top_ups(database, options, on_unreadable=lambda _: None))
        answers(lambda: repair(database, options, "acme", is_dry=True))
        assert queries.row_counts(database, options, "acme")[0]
    finally:
        plant_plan(database, "acme", documents["tenant"])


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data(), column=st.sampled_from(["plan", "metrics", "diff_report", "tolerances"]))
def test_no_damage_of_a_job_ends_a_command_otherwise_than_with_an_answer(
    damaged_tenant: tuple[Database, Settings, dict[str, Any]], data: st.DataObject, column: str
) -> None:
    """Whatever stands in a job's documents, its tenant is verified and shown, and the job answers."""
    from demo_pipeline.cli.kit.job_views import detail_document, detail_tables

    database, options, documents = damaged_tenant
    job = documents["job"]
    plant(database, "job_ledger", column, data.draw(damaged(getattr(job, column))), "id", job.id)
    try:
        verify(database, options)
        assert queries.show_tenant(database, options, "acme").jobs
        assert queries.list_jobs(database, options)
        assert preview(database, options, "acme", SOME).rows

        def show() -> None:
            detail = queries.show_job(database, job.id)
            assert detail_document(detail)
            assert detail_tables(detail)

        answers(show)
        answers(lambda: retry_job(database, options, job.id))
    finally:
        plant(database, "job_ledger", column, getattr(job, column), "id", job.id)
