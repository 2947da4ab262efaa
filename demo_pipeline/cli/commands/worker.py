"""``worker``: executes runs of Dagster on this machine, until it is stopped."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final

from demo_pipeline.cli.kit.console import write_answer
from demo_pipeline.cli.kit.parameters import PARTS_PANEL, Commands, Json, example, option, positive_number
from demo_pipeline.cli.kit.session import open_session
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem

if TYPE_CHECKING:
    from demo_pipeline.settings import Settings

#: By name: it is above the command line, as the definitions of Dagster are.
_PROGRAM: Final = "demo_pipeline.workers.celery_worker"
_DEFAULT_QUEUE: Final = "dagster"
_URLS: Final = ("database_url", "loader_url", "dagster_url", "broker_url")

app = Commands(position=17, panel=PARTS_PANEL)


@app.command(epilog=example("worker", "worker --slots 4", "worker --queue folders"))
def worker(
    *,
    slots: Annotated[
        int | None, option("--slots", "N", "Runs at the same time; 1 without.", positive_number)
    ] = None,
    queue: Annotated[
        str | None,
        option(
            "--queue",
            "QUEUE",
            "Where to take runs from; dagster without. Runs that use inbox, blueprints or exports are in "
            "the queue folders.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Execute runs of Dagster that are queued for workers, until SIGTERM or Ctrl-C.

    Needs DEMO_DATABASE_URL, DEMO_LOADER_URL, DEMO_DAGSTER_URL and DEMO_BROKER_URL, and nothing else that is
    on another machine. Runs that have begun are ended first. How several machines work together:
    docs/several-machines.md.
    """
    from demo_pipeline.settings import load_settings

    _require_urls(load_settings())
    if find_spec("dagster_celery") is None:
        raise DemoError(
            "workers need packages that are not installed (celery, dagster-celery, redis): "
            "pip install 'demo-pipeline[celery]', or in a clone pip install -r requirements-deploy.lock"
        )
    session = open_session()
    slots, queue = slots or 1, queue or _DEFAULT_QUEUE
    text = f"taking runs from the queue {queue}, {slots} at a time; SIGTERM or Ctrl-C ends it"
    write_answer({"queue": queue, "slots": slots}, text, json=json)
    import_module(_PROGRAM).run_worker(session.settings, session.database, slots=slots, queue=queue)


def _require_urls(settings: Settings) -> None:
    """A worker has no server of its own. Raises an ``InputError`` that names each URL that is missing."""
    problems = [
        Problem(
            code="missing_setting",
            field=f"DEMO_{name}".upper(),
            value=None,
            message="a worker has no server of its own; set it as on the machine of the daemon",
        )
        for name in _URLS
        if getattr(settings, name) is None
    ]
    if problems:
        missing = ", ".join(str(one.field) for one in problems)
        raise InputError(f"not set: {missing}; {problems[0].message}", problems)
