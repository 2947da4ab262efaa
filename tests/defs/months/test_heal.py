"""The schedule that heals tenants by their own choice: whom a tick asks for, and what its runs leave."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from demo_pipeline.defs.months.heal import heal_tenants
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import RANGE_END_TAG, RANGE_START_TAG
from demo_pipeline.services.months.healing import healings
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.verify import verify
from tests.fixtures.dagster_instance import BLUEPRINT, DagsterHome

#: a person deletes activities of a tenant in February, in the CRM
DELETED = """
update crm.activities set deleted_at = now() where id in (
    select a.id from crm.activities a join crm.tenants t on t.id = a.tenant_id
    where t.slug = %s and a.demo_source_month = '2025-02' order by a.id limit 11)
"""
#: a person adds a company of their own in March
ADDED = """
insert into crm.companies (id, tenant_id, name, created_at, updated_at)
select gen_random_uuid(), id, 'Kontor Nord', '2025-03-05 10:00+00', '2025-03-05 10:00+00'
from crm.tenants where slug = %s
"""


def tick(home: DagsterHome) -> tuple[list[dg.RunRequest], str | None]:
    """What the schedule asks for, and the reason if it asks for nothing."""
    with dg.build_schedule_context(
        instance=home.instance,
        resources={"demo": DemoTenants()},
        scheduled_execution_time=datetime(2026, 1, 15, 6, tzinfo=UTC),
    ) as context:
        result = heal_tenants.evaluate_tick(context)
    return list(result.run_requests or []), result.skip_message


def make(home: DagsterHome, slug: str, choice: str | None, *, is_loaded: bool = True) -> None:
    """A tenant with that choice."""
    path = home.folder / f"{slug}.yaml"
    path.write_text(BLUEPRINT + (f"heal: {choice}\n" if choice else ""), encoding="utf-8")
    provision(home.database, home.settings, path)
    if is_loaded:
        materialise(home.database, home.settings, slug)


def change(home: DagsterHome, statement: str, *slugs: str) -> None:
    """What a person does to the rows of tenants."""
    with home.database.admin() as conn:
        for slug in slugs:
            conn.execute(statement.encode(), (slug,))


def findings(home: DagsterHome, slug: str) -> list[str]:
    """What ``verify`` finds of rows that are missing."""
    [verdict] = verify(home.database, home.settings, slug)
    return [one.check.value for one in verdict.findings if one.check.value == "nothing_is_missing"]


def test_tenants_are_healed_by_their_own_choice(
    dagster_home: DagsterHome, capsys: pytest.CaptureFixture[str]
) -> None:
    """``auto`` is healed by one run; ``ask`` is named with its command, and not changed.

    A tenant that lacks nothing is left alone, and one that cannot be read is named.
    """
    home = dagster_home
    for slug, choice in (("auto", "auto"), ("asks", "ask"), ("sound", "auto"), ("added", "auto")):
        make(home, slug, choice)
    assert tick(home) == ([], "no tenant lacks rows")

    make(home, "broken", "auto")
    make(home, "fresh", "auto", is_loaded=False)
    change(home, DELETED, "auto", "asks")
    change(home, ADDED, "added")
    with home.database.admin() as conn:
        conn.execute("alter table demo.tenant_metadata disable trigger user")
        conn.execute("update demo.tenant_metadata set plan = plan - 'figures' where slug = 'broken'")
        conn.execute("alter table demo.tenant_metadata enable trigger user")
    capsys.readouterr()
    requests, skipped = tick(home)
    assert skipped is None
    logged = capsys.readouterr().err
    assert {
        one.tags["demo/tenant"]: [one.tags[RANGE_START_TAG], one.tags[RANGE_END_TAG]] for one in requests
    } == {slug: [f"2025-01|{slug}", f"2025-03|{slug}"] for slug in ("auto", "fresh")}
    assert {one.tags["demo/requested_by"] for one in requests} == {"schedule heal_tenants"}
    assert [one.run_key for one in tick(home)[0]] == [one.run_key for one in requests], "one run a tick"
    assert "asks is not healed, as its blueprint says heal: ask" in logged
    assert "figures are below what is expected in 2025-02" in logged
    assert "demo-pipeline generate asks" in logged
    assert "broken is left out: " in logged
    assert "sound" not in logged

    before = {slug: home.row_count(slug) for slug in ("asks", "sound", "added")}
    assert findings(home, "auto") == ["nothing_is_missing"]
    for request in requests:
        assert home.launch("materialise_tenants", {}, request.tags).success
    assert findings(home, "auto") == []
    assert home.row_count("fresh") == home.row_count("sound")
    assert {slug: home.row_count(slug) for slug in before} == before

    requests, skipped = tick(home)
    assert requests == []
    assert skipped is not None
    assert "demo-pipeline generate asks" in skipped
    assert "broken" in skipped


def test_a_tenant_that_was_stored_before_the_key_existed_asks(dagster_home: DagsterHome) -> None:
    """A blueprint without the key, in the file or in the database, is one that says ``heal: ask``."""
    make(dagster_home, "acme", None)
    change(
        dagster_home, "update demo.tenant_metadata set blueprint = blueprint - 'heal' where slug = %s", "acme"
    )
    path = dagster_home.folder / "acme.yaml"
    assert not provision(dagster_home.database, dagster_home.settings, path).is_new
    change(dagster_home, DELETED, "acme")
    unreadable: list[str] = []
    [found] = healings(
        dagster_home.database,
        dagster_home.settings,
        on_unreadable=lambda slug, _: unreadable.append(slug),
    )
    assert (found.tenant, found.choice, [str(month) for month in found.short]) == ("acme", "ask", ["2025-02"])
    assert unreadable == []
