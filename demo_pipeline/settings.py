"""The one place that reads the environment.

Everything else receives a ``Settings``. Names and defaults of the first block are a contract; the others are
limits and timeouts that an operator may change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from demo_pipeline.domain import feasibility
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.instants import FORMS, read_instant
from demo_pipeline.domain.feasibility import DEFAULT_CAPS
from demo_pipeline.domain.parsing.scalars import nearest, plain_decimal
from demo_pipeline.libpq_environment import take_out_libpq_variables

_PACKAGE: Final = Path(__file__).resolve().parent
#: where a wheel has its copies of the files that a clone has beside the package (``hatch_build.py``)
_COPIES: Final = _PACKAGE / "bundled"
#: whether the package was installed from a wheel; else it lies in a clone
IS_INSTALLED: Final = _COPIES.is_dir()
#: folder of ``blueprints/``, ``deploy/``, ``dagster.yaml`` and ``workspace.yaml``: the clone, or the copies
BUNDLED_FILES: Final = _COPIES if IS_INSTALLED else _PACKAGE.parent
BUNDLED_BLUEPRINTS = BUNDLED_FILES / "blueprints"
#: file that ``init`` writes; in its folder the folder's own blueprints are the default
FOLDER_MARKER = ".demo-pipeline"
#: variables that name given servers
URL_VARIABLES = ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL")
#: variables that are not settings: of errors, and of Dagster's own processes
OTHER_VARIABLES = frozenset({"DEMO_DEBUG", "DEMO_DAGSTER_STORAGE_URL"})
#: how much later than the database server's clock ``DEMO_NOW`` may be
CLOCK_TOLERANCE = timedelta(minutes=1)
#: of a receiver of alerts
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
#: of a timeout: PostgreSQL's are at most 2,147,483 seconds
_MOST_SECONDS: Final = 2_000_000
#: of a number: what the tables of the ledger count with
_MOST_COUNT: Final = 10**12


def _instant(value: object) -> object:
    """Text as an instant; Pydantic alone reads a bare number as a Unix time."""
    return read_instant(value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    """Digits only: ``50.000`` may mean 50 thousand, and Pydantic reads it as 50."""
    if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]+", value):
        raise ValueError("not plain digits")
    return value


def _decimal(value: object) -> object:
    """Digits with at most one decimal point."""
    if isinstance(value, str) and plain_decimal(value) is None:
        raise ValueError("not plain digits")
    return value


def _folder(value: object) -> object:
    """A path that is a folder, or can become one."""
    # Unlike those of Path, these functions accept names that no file can have.
    if isinstance(value, str) and os.path.exists(value) and not os.path.isdir(value):  # noqa: PTH110, PTH112
        raise ValueError("not a folder")
    return value


def _receivers(value: object) -> object:
    """Addresses with a scheme each; whether a scheme is known is checked where something is sent."""
    if isinstance(value, str) and not all(map(_ADDRESS.fullmatch, receiver_addresses(value))):
        raise ValueError("not addresses with a scheme")
    return value


def _broker(value: object) -> object:
    """The URL of a Redis server."""
    if isinstance(value, str) and not re.fullmatch(r"rediss?://\S+", value):
        raise ValueError("not the URL of a Redis server")
    return value


def _page(value: object) -> object:
    """The address of a web page, without a slash at the end."""
    if isinstance(value, str) and not re.fullmatch(r"https?://[^\s/]\S*", value):
        raise ValueError("not a web address")
    return value.rstrip("/") if isinstance(value, str) else value


def receiver_addresses(text: str) -> list[str]:
    """The addresses in a value of ``DEMO_ALERT_URLS``.

    They are separated by blanks, commas or line ends; a comma within an address is part of it.
    """
    return [part for part in re.split(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)", text.strip(" \n\t,")) if part]


Folder = Annotated[Path, BeforeValidator(_folder)]
Seconds = Annotated[float, BeforeValidator(_decimal), Field(gt=0, le=_MOST_SECONDS, allow_inf_nan=False)]
Cap = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=_MOST_COUNT)]
Rate = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=_MOST_COUNT)]

# For the reference page: the unit of a number, and in words a default that depends on something.
_SECONDS: dict[str, JsonValue] = {"unit": "seconds"}
_ROWS: dict[str, JsonValue] = {"unit": "rows"}


def default_blueprints() -> Path:
    """``blueprints`` in the current folder if ``init`` made that folder, else the bundled ones."""
    # A relative path, so that a current folder that was removed is no error here.
    is_own = Path(FOLDER_MARKER).is_file()
    return Path.cwd() / "blueprints" if is_own else BUNDLED_BLUEPRINTS


def default_home() -> Path:
    """``.demo`` in the clone; of a package that was installed from a wheel, in the current folder."""
    if not IS_INSTALLED:
        return BUNDLED_FILES / ".demo"
    try:
        return Path(".demo").absolute()
    except FileNotFoundError:  # the current folder was removed
        return Path(".demo")


class Caps(BaseSettings):
    """The most that one blueprint or plan may ask for (``DEMO_CAP_*``)."""

    model_config = SettingsConfigDict(env_prefix="DEMO_CAP_", frozen=True, env_ignore_empty=True)

    leads: Cap = Field(default=DEFAULT_CAPS.leads, description="Leads", json_schema_extra=_ROWS)
    other_contacts: Cap = Field(
        default=DEFAULT_CAPS.other_contacts,
        description="Contacts that are not leads",
        json_schema_extra=_ROWS,
    )
    companies: Cap = Field(default=DEFAULT_CAPS.companies, description="Companies", json_schema_extra=_ROWS)
    deals: Cap = Field(default=DEFAULT_CAPS.deals, description="Deals", json_schema_extra=_ROWS)
    activities: Cap = Field(
        default=DEFAULT_CAPS.activities, description="Activities", json_schema_extra=_ROWS
    )
    value: Cap = Field(
        default=DEFAULT_CAPS.value,
        description="Declared value, taken in the tenant's currency at a rate that is frozen with the lists",
        json_schema_extra={"unit": "US dollars"},
    )

    def to_domain(self) -> feasibility.Caps:
        """The same caps as the domain takes them."""
        return feasibility.Caps(**self.model_dump())


class Settings(BaseSettings):
    """What the environment says (``DEMO_*``, ``DAGSTER_HOME``)."""

    model_config = SettingsConfigDict(
        env_prefix="DEMO_",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        # As in libpq, an empty variable is not set.
        env_ignore_empty=True,
    )

    home: Folder = Field(
        default_factory=default_home,
        description="Folder of local state: the embedded server, Dagster's instance, logs, the inbox.",
        json_schema_extra={
            "default_text": "`.demo` in the clone; of a package that was installed from a wheel, in the "
            "current folder"
        },
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="PostgreSQL URL of the CRM database, for migration, adoption and administration. A URL "
        "may hold a password: it is never shown.",
        json_schema_extra={"default_text": "the embedded server, in `$DEMO_HOME/postgres`"},
    )
    loader_url: str | None = Field(
        default=None,
        repr=False,
        description="URL of the login that jobs use: a member of `demo_loader` and of nothing else. With "
        "`DEMO_DATABASE_URL` jobs refuse to run without it.",
        json_schema_extra={"default_text": "made by the embedded server"},
    )
    dagster_url: str | None = Field(
        default=None,
        repr=False,
        description="URL of Dagster's own database, never the CRM's.",
        json_schema_extra={"default_text": "a second database of the embedded server"},
    )
    broker_url: Annotated[str, BeforeValidator(_broker)] | None = Field(
        default=None,
        repr=False,
        description="Redis URL of the queue from which workers on other machines take Dagster's runs "
        "(docs/several-machines.md).",
        json_schema_extra={"default_text": "runs are executed on the machine of the daemon"},
    )
    dagster_home_override: Folder | None = Field(
        default=None,
        validation_alias="DAGSTER_HOME",
        description="Folder of Dagster's instance. The project's `dagster.yaml` is put there; a foreign one "
        "is never overwritten.",
        json_schema_extra={"default_text": "`$DEMO_HOME/dagster`"},
    )
    now: Annotated[datetime, BeforeValidator(_instant)] | None = Field(
        default=None,
        description="ISO 8601 instant used instead of the clock, for reproducible runs; without an offset "
        "UTC. At most a minute later than the database server's clock.",
        json_schema_extra={"default_text": "the database server's clock"},
    )
    blueprints: Folder = Field(
        default_factory=default_blueprints,
        description="Folder of the blueprints that `run` and Dagster's job `provision_tenants` take when "
        "none is named.",
        json_schema_extra={
            "default_text": "`blueprints` in the current folder if `init` made that folder, else the bundled "
            "blueprints"
        },
    )
    inbox: Folder | None = Field(
        default=None,
        description="Folder where plans are put to be applied by Dagster, a folder a tenant.",
        json_schema_extra={"default_text": "`$DEMO_HOME/inbox`"},
    )
    alert_urls: Annotated[str, BeforeValidator(_receivers)] | None = Field(
        default=None,
        repr=False,
        description="Receivers of alerts, as URLs of Apprise separated by blanks (docs/alerts.md). A URL may "
        "hold a password or a token: it is never shown.",
        json_schema_extra={"default_text": "no receivers"},
    )
    pages_url: Annotated[str, BeforeValidator(_page)] | None = Field(
        default=None,
        description="Address of Dagster's pages, for the links in alerts.",
        json_schema_extra={"default_text": "the address of `serve`"},
    )

    retention_days: Annotated[int, BeforeValidator(_whole)] | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Age from which Dagster's finished runs are deleted, every night, with their events. "
        "Runs that an asset page still shows are kept. The ledger of jobs is not touched.",
        json_schema_extra={"unit": "days", "default_text": "nothing is deleted"},
    )

    wait_seconds: Seconds = Field(
        default=60, description="How long a job waits for its tenant.", json_schema_extra=_SECONDS
    )
    retry_seconds: Annotated[float, BeforeValidator(_decimal)] = Field(
        default=5,
        ge=0,
        le=_MOST_SECONDS,
        allow_inf_nan=False,
        description="Time until a Dagster run tries again whose tenant was busy or whose database could not "
        "be reached.",
        json_schema_extra=_SECONDS,
    )
    statement_timeout_seconds: Seconds = Field(
        default=600, description="Time limit of one SQL statement of a job.", json_schema_extra=_SECONDS
    )
    lock_timeout_seconds: Seconds = Field(
        default=10, description="Time limit for a lock on rows or tables.", json_schema_extra=_SECONDS
    )
    job_timeout_seconds: Seconds = Field(
        default=3600,
        description="Time limit of a whole job, from its claim to its commit.",
        json_schema_extra=_SECONDS,
    )
    batch_rows: Annotated[int, BeforeValidator(_whole)] = Field(
        default=50_000,
        ge=1,
        le=10_000_000,
        description="Rows of one COPY and INSERT.",
        json_schema_extra={"unit": "rows"},
    )
    rate_per_tenant: Rate = Field(
        default=120,
        description="Requests for one tenant; more end with exit code 5.",
        json_schema_extra={"unit": "requests a minute"},
    )
    rate_total: Rate = Field(
        default=600,
        description="Requests for all tenants together; more end with exit code 5.",
        json_schema_extra={"unit": "requests a minute"},
    )

    @cached_property
    def caps(self) -> Caps:
        return Caps()

    @property
    def alert_receivers(self) -> list[str]:
        """The addresses that alerts go to."""
        return receiver_addresses(self.alert_urls or "")

    @property
    def uses_embedded_server(self) -> bool:
        """Whether the CRM or Dagster is on the embedded server."""
        return self.database_url is None or self.dagster_url is None

    @property
    def place(self) -> str:
        """Where an embedded CRM database is, as `` in FOLDER`` for messages; empty for a given server."""
        return f" in {self.home.absolute()}" if self.database_url is None else ""

    @property
    def dagster_home(self) -> Path:
        return self.dagster_home_override or self.home / "dagster"

    @property
    def inbox_folder(self) -> Path:
        return self.inbox or self.home / "inbox"

    @property
    def exports(self) -> Path:
        """Where Dagster's asset writes exports, a folder a tenant."""
        return self.home / "exports"

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

    Raises an ``InputError`` that names every bad variable with its value and the allowed values; URLs are
    checked where they are used. If the embedded server is used, libpq's variables are removed from this
    process's environment.
    """
    problems = [*_problems(Settings), *_problems(Caps)]
    if problems:
        shown = "; ".join(
            f"{one.field} is {'wrong' if one.value is None else repr(one.value)}: {one.message}"
            for one in problems
        )
        raise InputError(f"the environment is wrong: {shown}", problems)
    settings = Settings()
    if settings.uses_embedded_server:
        take_out_libpq_variables(URL_VARIABLES)
        settings = Settings()
    return settings


def misspelt_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Unknown variables, each with the setting that it resembles.

    Other programs may have variables that begin with ``DEMO_``, so only near misses are reported.
    """
    known = [f"DEMO_{name}".upper() for name in Settings.model_fields]
    known += [f"DEMO_CAP_{name}".upper() for name in Caps.model_fields]
    for name in environment:
        is_ours = name in {*known, *OTHER_VARIABLES} or name.startswith("DEMO_TEST_")
        if name.startswith("DEMO_") and not is_ours and (close := nearest(name, known, likeness=0.85)):
            yield name, close


def _problems(model: type[BaseSettings]) -> Iterator[Problem]:
    """The problems of one model's variables."""
    try:
        model()
    except ValidationError as error:
        yield from (_problem(model, issue) for issue in error.errors(include_url=False))


def _problem(model: type[BaseSettings], issue: ErrorDetails) -> Problem:
    place = str(issue["loc"][0])
    prefix = model.model_config.get("env_prefix", "")
    # A field whose variable has another name is found by that name.
    variable = (place if place in model.model_fields else place.removeprefix(prefix)).lower()
    name = variable if variable in model.model_fields else "dagster_home_override"
    return Problem(
        code="bad_setting",
        field=place.upper() if name != variable else f"{prefix}{variable}".upper(),
        # A value that is not to be shown may hold a password.
        value=str(issue["input"]) if model.model_fields[name].repr else None,
        message=_allowed(model, name),
    )


def _allowed(model: type[BaseSettings], name: str) -> str:
    """The allowed values of a variable and its default, from the declaration of its field."""
    field = model.model_fields[name]
    if name == "now":
        return f"write an ISO 8601 date or instant, {FORMS}; without it the database server's clock counts"
    if name == "alert_urls":
        return "write URLs of Apprise, like json://HOST/PATH, separated by blanks, or unset it"
    if name == "pages_url":
        return "write an address like http://127.0.0.1:3000, or unset it"
    if name == "broker_url":
        return "write the URL of a Redis server, like redis://:PASSWORD@HOST:6379/0, or unset it"
    if name.endswith("_url"):
        return "write the URL of a PostgreSQL database, or unset it"
    is_whole = field.annotation is int or name == "retention_days"
    if not is_whole and field.annotation is not float:
        return "write the path of a folder, or unset it"
    least = next((f"at least {one.ge:,}" for one in field.metadata if isinstance(one, Ge)), "")
    above = next((f"more than {one.gt}" for one in field.metadata if isinstance(one, Gt)), "")
    most = next((f"at most {one.le:,}" for one in field.metadata if isinstance(one, Le)), "")
    kind = "a whole number" if is_whole else "a number"
    unit = " of seconds" if name.endswith("_seconds") else ""
    limits = ", ".join(part for part in (least or above, most) if part)
    absent = "nothing is deleted" if field.default is None else f"{field.default:,} counts"
    return f"write {kind}{unit}, {limits}, in plain digits; without it {absent}"
