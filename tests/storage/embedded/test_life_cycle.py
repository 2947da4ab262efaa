"""The embedded server comes up whatever was killed before, and loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded.home import ServerHome, file_lock
from demo_pipeline.storage.embedded.process import cluster_name
from demo_pipeline.storage.embedded.server import Endpoint, ensure_running, status, stop
from tests.fixtures.embedded_server import (
    IS_ROOT,
    PRINT_URL,
    PROJECT,
    kept,
    kill,
    query,
    start_elsewhere,
    wait_until,
)


def test_eight_processes_at_once_share_one_server(home: Path) -> None:
    """Whoever comes first makes the server, all get the same one."""
    processes = [start_elsewhere(home) for _ in range(8)]
    urls = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert len(urls) == 1
    assert query(urls.pop().strip(), "SELECT 1") == "1"


def test_second_call_is_cheap(shared: tuple[Path, Endpoint]) -> None:
    """A running server is found without a lock: somebody who holds it does not keep others waiting."""
    home, endpoint = shared
    with file_lock(ServerHome.of(home).lock_file, wait_seconds=1):
        assert ensure_running(home) == endpoint


def test_server_survives_the_process_that_started_it(home: Path) -> None:
    """SIGKILL and Ctrl-C of the starter, to its whole process group, leave the server up."""
    script = PRINT_URL + "; sys.stdout.flush(); import time; time.sleep(60)"
    for number in (signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-c", script, home],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=PROJECT,
            start_new_session=True,
        )
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        os.killpg(process.pid, number)
        process.wait(timeout=20)
        process.stdout.close()
        assert query(url, "SELECT 1") == "1"


def test_starter_killed_at_any_moment_leaves_something_that_starts(home: Path) -> None:
    """SIGKILL while the data are made or the server comes up: the next call completes it."""
    for delay in (0.05, 0.25, 0.4, 0.5, 0.6, 0.75):
        process = start_elsewhere(home)
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=20)
    endpoint = ensure_running(home)
    assert query(endpoint.admin_url, "SELECT 1") == "1"
    assert query(endpoint.loader_url, "SELECT 1") == "1"

    def is_tidy_after_a_start() -> bool:
        stop(home)
        ensure_running(home)
        return not list(home.glob("postgres.making-*"))

    wait_until(is_tidy_after_a_start, 60)


def test_killed_server_starts_again_with_its_data(home: Path, endpoint: Endpoint) -> None:
    """SIGKILL of the postmaster, a client in the middle of a statement: data and URLs are as before."""
    client = psycopg.connect(endpoint.admin_url, autocommit=True)
    kill(home, endpoint)
    again = ensure_running(home)
    assert again.pid != endpoint.pid
    assert again.admin_url == endpoint.admin_url
    assert kept(again) == "42"
    with suppress(psycopg.Error):
        client.close()


def test_stale_pid_file_with_a_living_stranger(home: Path, endpoint: Endpoint) -> None:
    """After a restart of the machine the number in postmaster.pid may belong to anybody."""
    kill(home, endpoint)
    pid_file = endpoint.data_dir / "postmaster.pid"
    owner = pid_file.stat()
    stranger = subprocess.Popen(["sleep", "100"], user=owner.st_uid if IS_ROOT else None)
    try:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert not status(home).is_running
        assert kept(ensure_running(home)) == "42"
        assert stranger.poll() is None, "the stranger was ended"
        stop(home)
        assert stranger.poll() is None, "the stranger was ended"
    finally:
        stranger.kill()
        stranger.wait()


def test_half_made_data_are_made_anew(home: Path) -> None:
    """Remains of a set-up that never finished hold nothing and are replaced."""
    (home / "postgres" / "base").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    (home / "postgres.making-abc").mkdir()
    assert query(ensure_running(home).admin_url, "SELECT 1") == "1"
    assert not (home / "postgres.making-abc").exists()


def test_damaged_data_are_never_replaced(home: Path, endpoint: Endpoint) -> None:
    """A data folder that once was complete is left for a person to look at."""
    stop(home)
    (endpoint.data_dir / "global" / "pg_control").rename(endpoint.data_dir / "pg_control.away")
    with pytest.raises(DatabaseError, match="damaged"):
        ensure_running(home)
    (endpoint.data_dir / "pg_control.away").rename(endpoint.data_dir / "global" / "pg_control")
    assert kept(ensure_running(home)) == "42"


def test_other_version_of_data_is_refused(home: Path, endpoint: Endpoint) -> None:
    """Data of a version that no server here can read: one line names both."""
    stop(home)
    (endpoint.data_dir / "PG_VERSION").write_text("99\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 99.*servers here are others.*\d+"):
        ensure_running(home)
    (endpoint.data_dir / "PG_VERSION").write_text(f"{_major(endpoint)}\n")


def _major(endpoint: Endpoint) -> str:
    return (endpoint.data_dir / "base" / "1" / "PG_VERSION").read_text().strip()


def test_lost_passwords_are_made_anew(home: Path, endpoint: Endpoint) -> None:
    """Who owns the files gets in again, with the data as they were, server running or not."""
    place = ServerHome.of(home)
    place.state_file.unlink()
    again = ensure_running(home)
    assert again.admin_url != endpoint.admin_url
    assert kept(again) == "42"


def test_stop_is_clean_and_bounded(home: Path, endpoint: Endpoint) -> None:
    """An open transaction does not keep the server up; the second stop says that nothing ran."""
    with psycopg.connect(endpoint.admin_url) as conn:
        conn.execute("UPDATE public.kept SET value = 0")
        started = time.monotonic()
        assert stop(home) is True
        assert time.monotonic() - started < 20
        with suppress(psycopg.Error):
            conn.rollback()
    assert stop(home) is False
    assert not status(home).is_running
    assert not (endpoint.data_dir / "postmaster.pid").exists()
    assert "database system is shut down" in endpoint.log_file.read_text()
    assert kept(ensure_running(home)) == "42"


def test_stop_without_a_home_makes_none(home: Path) -> None:
    """Asking for the state of nothing leaves nothing behind."""
    assert stop(home) is False
    assert not status(home).is_running
    assert not home.exists()


def test_port_taken_meanwhile(home: Path, endpoint: Endpoint) -> None:
    """Somebody listens on the old port: another one is taken."""
    stop(home)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", endpoint.port))
        squatter.listen()
        again = ensure_running(home)
    assert again.port != endpoint.port
    assert kept(again) == "42"


def test_server_that_cannot_start_says_why(home: Path, endpoint: Endpoint) -> None:
    """A setting that the server refuses: its own words, in one line."""
    stop(home)
    with (endpoint.data_dir / "postgresql.auto.conf").open("a") as conf:
        conf.write("wal_level = nonsense\n")
    with pytest.raises(DatabaseError, match="does not start") as caught:
        ensure_running(home)
    assert "\n" not in str(caught.value)
    assert "configuration file" in str(caught.value)


def test_only_our_own_process_is_taken_for_the_server(shared: tuple[Path, Endpoint]) -> None:
    """Another home has another name in its process titles."""
    home, endpoint = shared
    assert cluster_name(endpoint.data_dir) != cluster_name(home / "other")
    assert status(home).pid == endpoint.pid
