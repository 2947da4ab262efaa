"""What a command begins with: the environment checked, the database opened, and what they say when it takes.

Nothing is imported from elsewhere until a command runs; each command pays for what it needs.
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
    from demo_pipeline.settings import Settings
    from demo_pipeline.storage.connection.database import Database

#: seconds without output after which a message says what is going on
QUIET_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Session:
    """What every use case is handed."""

    settings: Settings
    database: Database


def open_settings() -> Settings:
    """The environment, all of it checked. Raises ``InputError`` that names every bad variable."""
    from demo_pipeline.settings import load_settings, misspelt_variables

    settings = load_settings()
    for name, close in misspelt_variables(os.environ):
        warn(f"{name} is not a setting and has no effect; did you mean {close}?")
    return settings


def open_session() -> Session:
    """Settings and a migrated database; starts the embedded server if need be."""
    from demo_pipeline.services.platform.ready_database import ready_database

    settings = open_settings()
    with notice_if_slow("preparing the database ..."):
        return Session(settings, ready_database(settings))


@contextmanager
def notice_if_slow(message: str) -> Generator[None]:
    """Say ``message`` on stderr if the block takes more than two seconds."""
    timer = threading.Timer(QUIET_SECONDS, say, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def about_files(paths: Iterable[Path | str]) -> Generator[None]:
    """Name the files in what is refused inside the block."""
    try:
        yield
    except InputError as error:
        error.details["files"] = [str(path) for path in paths]
        raise


@contextmanager
def about_options(names: Mapping[str, str | None]) -> Generator[None]:
    """Name options as they are typed in what is refused inside the block.

    ``names``: parameter of a service → option; None: no option of its own.
    """
    try:
        yield
    except InputError as error:
        error.change_problems(
            lambda problem: replace(problem, field=names.get(problem.field or "", problem.field))
        )
        raise


def requester() -> str:
    """Who asks, for the ledger."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user id without a name
        return "command line"
