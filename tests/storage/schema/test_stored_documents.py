"""What the loader may store: documents that every program can read, and nothing else.

Whoever holds the loader's password can call the guard's functions with any JSON. Each broken document is
refused by the database, and read as broken by the program that finds it stored all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.documents.stored import job_problems, plan_problems, read_spec
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from tests.fixtures.ledger_steps import a_request, begun, new_tenant, provisioned, stored_plan
from tests.fixtures.postgres import PostgresServer, new_database

Conn = psycopg.Connection[Any]
Path = tuple[str | int, ...]

_PLAN: Final = stored_plan()
_NO_BLUEPRINTS: Final[list[Any]] = [[], "x", 7, None, {}, {"name": "A", "country": "DE"}]
#: values of another type, or out of bounds, whatever stood there
_WRONG: Final[tuple[Any, ...]] = (True, -1, 1.5, 10**19, "", "no such thing", [], {}, [None])
#: what is right in two types
_EITHER: Final[dict[Path, tuple[Any, ...]]] = {
    ("mail_domain",): (),
    ("seed",): ("", "no such thing"),
    ("name",): ("no such thing",),
    ("lists_version",): ("no such thing",),
}


def _paths(document: Any, path: Path = ()) -> Iterator[Path]:
    """Every place of a document, the first element of a list standing for the others."""
    if path:
        yield path
    if isinstance(document, dict):
        for key, value in cast("dict[str, Any]", document).items():
            yield from _paths(value, (*path, key))
    elif isinstance(document, list) and document:
        yield from _paths(document[0], (*path, 0))


def _broken_plans(key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Plans that are broken at a top-level key or below it: left out, or of another type."""
    for path in _paths(_PLAN):
        if path[0] != key:
            continue
        for value in (..., None, *_WRONG):
            plan = deepcopy(_PLAN)
            place: Any = plan
            for step in path[:-1]:
                place = place[step]
            if value is ...:
                del place[path[-1]]
                # A plan of one month less is a plan.
                if path == ("figures", 0):
                    continue
            elif value in _EITHER.get(path, ()) or (
                value is None and path in {("mail_domain",), ("growth",), ("closed_month",)}
            ):
                continue
            else:
                place[path[-1]] = value
            yield f"{path} {value!r}", plan


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database of this module's tests: what they try is refused or rolled back."""
    with new_database(postgres_server) as database:
        yield database


@pytest.fixture
def loader(shared: Database) -> Iterator[Conn]:
    """The loader's session in it."""
    with shared.loader() as conn:
        yield conn


def _json(key: str, value: Any) -> Any:
    """A document as JSON; the program sends mappings, another one may send anything."""
    return Jsonb(value) if key in {"plan", "blueprint"} else value


def _is_refused(conn: Conn, **changes: Any) -> bool:
    """Whether provisioning a tenant is refused as unreadable."""
    try:
        with conn.transaction(force_rollback=True):
            tenants.provision_tenant(conn, new_tenant(**{key: _json(key, changes[key]) for key in changes}))
    except JobFailedError as error:
        return getattr(error.__cause__, "sqlstate", None) == "DP006" and "cannot be stored: " in error.message
    return False


@pytest.mark.parametrize("key", _PLAN)
def test_a_broken_plan_is_refused_and_cannot_be_read(loader: Conn, key: str) -> None:
    """Each key left out or of another type: the database stores it not, and the program reads it not."""
    plans = dict(_broken_plans(key))
    assert len(plans) >= 5
    assert [name for name, plan in plans.items() if not _is_refused(loader, plan=plan)] == []
    # A program is stricter in some respects; never less.
    assert [name for name, plan in plans.items() if not plan_problems(plan)] == []


@pytest.mark.parametrize("plan", [None, True, 7, "plan", [], [{}], {}])
def test_what_is_no_plan_at_all_is_refused(loader: Conn, plan: Any) -> None:
    """Any JSON that is not an object, and an empty object."""
    assert _is_refused(loader, plan=plan)
    assert plan_problems(plan)


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "other"},
        {"seed": "8"},
        {"name": "Other"},
        {"country": "US"},
        {"timezone": "UTC"},
        {"currency": "USD"},
        {"industry": "trading"},
        {"lists_version": "2"},
        {"figures": [_PLAN["figures"][0]] * 25},
        {"figures": []},
        {"figures": [_PLAN["figures"][0] | {"leads_created": 6}]},
        {"figures": [_PLAN["figures"][0] | {"closed_won_count": 3}]},
        {"figures": [_PLAN["figures"][0] | {"closed_won_value": "300.01"}]},
        {"figures": [_PLAN["figures"][0] | {"closed_won_value": "1.001"}]},
        {"minor_digits": 0},
        {"minor_digits": 3},
        {"start_month": "2019-12"},
        {"start_month": "2025-13"},
        {"channel_ppm": [["seo", 999_999]]},
        {"channel_ppm": [["seo", 1_000_001], ["direct", -1]]},
        {"growth": _PLAN["growth"] | {"season_percent": [100] * 11}},
        {"growth": _PLAN["growth"] | {"monthly_rate": "-1"}},
        {"growth": _PLAN["growth"] | {"monthly_rate": "NaN"}},
    ],
)  # fmt: skip
def test_a_plan_that_contradicts_itself_or_its_tenant_is_refused(loader: Conn, change: Any) -> None:
    """Figures, sums, bounds, and what the tenant's columns say."""
    assert _is_refused(loader, plan=_PLAN | change)


@pytest.mark.parametrize(
    "changes",
    [
        *({"blueprint": value} for value in _NO_BLUEPRINTS),
        {"blueprint": {"name": 1, "country": "DE", "industry": "saas"}},
        {"created_at": datetime(1999, 1, 1, tzinfo=UTC)},
        {"provisioned_at": datetime(2300, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_broken_blueprint_or_instant_is_refused(loader: Conn, changes: Any) -> None:
    """A blueprint has a name, a country and an industry; instants are of our time."""
    assert _is_refused(loader, **changes)


def test_a_plan_with_keys_that_nobody_knows_is_stored_and_read(loader: Conn) -> None:
    """Later versions may add keys: they are no reason to refuse a plan, nor to fail on it."""
    plan: dict[str, Any] = {**_PLAN, "mode": "living", "versions": {"lists": "2"}, "until": None}
    plan["figures"] = [one | {"note": 1} for one in plan["figures"]]
    assert not _is_refused(loader, plan=plan, blueprint={**new_tenant().blueprint, "last_months": 12})
    assert plan_problems(plan) == []
    assert read_spec("acme", plan) == read_spec("acme", _PLAN)
    # What an earlier version did not store is what it did.
    added = {"private_ppm": 80_000, "lost_value_ppm": None}
    assert read_spec("acme", _PLAN).to_json() == _PLAN | added


_LISTS: Final[dict[str, Any]] = {
    "female": [["Ada", 3]],
    "male": [["Ben", 1]],
    "surnames": [["Steiner", 40]],
    "companies": [["Torhaus AG", "Bau", "51-200"], ["Almhof", None, None]],
    "products": [["Leitstand", 49_000, None], ["Umbau", 100, 200]],
    "stages": [["Anfrage", "open", 50, 1], ["Ja", "won", 100, 1], ["Nein", "lost", 0, 1]],
    "beats": [["offer", "talk", "Angebot an {first}."]],
    "topics": [["ort", "die Halle"]],
}


_NO_LISTS: Final[list[Any]] = [
    *([], "x", 7, {"colors": [["red"]]}, {"female": {}}, {"female": [["Ada", 3], None]}),
    {"stages": [["A", "won", 100, 1, 1]]},
]


def _broken_lists() -> Iterator[tuple[str, Any]]:
    """Lists that are no object, or broken at one place: left out, or of another type."""
    yield from ((repr(wrong), wrong) for wrong in _NO_LISTS)
    for path in _paths(_LISTS):
        *around, last = path
        for value in (..., *_WRONG):
            # A list without rows is none, and a text may say anything.
            is_whole_list = len(around) < 2
            may_be_any = value == "no such thing" and last in {0, 1, 2} and path[0] != "stages"
            if (is_whole_list and value in (..., [])) or may_be_any or (value, last) == ("no such thing", 0):
                continue
            lists = deepcopy(_LISTS)
            place: Any = lists
            for step in around:
                place = place[step]
            if value is ...:
                del place[last]
            else:
                place[last] = value
            yield f"{path} {value!r}", lists


def test_broken_lists_of_a_plan_are_refused_and_cannot_be_read(loader: Conn) -> None:
    """The database stores only lists that the program can read."""
    plan = {**_PLAN, "lists": _LISTS}
    assert not _is_refused(loader, plan=plan)
    assert plan_problems(plan) == []
    assert read_spec("acme", plan).to_json()["lists"] == _LISTS
    broken = list(_broken_lists())
    assert len(broken) > 100
    for what, lists in broken:
        assert _is_refused(loader, plan={**_PLAN, "lists": lists}), what
        assert plan_problems({**_PLAN, "lists": lists}), what


# -- jobs ------------------------------------------------------------------------------------------------

_ID: Final = str(uuid4())
_FIGURES: Final[dict[str, Any]] = _PLAN["figures"][0]
_RESULT: Final[dict[str, Any]] = dict.fromkeys(("before", "target", "after", "expected"), _FIGURES)
_PATCH: Final[dict[str, Any]] = {
    "mode": "additive",
    "plan_type": "deltas",
    "tolerances": {"count": 0, "value": "0"},
    "months": [{"month": "2025-01", "metrics": {"contacts_created": 4, "closed_won_value": "1.00"}}],
}


_NO_OBJECTS: Final[list[Any]] = [[], "x", 7, True]
_NO_UNDOES: Final[list[Any]] = [{}, {"job": None}, {"job": 7}, {"job": "x"}, {"job": [_ID]}]
_NO_MONTHS: Final[list[Any]] = [
    [],
    {},
    "x",
    [{}],
    [7],
    [{"month": "2025-13", "metrics": {}}],
    [{"month": "2025-01"}],
    [{"month": "2025-01", "metrics": {"contacts_created": "4"}}],
    [{"month": "2025-01", "metrics": {"contacts_created": 1.5}}],
    [{"month": "2025-01", "metrics": {"closed_won_value": 1}}],
]
_PART: Final[dict[str, Any]] = {"job_id": _ID, "kind": "materialise", "created": {"deals": 3}}
_NO_REQUESTS: Final[list[Any]] = [
    None,
    7,
    {},
    {"jobs": [_PART]},
    {"jobs": [], "before": {}},
    {"jobs": {"0": _PART}, "before": {}},
    {"jobs": [_PART, _PART], "before": {}},
    *({"jobs": [_PART | change], "before": {}} for change in ({"job_id": "x"}, {"kind": 7}, {"created": 7})),
    {"jobs": [_PART | {"created": {"deals": "3"}}], "before": {}},
    {"jobs": [_PART], "before": {"x": _FIGURES}},
    {"jobs": [_PART], "before": {"2025-01": {"leads_created": "x"}}},
]
_NO_METRICS: Final[list[Any]] = [
    [],
    "x",
    7,
    {"created": []},
    {"created": {"companies": "x"}},
    {"created": {"companies": -1}},
    {"created": {"companies": 1.5}},
    {"created": {"companies": 10**19}},
    {"hidden": 1},
    {"hidden_at": "x"},
    {"hidden_at": 7},
    {"hidden_at": "infinity"},
    {"hidden_at": "2025-01-01"},
    {"taken_along": []},
    {"taken_along": {_ID: 7}},
    {"taken_along": {_ID: {"x": _FIGURES}}},
    {"taken_along": {_ID: {"2025-01": {"leads_created": "x"}}}},
    {"dependents": {}},
    {"changed_by_people": 3},
    *({"request": request} for request in _NO_REQUESTS),
]
_NO_REPORTS: Final[list[Any]] = [
    [],
    "x",
    7,
    {"x": _RESULT},
    {"2025-01": 7},
    {"2025-01": {}},
    {"2025-01": _RESULT | {"after": 7}},
    {"2025-01": _RESULT | {"after": {"leads_created": 1.5}}},
    {"2025-01": _RESULT | {"before": {"closed_won_value": 1}}},
    {"2025-01": _RESULT | {"before": {"closed_won_value": "NaN"}}},
]
_PLANS_OF_JOBS: Final[list[tuple[str, Any]]] = [
    *(("materialise", value) for value in _NO_OBJECTS),
    *(("undo", value) for value in _NO_UNDOES),
    ("cleanup", {"job": "x"}),
    *(("patch", {key: value for key, value in _PATCH.items() if key != left_out})
      for left_out in ("plan_type", "tolerances", "months")),
    *(("patch", _PATCH | {"months": months}) for months in _NO_MONTHS),
    ("patch", _PATCH | {"plan_type": "wishes"}),
    ("patch", _PATCH | {"tolerances": {"count": -1, "value": "0"}}),
    ("patch", _PATCH | {"tolerances": {"count": 0, "value": "NaN"}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "plan"),
    _PLANS_OF_JOBS,
)
def test_a_job_with_a_broken_plan_is_refused(loader: Conn, kind: str, plan: Any) -> None:
    """What a job was asked for can be read again: to undo it, to try it again."""
    tenant = new_tenant()
    with loader.transaction(force_rollback=True):
        tenants.provision_tenant(loader, tenant)
        with pytest.raises(JobFailedError, match="cannot be stored: plan") as caught, loader.transaction():
            job_ledger.register_job(loader, a_request(tenant.tenant_id, kind=kind, plan=_json("plan", plan)))
        assert caught.value.__cause__.sqlstate == "DP006"  # type: ignore[union-attr]
    # A patch is read leniently: a count may be a text.
    assert kind == "patch" or job_problems(
        JobKind(kind), "failed", seed="7", plan=plan, metrics=None, diff_report=None
    )


def test_an_extension_without_its_months_is_refused(loader: Conn) -> None:
    """Until when it lets a blueprint go on could not be read."""
    tenant = new_tenant()
    with loader.transaction(force_rollback=True):
        tenants.provision_tenant(loader, tenant)
        with pytest.raises(psycopg.Error) as caught, loader.transaction():
            loader.execute(
                "select demo.register_job(%s, %s, 'extend', null, null, null, '7', 0,"
                " null, null, null, null, null)",
                [tenant.tenant_id, uuid4()],
            )
        assert caught.value.sqlstate == "DP006"
    assert job_problems(JobKind.EXTEND, "completed", seed="7", plan={}, metrics={}, diff_report=None)


def test_instants_and_months_of_a_job_are_of_our_time(loader: Conn) -> None:
    """Infinity, or a month of the year 0, could not be read."""
    tenant = new_tenant()
    with loader.transaction(force_rollback=True):
        tenants.provision_tenant(loader, tenant)
        for values in ("'0001-01', '0001-02', null, now()", "'2025-01', '2025-01', null, 'infinity'"):
            with pytest.raises(psycopg.Error) as caught, loader.transaction():
                loader.execute(
                    "select demo.register_job(%s, %s, 'materialise', null, null, null, '7', 0, "
                    f"{values}, null)".encode(),
                    [tenant.tenant_id, uuid4()],
                )
            assert caught.value.sqlstate == "DP006"


_DOCUMENTS: Final[list[tuple[str, Any]]] = [
    *(("metrics", value) for value in _NO_METRICS),
    *(("diff_report", value) for value in _NO_REPORTS),
    ("before_kpis", []),
    ("after_kpis", "x"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "document"),
    _DOCUMENTS,
)
def test_a_job_cannot_end_with_a_broken_document(shared: Database, name: str, document: Any) -> None:
    """What a job leaves behind can be read; the job's rows are rolled back with it otherwise."""
    documents = {"before_kpis": None, "after_kpis": None, "diff_report": None, "metrics": None}
    documents[name] = document
    with shared.loader() as conn:
        tenant = provisioned(conn, f"t-{uuid4().hex[:12]}")
        job = begun(conn, tenant)
        stored = [None if one is None else Jsonb(one) for one in documents.values()]
        assert _ending(conn, tenant, job, "%s, %s, %s, %s, null", stored) == "DP006"
    if name in {"metrics", "diff_report"}:
        found = {"metrics": None, "diff_report": None, name: document}
        assert job_problems(JobKind.MATERIALISE, "completed", seed="7", plan=None, **found)


@pytest.mark.parametrize(
    "change",
    [
        {"month": "0001-01"},
        {"month": "2100-01"},
        {"loaded_as_of": "infinity"},
        {"contacts_created": 10**12 + 1},
        {"closed_won_value": "0.001", "pipeline_added_value": "0.001"},
    ],
)
def test_figures_of_a_month_that_cannot_be_read_are_refused(shared: Database, change: Any) -> None:
    """Months of our time, counts whose sums stay in bounds, amounts in the currency's decimals."""
    months = [{"month": "2025-01", "loaded_as_of": "2025-06-01T00:00Z", "is_whole": True} | change]
    yen: dict[str, Any] = stored_plan("yen")
    yen |= {"currency": "JPY", "minor_digits": 0}
    whole = yen["figures"][0] | {"closed_won_value": "100", "pipeline_added_value": "300"}
    yen["figures"] = [whole]
    with shared.loader() as conn:
        slug = f"t-{uuid4().hex[:12]}"
        tenant = new_tenant(slug, currency="JPY", plan=yen | {"slug": slug, "name": slug.title()})
        with conn.transaction():
            tenants.provision_tenant(conn, tenant)
        job = begun(conn, tenant.tenant_id)
        if "closed_won_value" in change:
            # Two decimals are what the column keeps; yen have none.
            months[0] |= dict.fromkeys(("closed_won_value", "pipeline_added_value"), "0.50")
        stored = [Jsonb(months)]
        assert _ending(conn, tenant.tenant_id, job, "null, null, null, null, %s", stored) == "DP006"


def _ending(conn: Conn, tenant_id: UUID, job_id: UUID, arguments: str, values: list[Any]) -> str | None:
    """The SQLSTATE with which ending a claimed job is refused."""
    with pytest.raises(errors.Error) as caught, conn.transaction():
        _end(conn, tenant_id, job_id, f"select demo.finish_job(%s, {arguments}, null, null)", values)
    return caught.value.sqlstate


def _end(conn: Conn, tenant_id: UUID, job_id: UUID, statement: str, values: list[Any]) -> None:
    job_ledger.claim_job(conn, tenant_id, job_id)
    conn.execute(statement.encode(), [job_id, *values])
