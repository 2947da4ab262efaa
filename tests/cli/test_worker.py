"""``worker`` without what it needs: exit 2 and the names of all that is missing."""

from __future__ import annotations

from tests.fixtures.cli import RunCommand


def test_a_worker_names_every_url_that_is_missing(quick_command: RunCommand) -> None:
    """It has no server of its own, and says so before it starts one."""
    done = quick_command("worker")
    assert (done.code, done.out) == (2, "")
    assert "DEMO_BROKER_URL" in done.err
    assert "DEMO_DATABASE_URL" not in done.err
