"""The beginning of a command: settings, database, and the context that errors and messages need.

Services and storage are imported when a command runs, so that each command pays only for what it needs.
"""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo_pipeline.cli.kit.console import say, warn
from demo_pipeline.domain.core.errors import InputError

if TYPE_CHECKING:
    from demo_pipeline.services.jobs.steps import JobCaller
    from demo_pipeline.settings import Settings
    from demo_pipeline.storage.connection.database import Database

#: seconds without output after which a message says what is going on
QUIET_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Session:
    """Settings and database, for every use case."""

    settings: Settings
    database: Database


def open_settings() -> Settings:
    """The settings. Raises an ``InputError`` that names every bad variable of the environment."""
    from demo_pipeline.settings import load_settings, misspelt_variables

    settings = load_settings()
    for name, close in misspelt_variables(os.environ):
        warn(f"{name} is not a setting and has no effect; did you mean {close}?")
    return settings


def open_session() -> Session:
    """Settings and a migrated database; starts the embedded server if necessary."""
    from demo_pipeline.services.platform.ready_database import ready_database

    settings = open_settings()
    with notice_if_slow("preparing the database ..."):
        return Session(settings, ready_database(settings))


@contextmanager
def notice_if_slow(message: str) -> Generator[None]:
    """Write ``message`` to stderr if the block takes more than two seconds."""
    timer = threading.Timer(QUIET_SECONDS, say, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def about_files(paths: Iterable[Path | str]) -> Generator[None]:
    """Add the names of files to an ``InputError`` of the block."""
    try:
        yield
    except InputError as error:
        error.details["files"] = [str(path) for path in paths]
        raise


@contextmanager
def about_options(names: Mapping[str, str | None]) -> Generator[None]:
    """Name options as typed in an ``InputError`` of the block.

    ``names``: parameter of a service → option; None: the parameter has no option.
    """
    try:
        yield
    except InputError as error:
        error.change_problems(
            lambda problem: replace(problem, field=names.get(problem.field or "", problem.field))
        )
        raise


def requester() -> str:
    """The user and program, for the ledger."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user id without a name
        return "command line"


def caller() -> JobCaller:
    """The caller of this process's jobs."""
    from demo_pipeline.services.jobs.steps import JobCaller

    return JobCaller(requested_by=requester())
