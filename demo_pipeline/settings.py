"""The one place that reads the environment.

Everything else is handed a ``Settings``. Names and defaults of the first block are the contract;
the rest are limits and timeouts that an operator may change.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from demo_pipeline.domain.errors import InputError, Problem
from demo_pipeline.libpq_environment import take_out_libpq_variables

PROJECT_ROOT = Path(__file__).resolve().parent.parent
#: name given servers
URL_VARIABLES = ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL")
#: how much later than the database server's clock ``DEMO_NOW`` may be
CLOCK_TOLERANCE = timedelta(minutes=1)


class Caps(BaseSettings):
    """The most that one blueprint or plan may ask for (``DEMO_CAP_*``)."""

    model_config = SettingsConfigDict(env_prefix="DEMO_CAP_", frozen=True)

    leads: int = 50_000
    other_contacts: int = 20_000
    companies: int = 5_000
    deals: int = 20_000
    activities: int = 500_000
    #: declared value in US dollars; taken in the tenant's currency at the frozen rate of the lists
    value: int = 100_000_000


class Settings(BaseSettings):
    """What the environment says (``DEMO_*``, ``DAGSTER_HOME``)."""

    model_config = SettingsConfigDict(
        env_prefix="DEMO_", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    #: where local state lives
    home: Path = PROJECT_ROOT / ".demo"
    #: PostgreSQL URL for migration and administration; None: embedded server
    database_url: str | None = Field(default=None, repr=False)
    #: the login that jobs use; None: made by the embedded server
    loader_url: str | None = Field(default=None, repr=False)
    #: Dagster's own database; None: a second database of the embedded server
    dagster_url: str | None = Field(default=None, repr=False)
    #: Dagster's instance folder
    dagster_home_override: Path | None = Field(default=None, validation_alias="DAGSTER_HOME")
    #: instant used instead of the clock
    now: datetime | None = None
    #: where ``run`` finds blueprints when none is named
    blueprints: Path = PROJECT_ROOT / "blueprints"
    #: where plans are put to be applied, a folder a tenant; None: ``inbox`` in ``home``
    inbox: Path | None = None

    #: seconds that a job waits for its tenant
    wait_seconds: float = Field(default=60, gt=0)
    #: seconds until a Dagster run tries again whose tenant was busy or whose database was away
    retry_seconds: float = Field(default=5, ge=0)
    #: seconds for one SQL statement of a job
    statement_timeout_seconds: float = Field(default=600, gt=0)
    #: seconds for a row or table lock
    lock_timeout_seconds: float = Field(default=10, gt=0)
    #: seconds for a whole job, from its claim to its commit
    job_timeout_seconds: float = Field(default=3600, gt=0)
    #: rows of one COPY and INSERT
    batch_rows: int = Field(default=50_000, ge=1)
    #: requests a minute for one tenant, and in all
    rate_per_tenant: int = 120
    rate_total: int = 600

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
    """Read the environment; every bad variable is named at once, without its value.

    Where the embedded server is used, libpq's variables are taken out of this process's environment.
    """
    try:
        settings = Settings()
        if settings.uses_embedded_server:
            take_out_libpq_variables(URL_VARIABLES)
            settings = Settings()
    except ValidationError as error:
        problems = [
            Problem(
                code="bad_setting",
                field="_".join(("DEMO", *map(str, issue["loc"]))).upper(),
                message=issue["msg"],
            )
            for issue in error.errors(include_url=False, include_input=False)
        ]
        raise InputError("the environment is wrong: " + "; ".join(map(str, problems)), problems) from None
    return settings
