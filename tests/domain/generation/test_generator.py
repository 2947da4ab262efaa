"""What generated rows promise: exact figures, possible order, the same bytes, words that do not repeat."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from demo_pipeline.domain.core.arrow import column, keep, to_mask
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.calendar import instant_us
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.generation.partial_month import figures_of_rows, up_to
from demo_pipeline.domain.reference.countries import load_locale
from tests.assertions.generated_rows import batches_of, complaints, figures_of, fingerprint, rows_of, spec_of
from tests.builders.blueprints import NOW, feasible_blueprints
from tests.builders.currencies import EUR
from tests.hypothesis_profiles import examples

MONTHLY: dict[str, Any] = {
    "name": "Brightwater Supplies",
    "country": "US",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-06",
    "seed": "42",
    "totals": {
        "leads_created": 300,
        "contacts_created": 420,
        "companies_created": 60,
        "deals_created": 130,
        "closed_won_count": 35,
        "closed_won_value": "410000.00",
        "pipeline_added_value": "980000.50",
        "activities_created": 1500,
    },
}


@pytest.mark.risk("P6")
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(blueprint=feasible_blueprints())
def test_p06_every_random_tenant_is_exact_and_possible(blueprint: dict[str, Any]) -> None:
    """Any feasible blueprint gives rows whose figures are the plan's, and no life is impossible."""
    with tempfile.TemporaryDirectory() as folder:
        spec = spec_of(Path(folder), blueprint, NOW)
    rows = rows_of(batches_of(spec, NOW))
    found = figures_of(rows, spec.currency)
    assert {month: found.get(month, Figures()) for month in spec.months} == dict(
        zip(spec.months, spec.figures, strict=True)
    )
    assert set(found) <= set(spec.months)
    assert complaints(spec, rows, min(NOW, spec.end_month.end)) == []


@pytest.mark.risk("P6")
@pytest.mark.parametrize("timezone", ["America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata", "UTC"])
def test_p06_working_hours_are_local_and_months_are_utc(tmp_path: Path, timezone: str) -> None:
    """Far from Greenwich too, rows are made in local working hours and inside the UTC month."""
    spec = spec_of(tmp_path, MONTHLY | {"timezone": timezone}, NOW)
    rows = rows_of(batches_of(spec, NOW))
    assert complaints(spec, rows, NOW) == []
    assert figures_of(rows, EUR) == dict(zip(spec.months, spec.figures, strict=True))


def test_first_contact_is_there_for_everything_else(tmp_path: Path) -> None:
    """One contact, and many deals and activities in its month, all of them after it."""
    months = [{"month": "2025-03", "contacts_created": 1, "deals_created": 30, "activities_created": 200}]
    blueprint = {key: value for key, value in MONTHLY.items() if key != "totals"} | {"months": months}
    spec = spec_of(tmp_path, blueprint, NOW)
    assert complaints(spec, rows_of(batches_of(spec, NOW)), NOW) == []


@pytest.mark.risk("G5")
def test_g05_same_seed_same_bytes_whatever_was_made_before(tmp_path: Path) -> None:
    """A month's bytes do not depend on whether the months before it were made or passed over."""
    spec = spec_of(tmp_path, MONTHLY, NOW)
    last = spec.end_month
    at_once = [batch for batch in batches_of(spec, NOW) if batch.month == last and batch.table != "users"]
    generator = Generator(spec, NOW)
    generator.skip_to(last)
    alone = list(generator.month(last))
    assert fingerprint(alone) == fingerprint(at_once[-len(alone) :])


@pytest.mark.risk("G5")
def test_g05_another_seed_or_slug_gives_other_rows(tmp_path: Path) -> None:
    """Seed and slug both key the streams: two tenants with one seed show different people."""
    base = spec_of(tmp_path, MONTHLY, NOW)
    other_seed = spec_of(tmp_path, MONTHLY | {"seed": "43"}, NOW)
    other_slug = spec_of(tmp_path, MONTHLY, NOW, slug="acme-two")
    prints = {fingerprint(batches_of(spec, NOW)) for spec in (base, base, other_seed, other_slug)}
    assert len(prints) == 3
    people = [
        {
            (row["first_name"], row["last_name"], row["email"])
            for row in rows_of(batches_of(spec, NOW))["contacts"]
        }
        for spec in (base, other_slug)
    ]
    assert not people[0] & people[1]


@pytest.mark.risk("G5")
def test_g05_a_span_that_is_over_does_not_depend_on_when_it_is_made(tmp_path: Path) -> None:
    """A fixed end in the past gives the same bytes whenever the tenant is provisioned."""
    spec = spec_of(tmp_path, MONTHLY, NOW)
    earlier = datetime(2025, 9, 1, tzinfo=UTC)
    assert fingerprint(batches_of(spec, NOW)) == fingerprint(batches_of(spec, earlier))


def test_running_month_in_slices_is_the_month_at_once(tmp_path: Path) -> None:
    """What has happened by some moment is part of what has happened later, and at the end it is all."""
    spec = spec_of(tmp_path, MONTHLY, NOW)
    month = spec.end_month

    def rows_by(instant: datetime) -> dict[str, set[bytes]]:
        generator = Generator(spec, NOW)
        generator.skip_to(month)
        found: dict[str, set[bytes]] = {}
        for batch in up_to(generator.month(month), instant_us(instant)):
            found.setdefault(batch.table, set()).update(row["id"] for row in batch.rows.to_pylist())
            for row in batch.rows.to_pylist():
                facts = (row.get(fact) for fact in ("created_at", "updated_at", "closed_at", "completed_at"))
                assert all(fact is None or fact <= instant for fact in facts)
        return found

    slices = [rows_by(datetime(2025, 6, day, 15, tzinfo=UTC)) for day in (2, 10, 20)] + [rows_by(month.end)]
    for earlier, later in pairwise(slices):
        for table, ids in earlier.items():
            assert ids <= later[table]
    assert slices[-1] == rows_by(NOW)
    assert 0 < len(slices[1]["activities"]) < len(slices[-1]["activities"])


def test_figures_of_rows_are_those_of_the_plan(tmp_path: Path) -> None:
    """Counting Arrow rows, as slices do, agrees with the plan of a whole month."""
    spec = spec_of(
        tmp_path,
        MONTHLY
        | {
            "currency": "JPY",
            "totals": MONTHLY["totals"]
            | {
                "closed_won_value": 410000,
                "pipeline_added_value": 980000,
            },
        },
        NOW,
    )
    generator = Generator(spec, NOW)
    stages = generator.team.stages
    won, lost = (keep(column(stages, "id"), to_mask(column(stages, flag))) for flag in ("is_won", "is_lost"))
    for month in spec.months:
        total = Figures()
        for batch in generator.month(month):
            total += figures_of_rows(batch, (won, lost), spec.currency)
        assert total == spec.figures_of(month)


@pytest.mark.parametrize("country", ["US", "DE", "GB", "FR"])
def test_words_do_not_repeat(tmp_path: Path, country: str) -> None:
    """In a deal a text hardly ever comes twice; companies, domains, addresses are unique."""
    spec = spec_of(tmp_path, MONTHLY | {"country": country}, NOW)
    rows = rows_of(batches_of(spec, NOW))
    with_deal = [row for row in rows["activities"] if row["deal_id"] is not None]
    assert len(with_deal) > 500
    for text, share, most in (("subject", 0.03, 3), ("description", 0.005, 2)):
        counted = Counter((row["deal_id"], row[text]) for row in with_deal)
        assert counted.most_common(1)[0][1] <= most, counted.most_common(3)
        assert len(with_deal) - len(counted) < share * len(with_deal)
    for key in ("name", "domain"):
        assert len({row[key] for row in rows["companies"]}) == len(rows["companies"])
    emails = [row["email"] for row in rows["contacts"] if row["email"] is not None]
    assert len(set(emails)) == len(emails) > len(rows["contacts"]) * 0.9


def test_deal_values_are_spread(tmp_path: Path) -> None:
    """Won deals are not all target ÷ count, and large ones are rare."""
    spec = spec_of(tmp_path, MONTHLY, NOW)
    rows = rows_of(batches_of(spec, NOW))
    won_stages = {row["id"] for row in rows["pipeline_stages"] if row["is_won"]}
    values = sorted(row["value"] for row in rows["deals"] if row["stage_id"] in won_stages)
    assert len(set(values)) > len(values) * 0.8
    assert values[-1] > 4 * values[len(values) // 2]


def test_contacts_write_from_their_company(tmp_path: Path) -> None:
    """An address is at the domain of the contact's company, under the own name; domains are reserved."""
    spec = spec_of(tmp_path, MONTHLY, NOW)
    rows = rows_of(batches_of(spec, NOW))
    domains = {row["id"]: row["domain"] for row in rows["companies"]}
    for row in rows["contacts"]:
        if row["email"] is None:
            assert row["phone"] is not None
            continue
        local, domain = row["email"].split("@")
        mailboxes = {f"{label}.example" for label in load_locale("US").mailboxes.names}
        assert domain == domains.get(row["company_id"]) or (not row["company_id"] and domain in mailboxes)
        assert domain.endswith(".example")
        assert re.sub(r"[^a-z]", "", row["last_name"].lower())[:3] in local.replace("-", "")


def test_mail_domain_of_the_operator_is_used(tmp_path: Path) -> None:
    """With a domain of the operator's, every address and web site is under it."""
    spec = spec_of(tmp_path, MONTHLY | {"mail_domain": "crm-stage.net"}, NOW)
    rows = rows_of(batches_of(spec, NOW))
    mails = [row["email"] for row in (*rows["contacts"], *rows["users"])]
    sites = [row[name] for row in rows["companies"] for name in ("domain", "website")]
    for texts in (mails, sites):
        known = [text for text in texts if text is not None]
        assert all(text.endswith(".crm-stage.net") for text in known)
        assert len(known) > len(texts) * 0.7


def test_months_out_of_turn_are_refused(tmp_path: Path) -> None:
    """Months are made in order, because rows refer to earlier ones."""
    spec = spec_of(tmp_path, MONTHLY, NOW)
    with pytest.raises(ValueError, match="out of turn"):
        Generator(spec, NOW).month(Month.parse("2025-03"))
