"""Bad values of the environment: exit 2, the variable, its value unless secret, and what to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from demo_pipeline.settings import Caps, Settings
from tests.fixtures.cli import RunCommand

PASSWORD: Final = "hunter2-tango"
_INSTANT: Final = "2025-01-31T10:00"
_SECONDS: Final = ("soon", "-1", "inf", "nan", "1e12", "0x10", "1.000", "1_0", "1,5")
_COUNTS: Final = ("x", "-1", "1.5", "50.000", "1_000", "1e3", "9" * 30)
_URLS: Final = (
    f"mysql://me:{PASSWORD}@db/crm",
    f"postgresql://me:{PASSWORD}@db/crm?useSSL=1",
    f"postgresql://me:{PASSWORD}@db/with@sign",
    PASSWORD,
)


@dataclass(frozen=True)
class Bad:
    """Values that a variable cannot have, and what must be said of each."""

    values: tuple[str, ...]
    says: str
    is_secret: bool = False


BAD: Final = {
    "DEMO_HOME": Bad(("/dev/null",), "path of a folder"),
    "DEMO_DATABASE_URL": Bad(_URLS, "URL", is_secret=True),
    "DEMO_LOADER_URL": Bad(_URLS, "URL", is_secret=True),
    "DEMO_DAGSTER_URL": Bad(_URLS, "URL", is_secret=True),
    "DEMO_BROKER_URL": Bad(
        (f"amqp://me:{PASSWORD}@queue", f"redis:{PASSWORD}", PASSWORD),
        "URL of a Redis server",
        is_secret=True,
    ),
    "DAGSTER_HOME": Bad(("/dev/null",), "path of a folder"),
    "DEMO_NOW": Bad(
        ("2025", "1738317600", "31.01.2025", "2025-13-01", "noon", "2025-01-31T10:00+25:00"), _INSTANT
    ),
    "DEMO_BLUEPRINTS": Bad(("/dev/null",), "path of a folder"),
    "DEMO_INBOX": Bad(("/dev/null",), "path of a folder"),
    "DEMO_ALERT_URLS": Bad(
        (PASSWORD, f"json:/{PASSWORD}", f"json://ok {PASSWORD}"), "URLs of Apprise", is_secret=True
    ),
    "DEMO_PAGES_URL": Bad(("127.0.0.1:3000", "ftp://pages"), "address like http://127.0.0.1:3000"),
    "DEMO_RETENTION_DAYS": Bad((*_COUNTS, "0"), "whole number, at least 1"),
    "DEMO_WAIT_SECONDS": Bad((*_SECONDS, "0"), "seconds, more than 0"),
    "DEMO_RETRY_SECONDS": Bad(_SECONDS, "seconds, at least 0"),
    "DEMO_STATEMENT_TIMEOUT_SECONDS": Bad((*_SECONDS, "0"), "seconds, more than 0"),
    "DEMO_LOCK_TIMEOUT_SECONDS": Bad((*_SECONDS, "0"), "seconds, more than 0"),
    "DEMO_JOB_TIMEOUT_SECONDS": Bad((*_SECONDS, "0"), "seconds, more than 0"),
    "DEMO_BATCH_ROWS": Bad((*_COUNTS, "0"), "whole number, at least 1"),
    "DEMO_RATE_PER_TENANT": Bad((*_COUNTS, "0"), "whole number, at least 1"),
    "DEMO_RATE_TOTAL": Bad((*_COUNTS, "0"), "whole number, at least 1"),
    **{f"DEMO_CAP_{name}".upper(): Bad(_COUNTS, "whole number, at least 0") for name in Caps.model_fields},
}


def test_every_variable_is_in_the_table() -> None:
    """A setting that is added has its bad values here."""
    settings = {f"DEMO_{name}".upper() for name in Settings.model_fields} - {"DEMO_DAGSTER_HOME_OVERRIDE"}
    caps = {f"DEMO_CAP_{name}".upper() for name in Caps.model_fields}
    assert set(BAD) == {*settings, *caps, "DAGSTER_HOME"}


@pytest.mark.parametrize(("variable", "bad"), BAD.items(), ids=BAD)
def test_a_bad_variable_is_named_with_what_to_write(
    quick_command: RunCommand, variable: str, bad: Bad
) -> None:
    """In text and as a document; without a word of the library, and never with a password."""
    for value in bad.values:
        done = quick_command("tenant", "list", environment={variable: value})
        assert done.code == 2, (value, done.err)
        assert not done.out
        assert variable in done.err
        assert bad.says in done.err, done.err
        error = quick_command("tenant", "list", "--json", environment={variable: value}).error
        [problem] = error["details"]["errors"]
        assert (problem["code"], problem["field"]) == ("bad_setting", variable)
        assert bad.says in problem["message"]
        for text in (done.err, str(error)):
            assert "Input should" not in text
            assert "Value error" not in text
            assert PASSWORD not in text
        assert bad.is_secret or problem["value"] == value


def test_all_bad_variables_are_named_at_once(quick_command: RunCommand) -> None:
    """Settings and caps together, each with its place."""
    environment = {"DEMO_NOW": "2025", "DEMO_WAIT_SECONDS": "soon", "DEMO_CAP_DEALS": "x"}
    done = quick_command("tenant", "list", environment=environment)
    assert done.code == 2
    assert "the environment: 3 problems, nothing was done" in done.err
    for variable, value in environment.items():
        assert f"  {variable} = {value}\n" in done.err


@pytest.mark.parametrize("value", ["2025-12-01", "2025-12-01T10:00", "2025-12-01T10:00:00+01:00"])
def test_a_date_or_instant_stands_for_the_clock(quick_command: RunCommand, value: str) -> None:
    """``DEMO_NOW`` is read as ISO 8601, a date as its first moment."""
    assert quick_command("tenant", "list", environment={"DEMO_NOW": value}).code == 0


def test_an_empty_variable_is_one_that_is_not_set(quick_command: RunCommand) -> None:
    """As libpq has it, and as programs that start others often leave one behind."""
    environment = {name: "" for name in BAD if name not in {"DEMO_HOME", "DEMO_DATABASE_URL"}}
    assert quick_command("tenant", "list", environment=environment).code == 0


def test_a_misspelt_variable_is_named(quick_command: RunCommand) -> None:
    """It would have no effect; what is not nearly one of ours is left alone."""
    done = quick_command("tenant", "list", environment={"DEMO_CAP_LEDS": "5", "DEMO_ROOM": "4"})
    assert done.code == 0
    assert (
        "warning: DEMO_CAP_LEDS is not a setting and has no effect; did you mean DEMO_CAP_LEADS?" in done.err
    )
    assert "DEMO_ROOM" not in done.err
