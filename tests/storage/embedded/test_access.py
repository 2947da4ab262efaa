"""Who gets into the embedded server, as whom it runs, and where it may live."""

from __future__ import annotations

import os
import pwd
import stat
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded import server
from demo_pipeline.storage.embedded.binaries import ServerBinaries, find_server
from demo_pipeline.storage.embedded.home import LOG_KEPT_BYTES, LOG_LIMIT_BYTES, LOGINS
from demo_pipeline.storage.embedded.process import SHARED_BASE, Account
from demo_pipeline.storage.embedded.server import Endpoint, ensure_running, stop
from tests.fixtures.embedded_server import (
    IS_ROOT,
    forget,
    kept,
    kill,
    query,
)
from tests.fixtures.machine import leave_out


def test_logins_are_what_the_urls_promise(shared: tuple[Path, Endpoint]) -> None:
    """The admin is no superuser but makes roles and databases; the loader is a loader and nothing else."""
    _, endpoint = shared
    with psycopg.connect(endpoint.admin_url) as conn:
        row = conn.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchone()
        assert row == ("crm_admin", False, False, True, True)
        assert conn.execute("SHOW fsync").fetchone() == ("on",)
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert conn.execute("SHOW full_page_writes").fetchone() == ("on",)
        assert conn.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
    with psycopg.connect(endpoint.loader_url) as conn:
        roles = conn.execute(
            "SELECT array_agg(rolname::text) FROM pg_roles "
            "WHERE rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER')"
        ).fetchone()
        assert roles == (["demo_loader"],)
    with psycopg.connect(endpoint.dagster_url) as conn:
        conn.execute("CREATE TABLE public.runs (id int)")
        assert conn.info.dbname == "dagster"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(endpoint.loader_url, dbname="dagster")


def test_nobody_gets_in_without_the_password(shared: tuple[Path, Endpoint]) -> None:
    """No login of the server, known by name, is open; there is no trust in pg_hba.conf."""
    _, endpoint = shared
    for login in LOGINS:
        for password in ("", "wrong", login):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(
                    host="127.0.0.1", port=endpoint.port, user=login, dbname="crm", password=password
                )
    rules = [
        line.split()
        for line in (endpoint.data_dir / "pg_hba.conf").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {rule[-1] for rule in rules} == {"scram-sha-256"}


def test_it_listens_on_loopback_only(shared: tuple[Path, Endpoint]) -> None:
    """No other address of the machine answers on the port, and there is no socket file."""
    _, endpoint = shared
    assert query(endpoint.superuser_url, "SHOW listen_addresses") == "127.0.0.1"
    assert query(endpoint.superuser_url, "SHOW unix_socket_directories") == ""
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{endpoint.port:04X}")
    ]
    assert listening in ([f"0100007F:{endpoint.port:04X}"], [])


def test_files_are_private(shared: tuple[Path, Endpoint]) -> None:
    """Passwords and log are readable by their owner only, the data folder too; no password is in the log."""
    home, endpoint = shared
    for path in (home / "postgres.json", home / "postgres.log", home / "postgres.lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(endpoint.data_dir.stat().st_mode) == 0o700
    password = str(conninfo_to_dict(endpoint.admin_url)["password"])
    assert password not in endpoint.log_file.read_text()
    assert password not in repr(endpoint)
    command = Path(f"/proc/{endpoint.pid}/cmdline")
    assert not command.exists() or password.encode() not in command.read_bytes()


def test_log_is_bounded(shared: tuple[Path, Endpoint]) -> None:
    """A log that grew too long keeps its end, and the server goes on writing to it."""
    home, endpoint = shared
    with endpoint.log_file.open("ab") as log:
        log.write(b"x" * 99 + b"\n")
        log.truncate(LOG_LIMIT_BYTES + 1_000)
    ensure_running(home)
    with psycopg.connect(endpoint.admin_url, autocommit=True) as conn, suppress(psycopg.Error):
        conn.execute("SELECT no_such_column")
    size = endpoint.log_file.stat().st_size
    assert size < LOG_KEPT_BYTES + 100_000
    assert "no_such_column" in endpoint.log_file.read_text()


def test_environment_of_the_caller_does_not_matter(
    home: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PG* variables, a language and a time zone of the caller change nothing."""
    stop(home)
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSSLMODE": "require",
        "TZ": "Pacific/Auckland",
        "LC_ALL": "de_DE.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    again = ensure_running(home)
    for name in ("PGHOSTADDR", "PGOPTIONS", "PGSSLMODE"):
        monkeypatch.delenv(name)
    assert kept(again) == "42"
    assert query(again.superuser_url, "SHOW timezone") == "UTC"


@pytest.mark.parametrize("name", ["x" * 150, "with 'space' Größe-数据 \"$HOME\" %s;"])
def test_any_name_of_home(folder: Path, name: str) -> None:
    """Long names, spaces, quotes and other alphabets are only names."""
    home = folder / name / "home"
    (folder / name).mkdir()
    try:
        endpoint = ensure_running(home)
        assert query(endpoint.admin_url, "SELECT 1") == "1"
    finally:
        forget(home)


def test_home_that_cannot_be_written_is_one_line(folder: Path) -> None:
    """A file where the home should be: what is wrong and what to do, in one line."""
    (folder / "file").write_text("")
    with pytest.raises(DatabaseError) as caught:
        ensure_running(folder / "file" / "home")
    assert "DEMO_HOME" in str(caught.value)
    assert "\n" not in str(caught.value)


# -- accounts --------------------------------------------------------------------------------------------

needs_root = pytest.mark.skipif(not IS_ROOT, reason="switches accounts, which only root can do")


def _as_user(name: str, work: Callable[[], str]) -> str:
    """What ``work`` returns, done in a child that has become another user for good."""
    user = pwd.getpwnam(name)
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        # Python warns of threads in the parent; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            answer = work()
        except BaseException as error:  # noqa: BLE001  a child must not return into pytest
            answer = f"{type(error).__name__}: {error}"
        os.write(write_end, answer.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as answer_file:
        answer = answer_file.read()
    os.waitpid(child, 0)
    return answer


@needs_root
def test_ordinary_user(folder: Path, shared: tuple[Path, Endpoint]) -> None:
    """A user who is not root runs the server as itself; root can use and stop it, and leaves it usable."""
    user = pwd.getpwnam("nobody")
    binaries = find_server()
    if not Account(name="nobody", uid=user.pw_uid, gid=user.pw_gid).can_run(binaries):
        leave_out("server binaries that user nobody can run", "a virtual environment outside of /root")
    assert shared[1].pid, "started here, so that all that the child needs is imported"
    own = folder / "own"
    own.mkdir(mode=0o700)
    os.chown(own, user.pw_uid, user.pw_gid)

    def start_and_ask() -> str:
        endpoint = ensure_running(own / "home")
        return f"{query(endpoint.admin_url, 'SELECT current_user')} {endpoint.pid}"

    try:
        login, pid = _as_user("nobody", start_and_ask).split()
        assert login == "crm_admin"
        assert Path(f"/proc/{pid}").stat().st_uid == user.pw_uid
        assert {path.stat().st_uid for path in (own / "home").iterdir()} == {user.pw_uid}
        assert str(ensure_running(own / "home").pid) == pid
        assert stop(own / "home")
        assert ensure_running(own / "home").pid != int(pid)
        assert {path.stat().st_uid for path in (own / "home").iterdir()} == {user.pw_uid}
        assert _as_user("nobody", start_and_ask).startswith("crm_admin ")
    finally:
        forget(own / "home")


@needs_root
def test_foreign_home_is_refused(shared: tuple[Path, Endpoint]) -> None:
    """Another user cannot use root's server: one line that says so, and no password in it."""
    home, endpoint = shared

    def start() -> str:
        return ensure_running(home).admin_url

    assert endpoint.pid
    answer = _as_user("nobody", start)
    assert answer.startswith("DatabaseError: "), answer
    assert "DEMO_HOME" in answer
    assert "\n" not in answer


@needs_root
def test_root_with_a_home_that_the_account_cannot_reach(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent that only root may enter, binaries there too: data and binaries go elsewhere, once."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    binaries = find_server()
    if not binaries.is_relocatable:
        leave_out("a PostgreSQL wheel", "make install")
    (private / "pginstall").symlink_to(binaries.bin_dir.parent)
    hidden = replace(binaries, bin_dir=private / "pginstall" / "bin")

    def find_hidden(*, data_major: int | None = None) -> ServerBinaries:
        assert data_major in (None, hidden.major)
        return hidden

    monkeypatch.setattr(server, "find_server", find_hidden)
    home = private / "home"
    try:
        endpoint = ensure_running(home)
        with psycopg.connect(endpoint.admin_url, autocommit=True) as conn:
            conn.execute("CREATE TABLE public.kept AS SELECT 42 AS value")
        base = Path((home / "postgres.path").read_text().strip())
        assert base.parent == SHARED_BASE
        assert endpoint.data_dir == base / "postgres"
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert Path(f"/proc/{endpoint.pid}").stat().st_uid != 0
        assert stat.S_IMODE((home / "postgres.json").stat().st_mode) == 0o600
        kill(home, endpoint)
        again = ensure_running(home)
        assert kept(again) == "42"
        assert len(list(base.glob("server-*"))) == 1
    finally:
        forget(home)


@needs_root
def test_root_runs_the_server_as_somebody_else(shared: tuple[Path, Endpoint]) -> None:
    """Never as root, and without root's groups."""
    _, endpoint = shared
    process = Path(f"/proc/{endpoint.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in process.splitlines() if ":" in line)
    assert "0" not in fields["Uid"].split()
    assert "0" not in fields["Gid"].split()
    assert fields["Groups"].split() == []
