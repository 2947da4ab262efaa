"""No row with a contact value that is not reserved passes, whatever column it is in."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from demo_pipeline.domain.certificate.guard import ContactGuard
from demo_pipeline.domain.certificate.reserved import MAILS, PHONES, SITES
from demo_pipeline.domain.core.arrow import strings
from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.domain.model import MODEL
from tests.assertions.generated_rows import batches_of, spec_of
from tests.builders.blueprints import NOW

BLUEPRINT = {
    "name": "Brightwater Supplies",
    "country": "US",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-01",
    "seed": "29",
    "totals": {"contacts_created": 40, "companies_created": 20},
}
REACHABLE = {
    PHONES: ("+1 212-555-0200", "+44 20 7946 1000", "+49 30 1234567", "555-0100"),
    MAILS: ("a@gmail.com", "a@gmail.com,b@kranz.example", "a@b@kranz.example", "a@kranz.example.com.de"),
    SITES: ("kranz.com", "https://kranz.example.com.de/about", "evil.com/@kranz.example"),
}
CASES = [
    (table, name, value) for places, values in REACHABLE.items() for table, name in places for value in values
]


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Sequence[tuple[str, pa.RecordBatch]]:
    """The rows of one month, users among them."""
    spec = spec_of(tmp_path_factory.mktemp("guard"), BLUEPRINT, NOW)
    return [(batch.table, batch.rows) for batch in batches_of(spec, NOW)]


def test_generated_rows_pass_as_they_are(batches: Sequence[tuple[str, pa.RecordBatch]]) -> None:
    """The same batches come out, in the same order."""
    assert {table for table, _ in batches} > {"users", "companies", "contacts"}
    assert list(ContactGuard(None).checked(batches)) == list(batches)


@pytest.mark.parametrize(("table", "name", "value"), CASES)
def test_one_value_that_is_not_reserved_is_refused(
    batches: Sequence[tuple[str, pa.RecordBatch]], table: str, name: str, value: str
) -> None:
    """In the last row, beside null and reserved ones; the message names table, column and value."""
    rows = next(rows for of, rows in batches if of == table)
    place = rows.schema.get_field_index(name)
    changed = [*[None] * (rows.num_rows - 1), value]
    planted = rows.set_column(place, name, strings(changed))
    with pytest.raises(JobFailedError, match=f"{table}.{name}: ") as refused:
        list(ContactGuard(None).checked([(table, rows), (table, planted)]))
    assert value.rpartition("@")[2] in str(refused.value)


def test_the_operator_s_own_domain_passes(batches: Sequence[tuple[str, pa.RecordBatch]]) -> None:
    """Addresses at a domain that a blueprint names are the operator's own mail."""
    rows = next(rows for of, rows in batches if of == "users")
    place = rows.schema.get_field_index("email")
    own = rows.set_column(place, "email", strings(["nora@mail.crm.test.org"] * rows.num_rows))
    assert list(ContactGuard("crm.test.org").checked([("users", own)])) == [("users", own)]
    with pytest.raises(JobFailedError):
        list(ContactGuard("other.org").checked([("users", own)]))


def test_every_column_that_reaches_people_is_guarded() -> None:
    """The model's columns with a telling name are in the lists of the certificate."""
    guarded = {(table, column) for places in (PHONES, MAILS, SITES) for table, column in places}
    found = {
        (table.name, column.name)
        for table in MODEL
        for column in table.generated
        if column.name in {"phone", "email", "website", "domain"}
    }
    assert found == guarded
