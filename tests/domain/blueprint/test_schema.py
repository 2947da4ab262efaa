"""The fields of a blueprint: what each takes as it was written, and what it says otherwise."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from demo_pipeline.domain.blueprint.schema import DEFAULT_CHANNEL_MIX, Blueprint, json_schema
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.parsing.scalars import PUBLIC_MAIL_PROVIDERS, TELL_TALE
from tests.paths import BLUEPRINTS

LEAST: dict[str, Any] = {
    "name": "Kranz Logistik",
    "country": "DE",
    "industry": "saas",
    "start_month": "2025-01",
    "totals": {"contacts_created": "5"},
}


def test_defaults_are_those_that_are_published() -> None:
    """A blueprint of the least keys has the documented defaults."""
    blueprint = Blueprint.model_validate(LEAST)
    assert blueprint.start_month == Month.parse("2025-01")
    assert (blueprint.end_month, blueprint.seed, blueprint.timezone, blueprint.currency) == (None,) * 4
    assert blueprint.team_size == 8
    assert blueprint.mail_domain is None
    assert blueprint.channel_mix == DEFAULT_CHANNEL_MIX
    assert [str(share) for _, share in blueprint.channel_mix.shares] == [
        "0.25",
        "0.20",
        "0.25",
        "0.15",
        "0.10",
        "0.05",
    ]
    assert blueprint.realism.drop_off_rate == Decimal("0.20")
    assert blueprint.realism.response_sla_hours == 4


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("country", "NO", "NO"),
        ("seed", "007", "007"),
        ("seed", "1e3", "1e3"),
        ("seed", 1337, "1337"),
        ("team_size", "50", 50),
        ("team_size", "+2", 2),
        ("name", "  Ünsal & Söhne ", "Ünsal & Söhne"),
        ("name", "Latest Contestants", "Latest Contestants"),
        ("mail_domain", "CRM.Kranz-Gruppe.de.", "crm.kranz-gruppe.de"),
        ("mail_domain", "xn--mller-kva.example", "xn--mller-kva.example"),
        ("timezone", "America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("currency", "JPY", "JPY"),
        ("seed", None, None),
        ("end_month", "2025-12", Month.parse("2025-12")),
    ],
)
def test_values_are_taken_as_written(key: str, value: object, read: object) -> None:
    """Nothing is guessed from the look of a value."""
    assert getattr(Blueprint.model_validate({**LEAST, key: value}), key) == read


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("name", "Ab", "bad_length"),
        ("name", "x" * 101, "bad_length"),
        ("name", "Kranz\x07Logistik", "control_character"),
        ("name", "Kranz\u202eLogistik", "control_character"),
        ("name", "Kranz DEMO", "tell_tale_word"),
        ("name", "Testing House", "tell_tale_word"),
        ("name", "the_fake one", "tell_tale_word"),
        ("name", ["a"], "not_text"),
        ("name", None, "missing"),
        ("country", "Germany", "unknown_country"),
        ("country", "de", "unknown_country"),
        ("country", "XX", "unknown_country"),
        ("country", "", "unknown_country"),
        ("industry", "shipping", "unknown_industry"),
        ("start_month", "2025-1", "bad_month"),
        ("start_month", "2025-13", "bad_month"),
        ("start_month", "2025-01-01", "bad_month"),
        ("start_month", "٢٠٢٥-01", "bad_month"),
        ("seed", "x" * 201, "bad_length"),
        ("seed", "", "bad_length"),
        ("seed", "a\0b", "control_character"),
        ("timezone", "Europe/Berln", "unknown_timezone"),
        ("timezone", "../../etc/passwd", "unknown_timezone"),
        ("timezone", "Factory", "unknown_timezone"),
        ("currency", "EURO", "unknown_currency"),
        ("currency", "eur", "unknown_currency"),
        ("team_size", "1", "out_of_range"),
        ("team_size", "51", "out_of_range"),
        ("team_size", "8.0", "not_a_whole_number"),
        ("team_size", "eight", "not_a_whole_number"),
        ("team_size", "٨", "not_a_whole_number"),
        ("team_size", True, "not_a_whole_number"),
        ("team_size", "9" * 5000, "too_large"),
        ("mail_domain", "gmail.com", "public_mail_domain"),
        ("mail_domain", "mx.gmx.de", "public_mail_domain"),
        ("mail_domain", "localhost", "bad_mail_domain"),
        ("mail_domain", "a..de", "bad_mail_domain"),
        ("mail_domain", "-a.de", "bad_mail_domain"),
        ("mail_domain", "192.168.0.1", "bad_mail_domain"),
        ("mail_domain", "me@kranz.de", "bad_mail_domain"),
        ("mail_domain", "x" * 64 + ".de", "bad_mail_domain"),
        ("totals.leads_created", "-1", "negative"),
        ("totals.leads_created", "2.5", "not_a_whole_number"),
        ("totals.leads_created", 2.0, "not_a_whole_number"),
        ("totals.leads_created", "10000000000000", "too_large"),
        ("totals.closed_won_value", "NaN", "not_an_amount"),
        ("totals.closed_won_value", ".inf", "not_an_amount"),
        ("totals.closed_won_value", "Infinity", "not_an_amount"),
        ("totals.closed_won_value", "1e308", "not_an_amount"),
        ("totals.closed_won_value", "1,000.00", "not_an_amount"),
        ("totals.closed_won_value", "-0.01", "negative"),
        ("totals.closed_won_value", "99999999999999", "out_of_range"),
        ("totals.closed_won_value", Decimal("Infinity"), "out_of_range"),
        ("totals.closed_won_value", 0.1, "not_an_amount"),
        ("totals.leads", "3", "extra_forbidden"),
        ("totals", "12", "model_type"),
        ("growth.curve", "cubic", "unknown_curve"),
        ("growth.monthly_rate", "-1", "out_of_range"),
        ("growth.monthly_rate", "10.01", "out_of_range"),
        ("growth.monthly_rate", "15%", "not_a_number"),
        ("growth.monthly_rate", "0.1234567", "too_many_decimals"),
        ("growth.seasonality", "yes", "not_a_flag"),
        ("channel_mix.tv", "0.1", "extra_forbidden"),
        ("channel_mix.seo", "1.01", "out_of_range"),
        ("channel_mix.seo", "0.9", "shares_do_not_sum"),
        ("realism.whale_ratio", "5%", "not_a_number"),
        ("realism.response_sla_hours", "0", "out_of_range"),
        ("months", "2025-01", "tuple_type"),
        ("months", [], "too_short"),
    ],
)
def test_a_bad_value_is_named_with_its_code(path: str, value: object, code: str) -> None:
    """Every kind of bad value is refused for its own reason, with a sentence and never a crash."""
    section, _, key = path.partition(".")
    tree = {**LEAST, section: {key: value} if key else value}
    with pytest.raises(ValidationError) as caught:
        Blueprint.model_validate(tree)
    (error,) = caught.value.errors()
    assert error["type"] == code
    assert ".".join(map(str, error["loc"])).startswith(section)
    assert 0 < len(error["msg"]) < 1000


@pytest.mark.parametrize("provider", ["gmail.com", "web.de", "outlook.com", "yahoo.co.uk", "proton.me"])
def test_no_public_mail_provider_can_be_a_mail_domain(provider: str) -> None:
    """Messages to made-up people must not reach somebody's mailbox."""
    assert provider in PUBLIC_MAIL_PROVIDERS


@pytest.mark.parametrize(
    "word", ["demo", "Demonstration", "TESTING", "a test", "pre-sampled", "x_dummy", "(Fake)"]
)
def test_words_that_give_a_tenant_away_are_found(word: str) -> None:
    """In any case, anywhere, if a word begins with them."""
    assert TELL_TALE.search(word)


@pytest.mark.parametrize("word", ["Latest", "contest", "Ademola", "resample", "protest", "Greatest"])
def test_words_that_only_contain_them_are_fine(word: str) -> None:
    """The middle of a word gives nothing away."""
    assert not TELL_TALE.search(word)


def test_the_published_schema_is_that_of_the_model() -> None:
    """Editors check against what the code takes (written by make docs)."""
    assert json.loads((BLUEPRINTS / "schema.json").read_text("utf-8")) == json_schema()


def test_the_schema_knows_all_keys_and_no_other() -> None:
    """Every mapping of the schema is closed, and its top level has the blueprint's keys."""
    schema = json_schema()
    assert list(schema["properties"]) == list(Blueprint.model_fields)
    assert schema["required"] == ["name", "country", "industry"]
    assert {"oneOf": [{"required": ["start_month"]}, {"required": ["last_months", "totals"]}]} in schema[
        "allOf"
    ]
    assert all(part["additionalProperties"] is False for part in (schema, *schema["$defs"].values()))


def test_a_blueprint_cannot_be_changed() -> None:
    """What was checked stays as it was checked."""
    blueprint = Blueprint.model_validate(LEAST)
    with pytest.raises(ValidationError, match="frozen"):
        blueprint.name = "Other House"
