"""The one place that reads the environment.

Everything else is handed a ``Settings``. Names and defaults of the first block are the contract;
the rest are limits and timeouts that an operator may change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from demo_pipeline.domain.errors import InputError, Problem
from demo_pipeline.domain.instants import FORMS, read_instant
from demo_pipeline.libpq_environment import take_out_libpq_variables

PROJECT_ROOT = Path(__file__).resolve().parent.parent
#: name given servers
URL_VARIABLES = ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL")
#: how much later than the database server's clock ``DEMO_NOW`` may be
CLOCK_TOLERANCE = timedelta(minutes=1)
#: of a timeout: PostgreSQL's are at most 2,147,483 seconds
_MOST_SECONDS: Final = 2_000_000
#: of a number: what the tables of the ledger count with
_MOST_COUNT: Final = 10**12


def _instant(value: object) -> object:
    """Text of the environment as an instant; Pydantic alone would take a bare number as a Unix time."""
    return read_instant(value) if isinstance(value, str) else value


def _given(value: object) -> object:
    """What is set has to say something: an empty path would be the working directory."""
    if value == "":
        raise ValueError("empty")
    return value


def _folder(value: object) -> object:
    """A path that is a folder, or can become one."""
    path = _given(value)
    # These two, unlike those of Path, raise nothing for a name that no file can have.
    if isinstance(path, str) and os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112
        raise ValueError("no folder")
    return path


Url = Annotated[str, BeforeValidator(_given)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Seconds = Annotated[float, Field(gt=0, le=_MOST_SECONDS, allow_inf_nan=False)]
Cap = Annotated[int, Field(ge=0, le=_MOST_COUNT)]
Rate = Annotated[int, Field(ge=1, le=_MOST_COUNT)]


class Caps(BaseSettings):
    """The most that one blueprint or plan may ask for (``DEMO_CAP_*``)."""

    model_config = SettingsConfigDict(env_prefix="DEMO_CAP_", frozen=True)

    leads: Cap = 50_000
    other_contacts: Cap = 20_000
    companies: Cap = 5_000
    deals: Cap = 20_000
    activities: Cap = 500_000
    #: declared value in US dollars; taken in the tenant's currency at the frozen rate of the lists
    value: Cap = 100_000_000


class Settings(BaseSettings):
    """What the environment says (``DEMO_*``, ``DAGSTER_HOME``)."""

    model_config = SettingsConfigDict(
        env_prefix="DEMO_", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    #: where local state lives
    home: Folder = PROJECT_ROOT / ".demo"
    #: PostgreSQL URL for migration and administration; None: embedded server
    database_url: Url | None = Field(default=None, repr=False)
    #: the login that jobs use; None: made by the embedded server
    loader_url: Url | None = Field(default=None, repr=False)
    #: Dagster's own database; None: a second database of the embedded server
    dagster_url: Url | None = Field(default=None, repr=False)
    #: Dagster's instance folder
    dagster_home_override: Folder | None = Field(default=None, validation_alias="DAGSTER_HOME")
    #: instant used instead of the clock
    now: Annotated[datetime, BeforeValidator(_instant)] | None = None
    #: where ``run`` finds blueprints when none is named
    blueprints: Folder = PROJECT_ROOT / "blueprints"
    #: where plans are put to be applied, a folder a tenant; None: ``inbox`` in ``home``
    inbox: Folder | None = None

    #: seconds that a job waits for its tenant
    wait_seconds: Seconds = 60
    #: seconds until a Dagster run tries again whose tenant was busy or whose database was away
    retry_seconds: float = Field(default=5, ge=0, le=_MOST_SECONDS, allow_inf_nan=False)
    #: seconds for one SQL statement of a job
    statement_timeout_seconds: Seconds = 600
    #: seconds for a row or table lock
    lock_timeout_seconds: Seconds = 10
    #: seconds for a whole job, from its claim to its commit
    job_timeout_seconds: Seconds = 3600
    #: rows of one COPY and INSERT
    batch_rows: int = Field(default=50_000, ge=1, le=10_000_000)
    #: requests a minute for one tenant, and in all
    rate_per_tenant: Rate = 120
    rate_total: Rate = 600

    @cached_property
    def caps(self) -> Caps:
        return Caps()

    @property
    def uses_embedded_server(self) -> bool:
        """Whether the CRM or Dagster is on the embedded server."""
        return self.database_url is None or self.dagster_url is None

    @property
    def dagster_home(self) -> Path:
        return self.dagster_home_override or self.home / "dagster"

    @property
    def inbox_folder(self) -> Path:
        return self.inbox or self.home / "inbox"

    def instant(self, server_clock: datetime) -> datetime:
        """``DEMO_NOW``, or the database server's clock, which is given; aware, UTC, whole microseconds.

        Raises ``InputError`` for a ``DEMO_NOW`` that is later than the server's clock.
        """
        if self.now is None:
            return server_clock
        now = self.now.replace(tzinfo=self.now.tzinfo or UTC).astimezone(UTC)
        if now > server_clock + CLOCK_TOLERANCE:
            message = f"later than the database server's clock, which says {server_clock.isoformat()}"
            raise InputError(
                f"DEMO_NOW is {self.now.isoformat()}, {message}; unset it or give an instant in the past",
                [Problem(code="future_now", field="DEMO_NOW", value=self.now.isoformat(), message=message)],
            )
        # Nothing is dated later than the server's clock.
        return min(now, server_clock)

    def client_instant(self) -> datetime:
        """``DEMO_NOW``, or this machine's clock: for what needs no database."""
        if self.now is None:
            return datetime.now(UTC)
        return self.now.replace(tzinfo=self.now.tzinfo or UTC).astimezone(UTC)


def load_settings() -> Settings:
    """Read the environment.

    Raises ``InputError`` that names every bad variable with its value and what it may be; what a URL says is
    looked at where it is used. Where the embedded server is used, libpq's variables are taken out of this
    process's environment.
    """
    problems = [*_problems(Settings), *_problems(Caps)]
    if problems:
        shown = "; ".join(f"{one.field} is {one.value!r}: {one.message}" for one in problems)
        raise InputError(f"the environment is wrong: {shown}", problems)
    settings = Settings()
    if settings.uses_embedded_server:
        take_out_libpq_variables(URL_VARIABLES)
        settings = Settings()
    return settings


def _problems(model: type[BaseSettings]) -> Iterator[Problem]:
    """What is wrong with the variables of one of the models, in our words."""
    try:
        model()
    except ValidationError as error:
        yield from (_problem(model, issue) for issue in error.errors(include_url=False))


def _problem(model: type[BaseSettings], issue: ErrorDetails) -> Problem:
    place = str(issue["loc"][0])
    prefix = model.model_config.get("env_prefix", "")
    # A field with a name of its own for its variable is known by that.
    variable = (place if place in model.model_fields else place.removeprefix(prefix)).lower()
    name = variable if variable in model.model_fields else "dagster_home_override"
    return Problem(
        code="bad_setting",
        field=place.upper() if name != variable else f"{prefix}{variable}".upper(),
        value=str(issue["input"]),
        message=_allowed(model, name),
    )


def _allowed(model: type[BaseSettings], name: str) -> str:
    """What a variable may be, by the declaration of its field, and what it is when it is not set."""
    field = model.model_fields[name]
    if name == "now":
        return f"write an ISO 8601 date or instant, {FORMS}; without it the database server's clock counts"
    if name.endswith("_url"):
        return "write the URL of a PostgreSQL database, or unset it"
    if field.annotation is not int and field.annotation is not float:
        return "write the path of a folder, or unset it"
    least = next((f"at least {one.ge:,}" for one in field.metadata if isinstance(one, Ge)), "")
    above = next((f"more than {one.gt}" for one in field.metadata if isinstance(one, Gt)), "")
    most = next((f"at most {one.le:,}" for one in field.metadata if isinstance(one, Le)), "")
    kind = "a whole number" if field.annotation is int else "a number"
    unit = " of seconds" if name.endswith("_seconds") else ""
    limits = ", ".join(part for part in (least or above, most) if part)
    return f"write {kind}{unit}, {limits}, in plain digits; without it {field.default:,} counts"
