"""The loader itself, broken on purpose in each of its places: the database stops it, and a retry mends it.

The breakage is in our own code, under the real service: a template of the SQL that loads, or a row of the
batches that are handed to it. Everything else is as it is delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

import pyarrow as pa
import pytest

from demo_pipeline.domain.core.errors import DemoError, JobFailedError, VerificationError
from demo_pipeline.domain.model import Table
from demo_pipeline.services.jobs import steps
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.queries import digest, list_jobs, show_job
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows import load as loading
from tests.attacks.field import a_customer
from tests.fixtures.ledger_steps import fingerprint
from tests.fixtures.postgres import PostgresServer, new_database
from tests.services.builders import BLUEPRINT, made, make_tenant
from tests.services.patches.builders import SMALL, plan

NOW: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
#: more than ten thousand activities in one load
LARGE: Final = BLUEPRINT | {"totals": BLUEPRINT["totals"] | {"activities_created": 10_500}}
PLAN: Final = plan({"2025-03": {"contacts_created": 9, "companies_created": 3, "deals_created": 4,
                                "activities_created": 9}})  # fmt: skip
#: which row of a load is the broken one
NTH: Final = 7_777


@dataclass(frozen=True)
class Break:
    """One place where the loader is broken."""

    table: str
    #: what the job says
    says: str
    #: part of the statement → its replacement; {victim}: another tenant, {stray}: another job
    template: tuple[str, str] | None = None
    #: column of one row → a row of the other tenant, or a value
    column: str | None = None
    value: str | None = None
    error: type[DemoError] = JobFailedError
    nth: int = 1


_ONE: Final = (
    "CASE WHEN id = (SELECT id FROM {{staging}} ORDER BY id OFFSET {nth} LIMIT 1)"
    " THEN {wrong} ELSE {right} END"
)
_TENANT: Final = "SELECT %(tenant)s"
_JOB: Final = ", true, %(job)s"
_FROM: Final = "FROM {staging}"
_FENCE: Final = "row-level security"
_WRONG_TENANT: Final = (_TENANT, "SELECT " + _ONE)
_WRONG_JOB: Final = (_JOB, ", true, " + _ONE)
_NO_PROVENANCE: Final = (_JOB, ", " + _ONE + ", %(job)s")
_LOST: Final = (_FROM, "FROM (SELECT * FROM {{staging}} ORDER BY id OFFSET 1) kept")
_MONTH: Final = "demo_source_month"


def _parent(table: str, column: str, parent: str) -> Break:
    """One row hangs on a row of the other tenant."""
    return Break(table, f"{table}_{column.removesuffix('_id')}_fkey", column=column, value=parent)


BREAKS: Final = {
    "wrong-tenant-in-one-of-ten-thousand": Break(
        "activities", _FENCE, _WRONG_TENANT, value="{victim}", nth=NTH
    ),
    "wrong-tenant-in-a-company": Break("companies", _FENCE, _WRONG_TENANT, value="{victim}"),
    "wrong-tenant-in-a-user": Break("users", _FENCE, _WRONG_TENANT, value="{victim}", nth=0),
    "a-real-customer-in-a-contact": Break("contacts", _FENCE, _WRONG_TENANT, value="{real}"),
    "wrong-job": Break("activities", _FENCE, _WRONG_JOB, value="{stray}"),
    "no-job": Break("deals", _FENCE, _WRONG_JOB, value="NULL"),
    "no-provenance": Break("contacts", _FENCE, _NO_PROVENANCE, value="false"),
    "wrong-month": Break("activities", _FENCE, column=_MONTH, value="2024-12"),
    "no-month": Break("companies", _FENCE, column=_MONTH),
    "a-company-of-another-tenant": _parent("contacts", "company_id", "companies"),
    "a-contact-of-another-tenant": _parent("deals", "contact_id", "contacts"),
    "a-deal-of-another-tenant": _parent("activities", "deal_id", "deals"),
    "an-owner-of-another-tenant": _parent("companies", "owner_id", "users"),
    "a-stage-of-another-tenant": _parent("deals", "stage_id", "pipeline_stages"),
    "a-tag-of-another-tenant": _parent("contact_tags", "tag_id", "tags"),
    "a-lost-row": Break("activities", "checks failed before the commit", _LOST, error=VerificationError),
}


#: stopped by the same rule of another table: only where there is time
ALIKE: Final = {
    "wrong-tenant-in-a-user", "no-job", "no-month", "an-owner-of-another-tenant", "a-stage-of-another-tenant",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AttackSetup:
    """A tenant to load among others."""

    database: Database
    settings: Settings
    expected: str
    names: dict[str, Any]
    real: UUID
    victim: UUID

    def bystanders(self) -> list[Any]:
        """Everything of the others."""
        with self.database.admin() as admin:
            return [fingerprint(admin, self.real), fingerprint(admin, self.victim)]

    def own_rows(self) -> int:
        """Rows of the tenant that is loaded, the row of ``tenants`` left out."""
        with self.database.admin() as admin:
            found = admin.execute("select id from crm.tenants where slug = 'acme'").fetchall()
            return sum(len(rows) for table, rows in fingerprint(admin, found[0][0])[:-1] if table)


@pytest.fixture(scope="module")
def undisturbed(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """The digests of the tenants, small and large, that nothing disturbed; the small one with its patch."""
    found: dict[int, str] = {}
    with new_database(postgres_server) as database:
        settings = Settings(home=tmp_path_factory.mktemp("home")).model_copy(update={"now": NOW})
        made(database, settings, SMALL)
        found[0] = digest(database, settings, "acme")
        apply_patch(database, settings, "acme", PLAN)
        found[2] = digest(database, settings, "acme")
    with new_database(postgres_server) as database:
        made(database, settings, LARGE)
        found[1] = digest(database, settings, "acme")
    return found


@pytest.fixture
def make_setup(
    database: Database, database_settings: Settings, undisturbed: dict[int, str]
) -> Iterator[Callable[[dict[str, Any], int], AttackSetup]]:
    """A customer, another demo with rows, and a tenant to load; at the end the others are as they were."""
    setups: list[tuple[AttackSetup, list[Any]]] = []

    def make(blueprint: dict[str, Any], expected: int) -> AttackSetup:
        settings = database_settings.model_copy(update={"now": NOW})
        names: dict[str, Any] = {}
        with database.admin() as admin:
            real = a_customer(admin, names)
            names["stray"] = made(database, settings, SMALL | {"seed": "other"}, "other").job_id
            victim = admin.execute("select id from crm.tenants where slug = 'other'").fetchall()[0][0]
            for table in ("users", "companies", "contacts", "deals", "pipeline_stages", "tags"):
                query = f"select id from crm.{table} where tenant_id = %s limit 1"
                names[table] = admin.execute(query.encode(), [victim]).fetchall()[0][0]
        make_tenant(database, settings, blueprint)
        one = AttackSetup(
            database=database,
            settings=settings,
            expected=undisturbed[expected],
            names=names,
            real=real,
            victim=victim,
        )
        setups.append((one, one.bystanders()))
        return one

    yield make
    assert setups
    for one, before in setups:
        assert one.bystanders() == before


def break_loader(patch: pytest.MonkeyPatch, setup: AttackSetup, how: Break) -> None:
    """Put the fault into the code that loads."""
    if how.template is not None:
        wrong = (how.value or "").format(victim=f"'{setup.victim}'::uuid", real=f"'{setup.real}'::uuid",
                                         stray=f"'{setup.names['stray']}'::uuid")  # fmt: skip
        right = (
            "%(tenant)s" if how.template[0] == _TENANT else ("true" if how.value == "false" else "%(job)s")
        )
        changed = how.template[1].format(nth=how.nth, wrong=wrong, right=right)
        staging = f"pg_temp.staged_{how.table}"
        old, new = how.template[0].replace("{staging}", staging), changed.replace("{staging}", staging)
        real_statement = loading.insert_statement

        def insert_statement(table: Table) -> str:
            statement = real_statement(table)
            if table.name != how.table:
                return statement
            assert old in statement
            return statement.replace(old, new)

        patch.setattr(loading, "insert_statement", insert_statement)
        return
    assert how.column is not None
    column, real_encoded = how.column, steps.encoded
    value = setup.names.get(how.value or "", how.value)

    def encoded(batches: Iterable[tuple[str, pa.RecordBatch]], load_rows: int) -> Iterator[loading.Load]:
        return real_encoded(spoilt(batches), load_rows)

    def spoilt(batches: Iterable[tuple[str, pa.RecordBatch]]) -> Iterator[tuple[str, pa.RecordBatch]]:
        is_done = False
        for table, rows in batches:
            if table == how.table and rows.num_rows > how.nth and not is_done:
                is_done = True
                place = rows.schema.get_field_index(column)
                cells = cast("list[Any]", rows.column(place).to_pylist())
                cells[how.nth] = value.bytes if isinstance(value, UUID) else value
                kind = cast("Any", rows.schema.field(place))
                changed = cast("Any", pa.array(cells, kind.type))
                yield table, rows.set_column(place, kind, changed)
            else:
                yield table, rows

    patch.setattr(steps, "encoded", encoded)


@pytest.mark.risk("P7", partial=True)
@pytest.mark.risk("P1", partial=True)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] if name in ALIKE else []) for name in BREAKS],
)
def test_p07_a_broken_loader(make_setup: Callable[[dict[str, Any], int], AttackSetup], name: str) -> None:
    """Nothing is committed, the job says why, and the mended loader makes the undisturbed tenant."""
    how = BREAKS[name]
    is_large = how.nth == NTH
    one = make_setup(LARGE if is_large else SMALL, int(is_large))
    with pytest.MonkeyPatch.context() as patch:
        break_loader(patch, one, how)
        with pytest.raises(how.error, match=how.says):
            materialise(one.database, one.settings, "acme")
    assert one.own_rows() == 0
    job = list_jobs(one.database, one.settings, "acme")[0]
    assert job.status == "failed"
    assert job.error_message is not None
    assert how.says in job.error_message
    assert "rolled back" in job.error_message
    assert "\n" not in job.error_message
    report = materialise(one.database, one.settings, "acme")
    assert (report.job_id, report.already_applied) == (job.id, False)
    assert [attempt.status for attempt in show_job(one.database, job.id).attempts] == ["failed", "completed"]
    assert digest(one.database, one.settings, "acme") == one.expected
    assert all(verdict.is_as_expected for verdict in verify(one.database, one.settings))


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("name", ["wrong-tenant-in-a-company", "wrong-job", "a-contact-of-another-tenant"])
def test_p07_a_broken_loader_of_a_patch(
    make_setup: Callable[[dict[str, Any], int], AttackSetup], name: str
) -> None:
    """The same on the way of a patch, into a tenant that has rows: they stay as they were."""
    one, how = make_setup(SMALL, 2), BREAKS[name]
    materialise(one.database, one.settings, "acme")
    before = digest(one.database, one.settings, "acme")
    with pytest.MonkeyPatch.context() as patch:
        break_loader(patch, one, how)
        with pytest.raises(how.error, match=how.says):
            apply_patch(one.database, one.settings, "acme", PLAN)
    assert digest(one.database, one.settings, "acme") == before
    assert not apply_patch(one.database, one.settings, "acme", PLAN).already_applied
    assert digest(one.database, one.settings, "acme") == one.expected
