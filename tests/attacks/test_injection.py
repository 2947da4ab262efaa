"""SQL in every string that a person hands in: refused as wrong, or stored to the letter, never run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
import yaml

from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.assertions.generated_rows import write_blueprint
from tests.attacks.field import CATALOGUE, a_customer
from tests.attacks.test_blocked_attempts import COMMANDS, NEEDS
from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import fingerprint
from tests.fixtures.postgres import PostgresServer, new_database
from tests.services.builders import made, make_tenant
from tests.services.patches.builders import SMALL, plan

PAYLOADS: Final = (
    "x'; drop table crm.contacts cascade; --",
    "x'); delete from crm.tenants; --",
    '"; drop schema demo cascade; --',
    "$$; alter role crm_reader superuser; $$",
    "%s %(tenant)s {0} {table} :name $1",
    "\\'; update crm.tenants set name = 'x'; --",
    "' union select seed from demo.tenant_metadata --",
    "\u02bc\uff1b drop table crm.users\uff1b",
    "a\tb",
    "{{7*7}}${7*7}",
)  # fmt: skip
#: for what is slow to ask
SOME: Final = PAYLOADS[::2]
REFUSED: Final = {2, 3}


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all, with a customer and a demo in it that stand by."""
    with new_database(postgres_server) as one:
        with one.admin() as admin:
            a_customer(admin, {})
        made(one, Settings(home=tmp_path_factory.mktemp("home")), SMALL, "bystander")
        yield one


@pytest.fixture
def others(database: Database) -> Iterator[tuple[UUID, UUID]]:
    """The two that stand by, and the catalogue: at the end all of it is as it was."""
    with database.admin() as admin:
        real, demo = (
            admin.execute("select id from crm.tenants where slug = %s", [slug]).fetchall()[0][0]
            for slug in ("customer", "bystander")
        )

        def state() -> list[Any]:
            return [
                admin.execute(CATALOGUE.encode()).fetchall(),
                fingerprint(admin, real),
                fingerprint(admin, demo),
            ]

        before = state()
        yield real, demo
        assert state() == before


#: keys of a blueprint, and other places of one
PLACES: Final = (
    "name", "country", "industry", "start_month", "end_month", "seed", "timezone", "currency", "team_size",
    "mail_domain", "growth", "channel_mix", "realism", "unknown key", "channel name", "channel share",
    "realism key", "realism value", "month", "metric name", "metric value", "total name", "total value",
    "growth curve", "growth rate",
)  # fmt: skip


def _blueprint(place: str, text: str) -> dict[str, Any]:
    """A blueprint tree with the payload in that place."""
    totals: dict[str, Any] = {"leads_created": 3, "contacts_created": 5}
    instead: dict[str, Any] = {
        "unknown key": {text: "x"},
        "channel name": {"channel_mix": {text: 1}},
        "channel share": {"channel_mix": {"seo": text}},
        "realism key": {"realism": {text: 0.1}},
        "realism value": {"realism": {"whale_ratio": text}},
        "month": {"months": [{"month": text, "contacts_created": 1}]},
        "metric name": {"months": [{"month": "2025-01", text: 1}]},
        "metric value": {"months": [{"month": "2025-01", "closed_won_value": text}]},
        "total name": {"totals": {**totals, text: 1}},
        "total value": {"totals": {"contacts_created": text}},
        "growth curve": {"totals": totals, "growth": {"curve": text}},
        "growth rate": {"totals": totals, "growth": {"monthly_rate": text}},
    }.get(place, {place: text})
    plain = {key: value for key, value in SMALL.items() if key != "months" or "totals" not in instead}
    return {**plain, **instead}


def _tried(place: str) -> list[int]:
    """All payloads where they are accepted, elsewhere two that change from place to place."""
    if place in {"name", "seed"}:
        return list(range(len(PAYLOADS)))
    first = PLACES.index(place)
    return [first % len(PAYLOADS), (first + 3) % len(PAYLOADS)]


@pytest.mark.parametrize("place", PLACES)
def test_in_a_blueprint(
    quick_command: RunCommand,
    database: Database,
    database_settings: Settings,
    others: tuple[UUID, UUID],
    tmp_path: Path,
    place: str,
) -> None:
    """Exit 2 or 3 with nothing made, or a tenant that has the very text and is sound."""
    accepted = 0
    for number in _tried(place):
        payload = PAYLOADS[number]
        slug = f"{place.replace('_', '-').replace(' ', '-')}-{number}"
        path = write_blueprint(tmp_path, _blueprint(place, payload), slug)
        done = quick_command("tenant", "provision", path)
        assert done.code in REFUSED | {0}, (payload, done)
        with database.admin(readonly=True) as conn:
            found = conn.execute(
                "select t.name, m.seed from crm.tenants t join demo.tenant_metadata m on m.tenant_id = t.id"
                " where t.slug = %s",
                [slug],
            ).fetchall()
        assert len(found) == (done.code == 0)
        if done.code == 0:
            accepted += 1
            assert payload in found[0]
            if accepted <= 2:
                materialise(database, database_settings, slug)
                assert verify(database, database_settings, slug)[0].is_as_expected
    assert (accepted > 0) == (place in {"name", "seed"}), accepted


def _documents(text: str) -> Iterator[tuple[str, str]]:
    """Plans with the payload in each of their strings: file name and content."""
    good: dict[str, Any] = {"month": "2025-02", "metrics": {"contacts_created": 2}}
    trees: list[dict[str, Any]] = [
        {"mode": text, "months": [good]},
        {"plan_type": text, "months": [good]},
        {"seed": text, "months": [good]},
        {"currency": text, "months": [good]},
        {"tolerances": {"count": text}, "months": [good]},
        {"tolerances": {text: 0}, "months": [good]},
        {"months": [{**good, "month": text}]},
        {"months": [{**good, "metrics": {text: 2}}]},
        {"months": [{**good, "metrics": {"contacts_created": text}}]},
        {"months": [{**good, text: 2}]},
        {text: 1, "months": [good]},
    ]
    for number, tree in enumerate(trees):
        if (number + len(text)) % 2:
            yield "plan.yaml", yaml.safe_dump(tree, allow_unicode=True)
        else:
            yield "plan.json", json.dumps(tree)
    quoted = '"' + text.replace('"', '""') + '"'
    yield "plan.csv", f"month,{quoted}\n2025-02,2\n"
    yield "plan.csv", f"{quoted},contacts_created\n2025-02,2\n"
    yield "plan.csv", f"month,contacts_created\n{quoted},2\n"
    yield "plan.csv", f"month,contacts_created\n2025-02,{quoted}\n"
    yield "plan.csv", text


@pytest.mark.parametrize("payload", SOME)
def test_in_a_plan(
    quick_command: RunCommand,
    database: Database,
    database_settings: Settings,
    others: tuple[UUID, UUID],
    tmp_path: Path,
    payload: str,
) -> None:
    """A plan is refused with exit 2 or 3, or applied with the seed as it was written."""
    slug = f"planned-{PAYLOADS.index(payload)}"
    made(database, database_settings, SMALL, slug)
    limits = {"DEMO_RATE_PER_TENANT": "1000", "DEMO_RATE_TOTAL": "1000"}
    applied = 0
    for number, (name, content) in enumerate(_documents(payload)):
        (tmp_path / name).write_text(content, encoding="utf-8")
        done = quick_command("patch", "apply", slug, tmp_path / name, "--json", environment=limits)
        assert done.code in REFUSED | {0}, (content, done)
        assert number == 2 or done.code != 0, content
        applied += done.code == 0
    done = quick_command("patch", "apply", slug, tmp_path / "plan.csv", "--seed", payload, environment=limits)
    assert done.code in REFUSED
    assert applied >= 1
    with database.admin(readonly=True) as conn:
        seeds = conn.execute(
            "select distinct l.seed from demo.job_ledger l join demo.tenant_metadata m using (tenant_id)"
            " where l.kind = 'patch' and m.slug = %s",
            [slug],
        ).fetchall()
    assert seeds == [(payload,)]
    assert verify(database, database_settings, slug)[0].is_as_expected


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_in_a_slug(
    quick_command: RunCommand, others: tuple[UUID, UUID], tmp_path: Path, path: tuple[str, ...]
) -> None:
    """A name that is none: exit 2, by every command that takes one."""
    (tmp_path / "plan.csv").write_text("month,contacts_created\n2025-01,5\n", encoding="utf-8")
    rest: list[str] = []
    for parameter in COMMANDS[path].params:
        if parameter.name != "slug" and parameter.param_type_name == "argument" and parameter.required:
            need = NEEDS[str(parameter.name)]
            rest.append(str(tmp_path / need) if "." in need or need == "written" else need)
        elif parameter.name == "yes":
            rest.append("--yes")
        elif parameter.param_type_name != "argument" and parameter.required:
            rest += [parameter.opts[0], str(tmp_path / "written")]
    for payload in (*SOME, "a\0b", "a\udcff", "", "../../x"):
        done = quick_command(*path, payload, *rest, "--json")
        assert done.code == 2, (payload, done)


def test_in_the_name_of_a_blueprint_file(
    quick_command: RunCommand, others: tuple[UUID, UUID], tmp_path: Path
) -> None:
    """The slug is the file's name, and is refused before anything is asked of the database."""
    for payload in PAYLOADS:
        path = write_blueprint(tmp_path, SMALL, payload.replace("/", "-"))
        assert quick_command("tenant", "provision", path).code == 2


def test_in_who_asked(
    database: Database, database_settings: Settings, others: tuple[UUID, UUID], tmp_path: Path
) -> None:
    """Who asked for a job, and in which run, is stored to the letter."""
    payload = PAYLOADS[0]
    caller = JobCaller(requested_by=payload, dagster_run_id=PAYLOADS[1])
    provision(database, database_settings, write_blueprint(tmp_path, SMALL, "asked"), requested_by=payload)
    caller = JobCaller(requested_by=payload, dagster_run_id=PAYLOADS[1])
    materialise(database, database_settings, "asked", caller=caller)
    apply_patch(
        database, database_settings, "asked", plan({"2025-02": {"contacts_created": 1}}), caller=caller
    )
    with database.admin(readonly=True) as conn:
        found = conn.execute(
            "select distinct l.requested_by, l.dagster_run_id from demo.job_ledger l"
            " join demo.tenant_metadata m using (tenant_id) where m.slug = 'asked'"
        ).fetchall()
    assert found == [(payload, PAYLOADS[1])]


@pytest.mark.parametrize("name", SOME)
def test_in_the_name_of_a_tenant_that_is_shown_and_deleted(
    quick_command: RunCommand,
    database: Database,
    database_settings: Settings,
    others: tuple[UUID, UUID],
    name: str,
) -> None:
    """What stands in the table is shown and deleted as text."""
    make_tenant(database, database_settings, SMALL, "renamed")
    with database.admin() as admin:
        admin.execute("update crm.tenants set name = %s where slug = 'renamed'", [name])
        before = {slug for (slug,) in admin.execute("select slug from crm.tenants").fetchall()}
    shown = quick_command("tenant", "show", "renamed", "--json")
    assert shown.code == 0, shown.err
    assert quick_command("tenant", "list", "--json").code == 0
    assert quick_command("tenant", "delete", "renamed", "--yes").code == 0
    with database.admin(readonly=True) as conn:
        left = {slug for (slug,) in conn.execute("select slug from crm.tenants").fetchall()}
    assert before - left == {"renamed"}


def test_escape_sequences_reach_no_terminal(
    quick_command: RunCommand, database: Database, database_settings: Settings, others: tuple[UUID, UUID]
) -> None:
    """Names and requesters with control characters are shown as text by the commands that show them."""
    hostile = "\x1b]0;owned\x07\x9b2J\u202ex\r"
    make_tenant(database, database_settings, SMALL, "escaping")
    materialise(database, database_settings, "escaping", caller=JobCaller(requested_by=hostile))
    with database.admin() as admin:
        admin.execute("update crm.tenants set name = %s where slug = 'escaping'", [hostile])
        admin.execute(
            "insert into crm.companies (tenant_id, name) select id, %s from crm.tenants"
            " where slug = 'escaping'",
            [hostile],
        )
        [(job,)] = admin.execute(
            "select id from demo.jobs j join demo.tenant_metadata m using (tenant_id)"
            " where m.slug = 'escaping' limit 1"
        ).fetchall()
    try:
        for arguments in (
            ["tenant", "list"], ["tenant", "show", "escaping"], ["job", "list"], ["job", "show", str(job)],
            ["kpis", "escaping"], ["verify", "escaping"], ["scan", "escaping"],
        ):  # fmt: skip
            for flags in ([], ["--json"]):
                done = quick_command(*arguments, *flags)
                assert done.code in {0, 4}, done
                found = {one for one in done.out + done.err if one in hostile and one not in "0;]Jowned2x"}
                assert not found, (arguments, found)
    finally:
        assert quick_command("tenant", "delete", "escaping", "--yes").code == 0


def test_the_payloads_would_harm(database: Database, others: tuple[UUID, UUID]) -> None:
    """Put into a statement as they are, some of them run: so the other tests could fail."""
    with database.admin() as admin, admin.transaction(force_rollback=True):
        statement = f"select count(*) from crm.tenants where name = '{PAYLOADS[0]}'"
        admin.execute(statement.encode())
        with pytest.raises(psycopg.errors.UndefinedTable):
            admin.execute("select * from crm.contacts")
