"""Blueprint files as people write them, good and bad: every problem at once, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo_pipeline.domain.core.errors import CapExceededError, InputError
from demo_pipeline.domain.reference.countries import COUNTRIES
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.services.files.blueprint_files import blueprint_paths, read_blueprint
from tests.builders.blueprints import NOW, spec_of_file
from tests.paths import BLUEPRINTS

GOOD = """\
name: Kranz Logistik          # what the tenant sees
country: NO
industry: saas
start_month: 2024-12
end_month: 2025-11
seed: 007
timezone: ~
currency:
mail_domain: null
totals:
  leads_created: 20
  contacts_created: 25
  closed_won_value: 1500.00
  pipeline_added_value: 1500.00
  deals_created: 2
  closed_won_count: 2
growth: {curve: logistic, monthly_rate: 0.15, seasonality: true}
"""


def write(folder: Path, text: str | bytes, name: str = "kranz.yaml") -> Path:
    """A file with that text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path) -> InputError:
    """What is said about a bad file."""
    with pytest.raises(InputError) as caught:
        spec_of_file(path, NOW, "made")
    assert caught.value.exit_code == 2
    return caught.value


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Norway is a country, 007 keeps its zeros, a month is no date, nothing is nothing."""
    file = read_blueprint(write(tmp_path, GOOD), NOW)
    assert file.slug == "kranz"
    assert (file.blueprint.country, file.blueprint.seed) == ("NO", "007")
    assert (file.blueprint.timezone, file.blueprint.currency, file.blueprint.mail_domain) == (None,) * 3
    assert str(file.blueprint.start_month) == "2024-12"
    assert file.blueprint.totals is not None
    assert str(file.blueprint.totals.given["closed_won_value"]) == "1500.00"
    assert file.blueprint.growth is not None
    assert file.blueprint.growth.seasonality is True


def test_a_file_becomes_a_tenant(tmp_path: Path) -> None:
    """Read, checked and resolved in one step, with the warnings."""
    spec, warnings = spec_of_file(write(tmp_path, GOOD), NOW, "made")
    assert (spec.slug, spec.seed, spec.total.leads_created) == ("kranz", "007", 20)
    assert any("NO has no lists" in warning for warning in warnings)


def test_byte_order_mark_windows_lines_and_quotes_are_fine(tmp_path: Path) -> None:
    """Editors of other systems write such files; a quoted null is a text."""
    text = "\ufeff" + GOOD.replace("seed: 007", 'seed: "null"').replace("\n", "\r\n")
    assert read_blueprint(write(tmp_path, text), NOW).blueprint.seed == "null"


def test_every_problem_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    """Structure, fields and the rules between them, from the top of the file to its end."""
    text = """\
name: Demo Logistik
country: Germany
industry: shipping
start_month: 2025-1
end_month: 2027-01
name: Kranz Logistik
colour: blue
totals:
  lead_created: 20
  closed_won_value: 10.00
  pipeline_added_value: 5.00
  closed_won_count: 3
  deals_created: 2
channel_mix: {seo: 0.5, tv: 0.5}
growth:
  curve: linear
  monthly_rate: 15%
"""
    error = refusal(write(tmp_path, text, "kranz|nord.yaml"))
    assert [(p.line, p.field, p.code, p.value) for p in error.problems] == [
        (None, "slug", "bad_slug", "kranz|nord"),
        (1, "name", "tell_tale_word", "Demo Logistik"),
        (2, "country", "unknown_country", "Germany"),
        (3, "industry", "unknown_industry", "shipping"),
        (4, "start_month", "bad_month", "2025-1"),
        (5, "end_month", "future_month", "2027-01"),
        (6, "name", "duplicate_key", "name"),
        (7, "colour", "unknown_key", "blue"),
        (9, "totals.lead_created", "unknown_key", "20"),
        (11, "totals.pipeline_added_value", "pipeline_below_won_value", "5.00"),
        (12, "totals.closed_won_count", "won_exceed_deals", "3"),
        (14, "channel_mix.tv", "unknown_key", "0.5"),
        (17, "growth.monthly_rate", "not_a_number", "15%"),
    ]
    for problem in error.problems:
        assert str(problem.line or "") in str(problem)
        shown = problem.value if problem.code != "unknown_key" else str(problem.field).rpartition(".")[2]
        assert shown is not None
        assert shown in problem.message
    assert ", ".join(COUNTRIES) in error.problems[2].message
    assert ", ".join(INDUSTRIES) in error.problems[3].message
    assert error.message.startswith("kranz|nord.yaml: ")


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "code"),
    [
        ("country: NO", "country: XX", 2, "country", "unknown_country"),
        ("industry: saas", "industry: [saas]", 3, "industry", "not_text"),
        ("start_month: 2024-12", "start_month: 2024-00", 4, "start_month", "bad_month"),
        ("start_month: 2024-12", "start_month: 2023-11", 5, "end_month", "span_too_long"),
        ("2024-12\nend_month: 2025-11", "2025-12\nend_month: 2026-12", 5, "end_month", "future_month"),
        ("start_month: 2024-12\n", "", None, "start_month", "missing"),
        ("leads_created: 20", "leads_created: 26", 11, "totals.leads_created", "leads_exceed_contacts"),
        ("closed_won_count: 2", "closed_won_count: 3", 16, "totals.closed_won_count", "won_exceed_deals"),
        (
            "closed_won_count: 2",
            "closed_won_count: 0",
            13,
            "totals.closed_won_value",
            "won_value_without_won_deals",
        ),
        (
            "pipeline_added_value: 1500.00",
            "pipeline_added_value: 1499.99",
            14,
            "totals.pipeline_added_value",
            "pipeline_below_won_value",
        ),
        (
            "closed_won_value: 1500.00",
            "closed_won_value: 1e308",
            13,
            "totals.closed_won_value",
            "not_an_amount",
        ),
        ("1500.00\n  p", ".nan\n  p", 13, "totals.closed_won_value", "not_an_amount"),
        ("curve: logistic", "curve: log", 17, "growth.curve", "unknown_curve"),
        ("seasonality: true", "seasonality: on", 17, "growth.seasonality", "not_a_flag"),
    ],
)
def test_each_bad_input_has_its_line(
    tmp_path: Path, old: str, new: str, line: int | None, field: str, code: str
) -> None:
    """One mistake, one problem, in the line where it was made."""
    error = refusal(write(tmp_path, GOOD.replace(old, new, 1)))
    assert [(p.line, p.field, p.code) for p in error.problems] == [(line, field, code)]


def test_lines_of_a_list_of_months_are_those_of_their_entries(tmp_path: Path) -> None:
    """In either way of writing an entry; a missing key stands at its entry."""
    text = """\
name: Kranz Logistik
country: DE
industry: saas
start_month: 2025-01
end_month: 2025-04
months:
  - {month: 2025-01, leads_created: 4}
  - month: 2025-02
    contacts_created: 4
    leads_create: 3
  - contacts_created: 2
  - {month: 2025-02}
  - month: 2025-09
"""
    error = refusal(write(tmp_path, text))
    assert [(p.line, p.field, p.code) for p in error.problems] == [
        (7, "months.0.leads_created", "leads_exceed_contacts"),
        (10, "months.1.leads_create", "unknown_key"),
        (11, "months.2.month", "missing"),
        (12, "months.3.month", "month_twice"),
        (13, "months.4.month", "month_outside_span"),
    ]


def test_the_suggestion_can_be_pasted(tmp_path: Path) -> None:
    """The nearest figures come as a part of the file, and with them it is accepted."""
    error = refusal(write(tmp_path, GOOD.replace("leads_created: 20", "leads_created: 30")))
    assert error.suggestion == {
        "totals": {
            "leads_created": 30,
            "contacts_created": 30,
            "deals_created": 2,
            "closed_won_count": 2,
            "closed_won_value": "1500.00",
            "pipeline_added_value": "1500.00",
        }
    }
    lines = [f"  {key}: {value}" for key, value in error.suggestion["totals"].items()]
    head, _, rest = GOOD.partition("totals:\n")
    pasted = f"{head}totals:\n" + "\n".join(lines) + "\n" + rest[rest.index("growth") :]
    assert read_blueprint(write(tmp_path, pasted), NOW).blueprint.totals is not None


def test_beyond_the_caps_is_refused_with_lines_and_its_own_exit_code(tmp_path: Path) -> None:
    """Every cap that is exceeded, where it is asked for."""
    text = GOOD.replace("leads_created: 20", "leads_created: 50001").replace(
        "contacts_created: 25", "contacts_created: 99999"
    )
    with pytest.raises(CapExceededError) as caught:
        spec_of_file(write(tmp_path, text), NOW, "made")
    assert caught.value.exit_code == 3
    assert [(p.line, p.metric, p.value) for p in caught.value.problems] == [
        (11, "leads_created", "50001"),
        (12, "contacts_created", "49998"),
    ]
    assert "50,000" in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """The name has to be a slug and .yaml."""
    error = refusal(write(tmp_path, GOOD, "kranz.toml"))
    assert [p.code for p in error.problems] == ["bad_suffix"]


def test_the_bundled_blueprints_are_right() -> None:
    """Four stories of more than 3,000 rows, one of about 50,000, with seeds; one is of a living tenant."""
    living: set[str] = set()
    sizes: dict[tuple[str, str], int] = {}
    for path in blueprint_paths(BLUEPRINTS):
        spec, warnings = spec_of_file(path, NOW, "made")
        assert warnings == ()
        assert spec.seed != "made"
        assert len(spec.figures) == 12
        total = spec.total
        if spec.closed_month is None:
            living.add(spec.slug)
        sizes[spec.country, spec.industry] = (
            total.contacts_created + total.companies_created + total.deals_created + total.activities_created
        )
    assert set(sizes) == {("US", "saas"), ("DE", "ecommerce"), ("GB", "trading"), ("GB", "igaming")}
    assert living == {"tidewick"}
    assert min(sizes.values()) > 3000
    assert 45_000 < sizes["DE", "ecommerce"] < 55_000
