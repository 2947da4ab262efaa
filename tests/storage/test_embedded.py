"""The embedded server: it comes up whatever was killed before, lets nobody in, and loses nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.errors import DatabaseError
from demo_pipeline.storage import embedded
from demo_pipeline.storage.binaries import ServerBinaries, find_server
from demo_pipeline.storage.embedded import Endpoint, ensure_running, status, stop
from demo_pipeline.storage.embedded_account import SHARED_BASE, Account
from demo_pipeline.storage.embedded_home import LOG_KEPT_BYTES, LOG_LIMIT_BYTES, LOGINS, ServerHome
from demo_pipeline.storage.embedded_process import cluster_name
from tests.fixtures.machine import leave_out

IS_ROOT = os.geteuid() == 0
PROJECT = Path(__file__).resolve().parents[2]
PRINT_URL = "import sys, pathlib; from demo_pipeline.storage.embedded import ensure_running; "
PRINT_URL += "print(ensure_running(pathlib.Path(sys.argv[1])).admin_url)"


def _query(url: str, statement: str) -> str:
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(statement.encode()).fetchone()
        assert row is not None
        return str(row[0])


def _start_elsewhere(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRINT_URL, home], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )


def _forget(home: Path) -> None:
    with suppress(DatabaseError):
        stop(home)
    with suppress(OSError):
        base = ServerHome.of(home).base
        if base.parent == SHARED_BASE:
            shutil.rmtree(base, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def _new_folder() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="embedded-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can pass through, below /tmp."""
    with _new_folder() as path:
        yield path


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Path, Endpoint]]:
    """A home and its server, for tests that leave it as it is."""
    with _new_folder() as path:
        yield path / "home", ensure_running(path / "home")
        _forget(path / "home")


@pytest.fixture
def home(folder: Path) -> Iterator[Path]:
    """A home that does not exist yet; its server ends with the test."""
    path = folder / "home"
    yield path
    _forget(path)


@pytest.fixture
def endpoint(home: Path) -> Endpoint:
    """A server with one table in it."""
    endpoint = ensure_running(home)
    with psycopg.connect(endpoint.admin_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.kept AS SELECT 42 AS value")
    return endpoint


def _kill(home: Path, endpoint: Endpoint) -> None:
    os.kill(endpoint.pid, signal.SIGKILL)
    _wait_until(lambda: not status(home).is_running)


def _kept(endpoint: Endpoint) -> str:
    return _query(endpoint.admin_url, "SELECT value FROM public.kept")


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
    crm = conninfo_to_dict(endpoint.loader_url)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(**{**crm, "dbname": "dagster"})


def test_eight_processes_at_once_share_one_server(home: Path) -> None:
    """Whoever comes first makes the server, all get the same one."""
    processes = [_start_elsewhere(home) for _ in range(8)]
    urls = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert len(urls) == 1
    assert _query(urls.pop().strip(), "SELECT 1") == "1"


def test_second_call_is_cheap(shared: tuple[Path, Endpoint]) -> None:
    """A running server is found without a lock: somebody who holds it does not keep others waiting."""
    home, endpoint = shared
    with embedded.file_lock(ServerHome.of(home).lock_file, wait_seconds=1):
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
        assert _query(url, "SELECT 1") == "1"


def test_starter_killed_at_any_moment_leaves_something_that_starts(home: Path) -> None:
    """SIGKILL while the data are made or the server comes up: the next call completes it."""
    for delay in (0.05, 0.25, 0.4, 0.5, 0.6, 0.75):
        process = _start_elsewhere(home)
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=20)
    endpoint = ensure_running(home)
    assert _query(endpoint.admin_url, "SELECT 1") == "1"
    assert _query(endpoint.loader_url, "SELECT 1") == "1"
    assert not list(home.glob("postgres.making-*"))


def test_killed_server_starts_again_with_its_data(home: Path, endpoint: Endpoint) -> None:
    """SIGKILL of the postmaster, a client in the middle of a statement: data and URLs are as before."""
    client = psycopg.connect(endpoint.admin_url, autocommit=True)
    _kill(home, endpoint)
    again = ensure_running(home)
    assert again.pid != endpoint.pid
    assert again.admin_url == endpoint.admin_url
    assert _kept(again) == "42"
    with suppress(psycopg.Error):
        client.close()


def test_stale_pid_file_with_a_living_stranger(home: Path, endpoint: Endpoint) -> None:
    """After a restart of the machine the number in postmaster.pid may belong to anybody."""
    _kill(home, endpoint)
    pid_file = endpoint.data_dir / "postmaster.pid"
    owner = pid_file.stat()
    stranger = subprocess.Popen(["sleep", "100"], **({"user": owner.st_uid} if IS_ROOT else {}))
    try:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert not status(home).is_running
        assert _kept(ensure_running(home)) == "42"
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
    assert _query(ensure_running(home).admin_url, "SELECT 1") == "1"
    assert not (home / "postgres.making-abc").exists()


def test_damaged_data_are_never_replaced(home: Path, endpoint: Endpoint) -> None:
    """A data folder that once was complete is left for a person to look at."""
    stop(home)
    (endpoint.data_dir / "global" / "pg_control").rename(endpoint.data_dir / "pg_control.away")
    with pytest.raises(DatabaseError, match="damaged"):
        ensure_running(home)
    (endpoint.data_dir / "pg_control.away").rename(endpoint.data_dir / "global" / "pg_control")
    assert _kept(ensure_running(home)) == "42"


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
    assert _kept(again) == "42"


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
    assert _kept(ensure_running(home)) == "42"


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
    assert _kept(again) == "42"


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
    assert _query(endpoint.superuser_url, "SHOW listen_addresses") == "127.0.0.1"
    assert _query(endpoint.superuser_url, "SHOW unix_socket_directories") == ""
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
    assert _kept(again) == "42"
    assert _query(again.superuser_url, "SHOW timezone") == "UTC"


@pytest.mark.parametrize("name", ["with space", "Größe-数据", "x" * 150, 'quote\'d "$HOME" %s;'])
def test_any_name_of_home(folder: Path, name: str) -> None:
    """Long names, spaces, quotes and other alphabets are only names."""
    home = folder / name / "home"
    (folder / name).mkdir()
    try:
        endpoint = ensure_running(home)
        assert _query(endpoint.admin_url, "SELECT 1") == "1"
    finally:
        _forget(home)


def test_home_that_cannot_be_written_is_one_line(folder: Path) -> None:
    """A file where the home should be: what is wrong and what to do, in one line."""
    (folder / "file").write_text("")
    with pytest.raises(DatabaseError) as caught:
        ensure_running(folder / "file" / "home")
    assert "DEMO_HOME" in str(caught.value)
    assert "\n" not in str(caught.value)


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
    assert shared  # so that all that the child needs is imported
    own = folder / "own"
    own.mkdir(mode=0o700)
    os.chown(own, user.pw_uid, user.pw_gid)

    def start_and_ask() -> str:
        endpoint = ensure_running(own / "home")
        return f"{_query(endpoint.admin_url, 'SELECT current_user')} {endpoint.pid}"

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
        _forget(own / "home")


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

    monkeypatch.setattr(embedded, "find_server", find_hidden)
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
        _kill(home, endpoint)
        again = ensure_running(home)
        assert _kept(again) == "42"
        assert len(list(base.glob("server-*"))) == 1
    finally:
        _forget(home)


@needs_root
def test_root_runs_the_server_as_somebody_else(shared: tuple[Path, Endpoint]) -> None:
    """Never as root, and without root's groups."""
    _, endpoint = shared
    process = Path(f"/proc/{endpoint.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in process.splitlines() if ":" in line)
    assert "0" not in fields["Uid"].split()
    assert "0" not in fields["Gid"].split()
    assert fields["Groups"].split() == []
