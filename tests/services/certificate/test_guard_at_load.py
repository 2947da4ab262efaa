"""A wrong line in a pack does not reach the database."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from demo_pipeline.domain.core.arrow import strings
from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.paths import BUNDLED

LATER = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_number_that_is_not_reserved_rolls_the_job_back(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of the pack may be assigned: no row of any table is left, and the message names one."""
    settings = database_settings.model_copy(update={"now": LATER})
    places = load_locale("US").places
    numbers = [str(one) for one in places.phones.to_pylist()]
    wrong = [one.replace("555-01", "555-02") for one in numbers]
    assert wrong != numbers
    monkeypatch.setitem(places.__dict__, "phones", strings(wrong))
    (path,) = (path for path in BUNDLED if path.stem == "larkmoor")
    slug = provision(database, settings, path).slug
    with pytest.raises(JobFailedError, match=r"companies\.phone: '\+1 .*' is not in a reserved range"):
        materialise(database, settings, slug)
    with psycopg.connect(database.admin_url) as conn:
        for table in ("companies", "contacts", "deals", "activities"):
            assert conn.execute(f"SELECT count(*) FROM crm.{table}").fetchone() == (0,)
    # With the right line the same job is done.
    monkeypatch.undo()
    assert materialise(database, settings, slug).created["companies"] > 0
