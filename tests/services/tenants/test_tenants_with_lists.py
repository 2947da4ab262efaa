"""Tenants with lists of their own, from provisioning to patches: what is stored counts, and no file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, LiteralString

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.scorecard.measure import Verdict
from demo_pipeline.services.certificate.certify import certify
from demo_pipeline.services.files.blueprint_files import preview_blueprint
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.scorecard.score import score_tenant
from demo_pipeline.services.tenants.blueprint_folder import FileState, compare_folder
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.believable_tenants import believable
from tests.builders.own_lists import example_files, french_names, write_example
from tests.services.patches.builders import plan

NAMES: Final = french_names()
#: Few products, list prices in a trade that sells at written amounts among them.
PRODUCTS: Final = {
    "saas": [{"name": "Dock Planner", "price": 490}, {"name": "Yard Gateway", "price": 3900}],
    "ecommerce": [
        {"name": "Hook", "price": "9.90"},
        {"name": "Shelf", "price": 39},
        {"name": "Bench", "price": "179.95"},
    ],
    "realestate": [
        {"name": "Mill Loft", "price": 90_000, "price_to": 400_000},
        {"name": "Mill House", "price": 400_000, "price_to": 1_900_000},
    ],
    "finserv": [{"name": "Audit Package", "price": 2400}, {"name": "Advisory Day", "price": 1100}],
}


def named(database: Database, query: LiteralString) -> set[str]:
    """The first column of a query, as administrators see it."""
    with database.admin(readonly=True) as conn:
        return {str(row[0]) for row in conn.execute(query).fetchall()}


def with_names(folder: Path) -> Path:
    """The example of the docs with French names in tables beside it."""
    path = write_example(folder)
    keys: list[str] = []
    for name, rows in NAMES.items():
        lines = "".join(f"{row['name']};{row['weight']}\n" for row in rows)
        (folder / f"{name}.csv").write_text(f"name;weight\n{lines}", encoding="utf-8")
        keys.append(f"  {name}: {name}.csv\n")
    path.write_text(path.read_text("utf-8") + "".join(keys), encoding="utf-8")
    return path


@pytest.mark.risk("G8")
def test_g08_a_tenant_lives_on_its_own_lists(
    database: Database, database_settings: Settings, tmp_path: Path
) -> None:
    """Provisioned, materialised and patched after its files are gone; certified, scanned and scored."""
    settings, folder = database_settings, tmp_path / "blueprints"
    folder.mkdir()
    path = with_names(folder)
    assert preview_blueprint(path, settings).warnings == ()
    slug = provision(database, settings, path).slug
    materialise(database, settings, slug, last=Month.parse("2025-02"))
    for file in folder.iterdir():
        file.unlink()
    assert materialise(database, settings, slug).status == "completed"
    changes: dict[str, int | str] = {"contacts_created": 30, "deals_created": 12, "activities_created": 60}
    assert apply_patch(database, settings, slug, plan({"2025-03": changes})).status == "completed"

    surnames = {str(row["name"]) for row in NAMES["surnames"]}
    assert named(database, "select last_name from crm.contacts") <= surnames
    assert named(database, "select last_name from crm.users") <= surnames
    own = {"Copperline Storage LLC", "Two Rivers Cold Chain", "Brasswick Freight Inc."}
    assert own <= named(database, "select name from crm.companies")
    products = ("Dock Planner", "Picking Monitor", "Yard Gateway")
    titles = named(database, "select title from crm.deals")
    assert all(any(product in title for product in products) for title in titles)
    stages = named(database, "select name from crm.pipeline_stages")
    assert stages == {"Enquiry", "Site Visit", "Pilot", "Ordered", "Declined"}
    assert certify(database, settings, slug).uncovered == ()
    scores = score_tenant(database, settings, slug).scores
    assert [score.measure.name for score in scores if score.verdict is Verdict.RED] == []
    measures = {score.measure.name for score in scores}
    assert not measures & {"frequent_surnames", "names_of_one_origin", "written_amounts", "price_spread"}
    assert {"known_people", "known_companies"} <= measures


@pytest.mark.scorecard
@pytest.mark.risk("G3")
@pytest.mark.parametrize(
    ("country", "industry"), [("US", "ecommerce"), ("DE", "realestate"), ("US", "saas"), ("DE", "finserv")]
)
def test_g03_a_tenant_of_own_lists_is_believable(
    database: Database, database_settings: Settings, tmp_path: Path, country: str, industry: str
) -> None:
    """Few products, short stages and firms of one's own are no red line; the rest is judged as always."""
    beginnings, endings = ("Alm", "Tor", "Quell", "Brun", "Hol"), ("hof", "wick", "kamp", "moor", "field")
    lists = {
        **NAMES,
        "products": PRODUCTS[industry],
        "companies": [f"{first}{last} AG" for first in beginnings for last in endings],
        "stages": [
            {"name": "Start", "weight": 3},
            {"name": "Color Review"},
            {"name": "Done", "outcome": "won"},
            {"name": "Off", "outcome": "lost"},
        ],
    }
    path = tmp_path / f"{country.lower()}-{industry}.yaml"
    path.write_text(json.dumps({**believable(country, industry, 5_000), "lists": lists}), encoding="utf-8")
    slug = provision(database, database_settings, path).slug
    materialise(database, database_settings, slug)
    scores = score_tenant(database, database_settings, slug).scores
    assert [score.measure.name for score in scores if score.verdict is Verdict.RED] == []
    assert sum(score.verdict is Verdict.GREEN for score in scores) >= 30
    assert certify(database, database_settings, slug).uncovered == ()


def test_a_changed_file_changes_no_tenant(
    database: Database, database_settings: Settings, tmp_path: Path
) -> None:
    """It is another blueprint: refused by name, and shown in the folder value by value."""
    path = write_example(tmp_path)
    provision(database, database_settings, path)
    assert provision(database, database_settings, path).is_new is False
    [same] = compare_folder(database, database_settings, tmp_path)
    assert same.state is FileState.SAME

    topics = tmp_path / "topics.csv"
    topics.write_text(topics.read_text().replace("the mezzanine", "the upper floor"))
    with pytest.raises(InputError, match=r"made from another blueprint \(lists differs\)"):
        provision(database, database_settings, path)
    [changed] = compare_folder(database, database_settings, tmp_path)
    assert (changed.state, changed.content == same.content) == (FileState.CHANGED, False)
    assert {one.key for one in changed.differences} == {
        f"lists.topics.{value}.{key}"
        for value in ("the mezzanine", "the upper floor")
        for key in ("topic", "text")
    }

    first, *rest = example_files()["topics.csv"].splitlines()
    topics.write_text("\n".join([first, *rest[::-1]]))
    [reordered] = compare_folder(database, database_settings, tmp_path)
    assert [one.key for one in reordered.differences] == ["lists"]
    topics.write_text("topic,text\n")
    [invalid] = compare_folder(database, database_settings, tmp_path)
    assert invalid.state is FileState.INVALID
    assert "topics.csv: has a header and no row below it" in invalid.problems[0]


def test_the_same_lists_give_the_same_rows(
    database: Database, database_settings: Settings, tmp_path: Path
) -> None:
    """Inline or in files, in one go or month by month, deleted and made again."""
    path = write_example(tmp_path)
    slug = provision(database, database_settings, path).slug
    materialise(database, database_settings, slug)
    first = contents(database)
    delete_tenant(database, database_settings, slug)
    lines = [dict(zip(("beat", "form", "text"), line.split("\t"), strict=True)) for line in rows("lines.tsv")]
    topics = [dict(zip(("topic", "text"), line.split(","), strict=True)) for line in rows("topics.csv")]
    text = path.read_text()
    text = text.replace("beats: lines.tsv", f"beats: {json.dumps(lines)}")
    path.write_text(text.replace("topics: topics.csv", f"topics: {json.dumps(topics)}"))
    provision(database, database_settings, path)
    materialise(database, database_settings, slug, last=Month.parse("2025-03"))
    materialise(database, database_settings, slug)
    assert contents(database) == first


def rows(name: str) -> list[str]:
    """The lines of a table of the example, without its header."""
    return example_files()[name].splitlines()[1:]


def contents(database: Database) -> list[set[str]]:
    """What people see first of a tenant's rows; ids differ, since the tenant is another one."""
    return [
        named(database, "select name || coalesce(domain, '') from crm.companies"),
        named(database, "select title || value from crm.deals"),
        named(database, "select created_at || coalesce(description, '') from crm.activities"),
    ]
