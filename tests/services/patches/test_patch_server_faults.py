"""The server itself gives way amid a patch: it goes down, or its disk is full."""

from __future__ import annotations

import resource
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import Settings
from demo_pipeline.storage.embedded.server import ensure_running, stop
from tests.fixtures.embedded_server import forget, kill, new_folder
from tests.services.builders import make_tenant
from tests.services.patches.builders import execute, scalar
from tests.services.patches.cut_off import NOW, PLAN, assert_retry_completes


@pytest.mark.risk("P1")
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_p01_the_server_restarts(undisturbed: tuple[str, float], end: str) -> None:
    """The server goes down amid the load, cleanly or not: up again it has nothing of the patch."""
    with new_folder() as folder:
        home = folder / "home"
        settings = Settings(home=home).model_copy(
            update={"now": NOW, "database_url": None, "loader_url": None}
        )
        try:
            database = ready_database(settings)
            make_tenant(database, settings)

            def on_progress(_: int, step: str) -> None:
                if step != "loading activities":
                    return
                if end == "stopped":
                    stop(home)
                else:
                    kill(home, ensure_running(home))

            with pytest.raises(JobFailedError, match="connection"):
                apply_patch(database, settings, "acme", PLAN, caller=JobCaller(on_progress=on_progress))
            database = ready_database(settings)
            assert_retry_completes(database, settings, undisturbed[0])
        finally:
            forget(home)


@pytest.mark.risk("P1")
def test_p01_the_disk_is_full(undisturbed: tuple[str, float]) -> None:
    """No room for another page: nothing is left, the message names the cause, and with room it is done."""
    with new_folder() as folder:
        home = folder / "home"
        settings = Settings(home=home).model_copy(
            update={"now": NOW, "database_url": None, "loader_url": None}
        )
        try:
            database = ready_database(settings)
            make_tenant(database, settings)
            # A real customer's rows, so that the table is larger than a segment of the write-ahead log;
            # short ones, which leave no room on their pages.
            execute(database, "INSERT INTO crm.tenants (slug, name) VALUES ('customer', 'Customer')")
            execute(
                database,
                "INSERT INTO crm.activities (tenant_id, description)"
                " SELECT id, md5(i::text) FROM crm.tenants, generate_series(1, 130000) i"
                " WHERE slug = 'customer'",
            )
            size = scalar(database, "SELECT pg_relation_size('crm.activities')")
            assert size > 17_000_000
            stop(home)
            with file_size_limit(size + 65_536):
                database = ready_database(settings)
            with pytest.raises(JobFailedError, match="could not extend"):
                apply_patch(database, settings, "acme", PLAN)
            stop(home)
            database = ready_database(settings)
            execute(database, "DELETE FROM crm.activities WHERE NOT demo_generated")
            execute(database, "DELETE FROM crm.tenants WHERE slug = 'customer'")
            assert_retry_completes(database, settings, undisturbed[0], "job_failed")
        finally:
            forget(home)


@contextmanager
def file_size_limit(size: int) -> Generator[None]:
    """No file may grow beyond ``size`` bytes in processes that are started meanwhile."""
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, whole[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)
