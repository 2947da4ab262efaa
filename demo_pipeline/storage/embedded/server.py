"""The embedded PostgreSQL of ``$DEMO_HOME``: one server, shared by all processes, up until it is stopped.

``ensure_running`` may be called by any number of processes at once and at any time: what a killed client,
a killed server or a power cut left behind is put right. Nobody gets in without a password; it listens on
127.0.0.1 only. Belongs here: the life cycle under its lock, and the logins and empty databases that a new
server gets. Files are ``embedded.home``, the account and the process ``embedded.process``. The schema, grants
on tables and the other roles are the migrations'.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded.binaries import ServerBinaries, find_server
from demo_pipeline.storage.embedded.home import (
    ADMIN_LOGIN,
    DAGSTER_LOGIN,
    LOADER_LOGIN,
    SUPERUSER,
    ServerHome,
    ServerState,
    file_lock,
    read_state,
    sync_folder,
    write_state,
)
from demo_pipeline.storage.embedded.process import (
    Account,
    ServerProcess,
    choose_account,
    clear_remains,
    private_base,
    reachable_binaries,
    reason_in,
    remedy_for,
    running_server,
    start_server,
    stop_server,
    wait_for_change,
)

_LOG: Final = logging.getLogger(__name__)
CRM_DATABASE = "crm"
DAGSTER_DATABASE = "dagster"
LOADER_ROLE = "demo_loader"
#: the first that lets a login have a password that is hashed once
_SERVER_WITH_ITERATIONS: Final = 160_000
#: longer than any start, stop or bootstrap that somebody else may be doing
LOCK_SECONDS = 400
INITDB_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A running embedded server, and how to get in. The URLs hold passwords."""

    #: on 127.0.0.1
    port: int
    #: of the postmaster
    pid: int
    data_dir: Path
    log_file: Path
    #: the default of ``DEMO_DATABASE_URL``: makes roles and databases, is no superuser
    admin_url: str = field(repr=False)
    #: the default of ``DEMO_LOADER_URL``
    loader_url: str = field(repr=False)
    #: the default of ``DEMO_DAGSTER_URL``
    dagster_url: str = field(repr=False)
    #: for tests and rescue; nothing in the product uses it
    superuser_url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """What is known of the server of a home without starting it."""

    is_running: bool
    pid: int | None
    port: int | None
    data_dir: Path
    #: major version of the data; None: no data yet
    data_major: int | None


def ensure_running(home: Path) -> Endpoint:
    """The server of ``home``, started (and made) if need be; under a millisecond when it is up.

    Raises ``DatabaseError`` with one line that says what to do.
    """
    with _one_line_errors(home):
        endpoint = _running_endpoint(ServerHome.of(home))
        if endpoint is not None:
            return endpoint
        _make_home(ServerHome.of(home).home)
        with file_lock(ServerHome.of(home).lock_file, wait_seconds=LOCK_SECONDS):
            return _running_endpoint(ServerHome.of(home)) or _start(home)


def stop(home: Path) -> bool:
    """Stop the server of ``home``: open transactions are rolled back. False: it was not running.

    Raises ``DatabaseError``.
    """
    place = ServerHome.of(home)
    if not place.home.is_dir():
        return False
    with _one_line_errors(home):
        if running_server(place.data) is None:
            return False
        with file_lock(place.lock_file, wait_seconds=LOCK_SECONDS):
            process = running_server(place.data)
            if process is None:
                return False
            stop_server(place.data, process.pid)
            return True


def status(home: Path) -> ServerStatus:
    """Look, and start nothing. Raises ``DatabaseError``."""
    with _one_line_errors(home):
        place = ServerHome.of(home)
        process = running_server(place.data)
        return ServerStatus(
            is_running=process is not None,
            pid=process.pid if process else None,
            port=process.port if process else None,
            data_dir=place.data,
            data_major=place.data_major(),
        )


@contextmanager
def _one_line_errors(home: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = f" ({os.fsdecode(error.filename)})" if error.filename else ""
        remedy = remedy_for(reason, "set DEMO_HOME to a folder that you can write")
        raise DatabaseError(
            f"the embedded PostgreSQL cannot use {home}: {reason}{where}: {remedy}"
        ) from error
    except subprocess.SubprocessError as error:
        raise DatabaseError(
            f"the embedded PostgreSQL of {home} cannot be started: {error}: try again"
        ) from error
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseError(
            f"the embedded PostgreSQL of {home} runs and refuses: {reason}: "
            f"see {ServerHome.of(home).log_file}"
        ) from error


def _endpoint(place: ServerHome, process: ServerProcess, state: ServerState) -> Endpoint:
    def url(login: str, database: str) -> str:
        return server_url(login, state.passwords[login], process.port, database)

    return Endpoint(
        port=process.port,
        pid=process.pid,
        data_dir=place.data,
        log_file=place.log_file,
        admin_url=url(ADMIN_LOGIN, CRM_DATABASE),
        loader_url=url(LOADER_LOGIN, CRM_DATABASE),
        dagster_url=url(DAGSTER_LOGIN, DAGSTER_DATABASE),
        superuser_url=url(SUPERUSER, "postgres"),
    )


def _running_endpoint(place: ServerHome) -> Endpoint | None:
    state = read_state(place)
    if state is None or not state.is_bootstrapped:
        return None
    process = running_server(place.data)
    if process is None or not process.is_ready:
        return None
    place.trim_log()
    return _endpoint(place, process, state)


def _make_home(home: Path) -> None:
    if home.is_dir():
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    # Root's server runs as another account that must pass through; the files in it are private.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        home.mkdir()
        home.chmod(mode)
    except FileExistsError:
        if not home.is_dir():
            raise


def _start(home: Path) -> Endpoint:
    """Under the lock: bring up what is there, or make it."""
    place = ServerHome.of(home)
    state = read_state(place)
    _sweep(place)
    process = wait_for_change(place.data)
    has_lost_passwords = state is None and place.data_major() is not None
    if process is not None and has_lost_passwords:
        stop_server(place.data, process.pid)
        process = None
    if state is None:
        state = ServerState.new()
        # Stored before they are used: whatever is killed from here on, the data can be opened.
        write_state(place, state)
    if process is None:
        process = _start_process(place, state, has_lost_passwords=has_lost_passwords)
        place = ServerHome.of(home)
    if not state.is_bootstrapped:
        bootstrap(process.port, state.passwords)
    if not state.is_bootstrapped or state.port != process.port:
        state = replace(state, port=process.port, is_bootstrapped=True)
        write_state(place, state)
    return _endpoint(place, process, state)


def _start_process(place: ServerHome, state: ServerState, *, has_lost_passwords: bool) -> ServerProcess:
    account = choose_account(place.data)
    data_major = place.data_major()
    binaries = reachable_binaries(find_server(data_major=data_major), account, place.home)
    if data_major is None:
        place = _make_data(place, state, binaries, account)
    elif has_lost_passwords:
        _reset_superuser(place, state, binaries, account)
    return start_server(place, binaries, account, preferred_port=state.port)


def _sweep(place: ServerHome) -> None:
    """Delete what killed set-ups left. Their initdb may still be writing: then the next start does it."""
    for remains in place.base.glob("postgres.making-*"):
        shutil.rmtree(remains, ignore_errors=True)
        if remains.is_file():
            remains.unlink(missing_ok=True)


def _make_data(
    place: ServerHome, state: ServerState, binaries: ServerBinaries, account: Account
) -> ServerHome:
    """A new data folder, complete or not there at all."""
    if place.data.exists() and (
        place.holds_databases() or (state.is_bootstrapped and any(place.data.iterdir()))
    ):
        raise DatabaseError(
            f"{place.data} holds databases and is damaged (PG_VERSION or global/pg_control is missing): "
            "restore it from a backup, or move it away to begin anew"
        )
    if state.is_bootstrapped:
        # The data were deleted: what comes now is new.
        write_state(place, replace(state, is_bootstrapped=False))
    place = _place_for_data(place, account)
    if place.data.is_dir():
        shutil.rmtree(place.data)
    making = place.base / f"postgres.making-{secrets.token_hex(4)}"
    password_file = making.with_name(f"{making.name}.password")
    making.mkdir(mode=0o700)
    try:
        account.own(making)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(state.passwords[SUPERUSER] + "\n")
        account.own(password_file)
        _initdb(place, making, password_file, binaries, account)
        making.rename(place.data)
        sync_folder(place.base)
        # Shown on stderr: a command in a wrong folder would else seem to have lost its tenants.
        _LOG.warning("made an empty database in %s; DEMO_HOME names another folder", place.home)
    finally:
        password_file.unlink(missing_ok=True)
        shutil.rmtree(making, ignore_errors=True)
    return place


def _place_for_data(place: ServerHome, account: Account) -> ServerHome:
    """``place``, or a base elsewhere where the account cannot reach it; remembered in a pointer file."""
    if account.uid is None or (place.base != place.home and place.base.is_dir()):
        return place
    place = replace(place, base=place.home)
    probe = place.home / f"postgres.making-{secrets.token_hex(4)}"
    probe.mkdir(mode=0o700)
    try:
        account.own(probe)
        if account.can_write(probe):
            return place
    finally:
        probe.rmdir()
    elsewhere = replace(place, base=private_base(place.home))
    if elsewhere.data_major() is not None and elsewhere.holds_databases():
        # Of a home of the same path that was deleted, passwords and pointer included.
        clear_remains(elsewhere.data)
        elsewhere.data.rename(elsewhere.base / f"postgres.before-{secrets.token_hex(4)}")
    place.pointer_file.write_text(f"{elsewhere.base}\n", encoding="utf-8")
    return elsewhere


def _initdb(
    place: ServerHome, data: Path, password_file: Path, binaries: ServerBinaries, account: Account
) -> None:
    if binaries.major >= 17:
        locales = [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    else:
        locales = [["--locale=C", "--lc-ctype=C.UTF-8"], ["--locale=C"]]
    said = ""
    for locale in locales:
        done = account.run(
            binaries.initdb,
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth-local=scram-sha-256",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            *locale,
            seconds=INITDB_SECONDS,
        )
        if done.returncode == 0:
            return
        said = done.stderr
        if "locale" not in said:
            break
    raise DatabaseError(
        f"the embedded PostgreSQL cannot make its data in {place.data}: {reason_in(said)}: "
        f"{remedy_for(said, 'check disk and permissions, or set DEMO_HOME elsewhere')}"
    )


def _reset_superuser(
    place: ServerHome, state: ServerState, binaries: ServerBinaries, account: Account
) -> None:
    """Who may write the data folder may open it: give the superuser the new password, without a server."""
    clear_remains(place.data)
    statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{state.passwords[SUPERUSER]}'\n"
    done = account.run(
        binaries.postgres,
        "--single",
        "-D",
        place.data,
        "-clog_min_error_statement=panic",
        "postgres",
        stdin=statement,
    )
    if done.returncode != 0 or "ERROR" in done.stderr or "FATAL" in done.stderr:
        raise DatabaseError(
            f"the passwords of {place.data} are lost ({place.state_file}) and cannot be set anew: "
            f"{reason_in(done.stderr)}"
        )


# -- logins and databases --------------------------------------------------------------------------------


def server_url(login: str, password: str, port: int, database: str) -> str:
    """The libpq URL of the embedded server, good for any client that speaks TCP."""
    user, secret, name = (quote(part, safe="") for part in (login, password, database))
    return f"postgresql://{user}:{secret}@127.0.0.1:{port}/{name}"


def address(port: int) -> str:
    """The URL of the CRM's database on the embedded server, without the password."""
    return f"postgresql://{ADMIN_LOGIN}@127.0.0.1:{port}/{CRM_DATABASE}"


def connect_here(login: str, password: str, port: int, database: str) -> psycopg.Connection:
    """A connection to the embedded server that no PG* variable of the caller can send elsewhere."""
    return psycopg.connect(
        host="127.0.0.1",
        hostaddr="127.0.0.1",
        port=port,
        user=login,
        password=password,
        dbname=database,
        sslmode="disable",
        gssencmode="disable",
        options="",
        client_encoding="utf8",
        connect_timeout=10,
        application_name="demo-pipeline bootstrap",
        autocommit=True,
    )


def bootstrap(port: int, passwords: Mapping[str, str]) -> None:
    """Make what is missing and set all passwords. Raises ``psycopg.Error``."""
    with connect_here(SUPERUSER, passwords[SUPERUSER], port, "postgres") as conn:
        _ensure_login(conn, ADMIN_LOGIN, passwords[ADMIN_LOGIN], "CREATEROLE CREATEDB")
        _ensure_login(conn, DAGSTER_LOGIN, passwords[DAGSTER_LOGIN], "")
        _ensure_database(conn, CRM_DATABASE, ADMIN_LOGIN)
        _ensure_database(conn, DAGSTER_DATABASE, DAGSTER_LOGIN)
        conn.execute("REVOKE ALL ON DATABASE dagster FROM PUBLIC")
    # The admin makes the loader's roles itself: who creates a role may grant it (PostgreSQL 16 and later).
    with connect_here(ADMIN_LOGIN, passwords[ADMIN_LOGIN], port, CRM_DATABASE) as conn:
        if not _role_exists(conn, LOADER_ROLE):
            conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(LOADER_ROLE)))
        _ensure_login(conn, LOADER_LOGIN, passwords[LOADER_LOGIN], None)
        conn.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(LOADER_ROLE), sql.Identifier(LOADER_LOGIN))
        )


def _role_exists(conn: psycopg.Connection, role: str) -> bool:
    return conn.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _ensure_login(conn: psycopg.Connection, login: str, password: str, powers: str | None) -> None:
    """Make or mend a login. ``powers`` None: none, and the creator need not be a superuser."""
    if conn.info.server_version >= _SERVER_WITH_ITERATIONS:
        # Thousands of rounds protect what somebody could guess; ours are random, and every connection of
        # every process would pay 7 ms for them.
        conn.execute("SET scram_iterations = 1")
    # The verifier is computed here, so that no password can reach the server's log.
    verifier = conn.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    verb = "ALTER" if _role_exists(conn, login) else "CREATE"
    all_powers = "" if powers is None else f"NOSUPERUSER NOBYPASSRLS NOREPLICATION {powers}"
    conn.execute(
        sql.SQL(f"{verb} ROLE {{}} LOGIN {all_powers} PASSWORD {{}}").format(  # type: ignore[arg-type]
            sql.Identifier(login), sql.Literal(verifier)
        )
    )


def _ensure_database(conn: psycopg.Connection, database: str, owner: str) -> None:
    found = conn.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [database]).fetchone()
    if found is None:
        conn.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
        )
