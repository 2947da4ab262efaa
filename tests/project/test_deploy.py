"""Image and compose file: linted, checked against the specification, and, where it can be, built.

The databases and logins that the compose file makes are tried on a server without any.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, cast

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from ruamel.yaml import YAML

from demo_pipeline.storage.embedded.binaries import find_server
from demo_pipeline.storage.embedded.server import ensure_running
from tests.docs.test_docs import commands
from tests.fixtures.cli import clean_environment, run_program
from tests.fixtures.dagster_instance import BLUEPRINT
from tests.fixtures.embedded_server import forget, new_folder
from tests.paths import PROJECT

DEPLOY: Final = PROJECT / "deploy"
CONTAINERFILE: Final = DEPLOY / "Containerfile"
COMPOSE: Final = DEPLOY / "compose"
BIN: Final = Path(sys.executable).parent
BASE: Final = re.compile(r"^FROM (\S+)", re.MULTILINE)
VARIABLE: Final = re.compile(r"\$\{(\w+)[^}]*\}")


def compose() -> dict[str, Any]:
    """The compose file."""
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    return cast("Any", YAML(typ="safe", pure=True)).load(text)


def run(*words: object, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program to its end; ``text`` is its input."""
    return subprocess.run(
        list(map(str, words)),
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def lint(text: str) -> str:
    """What hadolint says of a Containerfile; nothing: it is fine."""
    done = run(BIN / "hadolint", "--no-color", "-", text=text)
    return done.stdout + done.stderr


def test_the_containerfile_passes_the_linter() -> None:
    """And the linter finds a base image without a version and a package without a hash's company."""
    text = CONTAINERFILE.read_text(encoding="utf-8")
    assert lint(text) == ""
    assert "DL3006" in lint(text.replace(":3.11-slim-bookworm", ""))


def test_the_image_is_not_of_root_and_has_a_health_check() -> None:
    """The last user is a number other than 0, every copied path exists, packages have hashes."""
    text = CONTAINERFILE.read_text(encoding="utf-8")
    assert re.findall(r"^USER (\d+):\d+$", text, re.MULTILINE) == ["10001"]
    assert text.count("\nHEALTHCHECK ") == 1
    assert "--require-hashes --no-deps -r requirements-deploy.lock" in text
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert copied
    assert [name for name in copied if not (PROJECT / name).exists()] == []
    allowed = (PROJECT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert [name for name in copied if f"!{name}" not in allowed] == []


def test_the_compose_file_is_one() -> None:
    """By the schema of the compose specification, which finds an unknown key."""
    program = (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    assert run(*program, COMPOSE / "compose.yaml").returncode == 0
    assert run(*program, "-", text='{"services": {"web": {"imagine": "x"}}}').returncode == 1


def test_services_are_programs_of_the_image_and_only_the_pages_are_published() -> None:
    """Commands exist, passwords come from the environment, the pages are for this machine."""
    services = compose()["services"]
    for service in services.values():
        words: list[str] = service.get("command", [])
        if words[:1] == ["demo-pipeline"]:
            assert any(tuple(words[1 : 1 + count]) in commands() for count in (1, 2)), words
    assert {name: one["ports"] for name, one in services.items() if "ports" in one} == {
        "web": ["127.0.0.1:3000:3000"]
    }
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    example = (COMPOSE / "example.env").read_text(encoding="utf-8")
    assert set(VARIABLE.findall(text)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


@pytest.mark.long
def test_the_image_is_built(tmp_path: Path) -> None:
    """Where podman or buildah and the base image are there; elsewhere linted only, which the output says."""
    base = BASE.findall(CONTAINERFILE.read_text(encoding="utf-8"))[0]
    builder = next((name for name in ("podman", "buildah") if shutil.which(name)), None)
    if builder is None or run(builder, "inspect", "--type=image", base).returncode:
        sys.stderr.write(f"the image was linted and not built: {builder or 'podman'} or {base} is missing\n")
        return
    image = tmp_path / "image"
    done = run(builder, "build", "--pull=never", "-f", CONTAINERFILE, "--iidfile", image, PROJECT)
    assert done.returncode == 0, done.stderr[-4000:]
    if builder == "podman":
        program = ("podman", "run", "--rm", image.read_text(encoding="utf-8").strip())
        assert run(*program, "id", "-u").stdout.strip() == "10001"
        assert run(*program, "demo-pipeline", "--version").stdout.startswith("demo-pipeline ")


@pytest.mark.long
def test_the_logins_of_the_compose_file_suffice() -> None:
    """On a new server: they migrate, provision, generate through Dagster and verify."""
    passwords = {name: f"word{number}" for number, name in enumerate(_passwords())}
    with new_folder() as folder:
        home = folder / "home"
        try:
            url = ensure_running(home).superuser_url
            _make_blank(url)
            psql = find_server().bin_dir / "psql"
            done = run(psql, "-X", "-q", "-d", url, "-f", COMPOSE / "logins.sql", **passwords)
            assert (done.returncode, done.stderr) == (0, "")
            server = conninfo_to_dict(url)
            given = compose()["services"]["web"]["environment"]
            urls = {
                name: VARIABLE.sub(lambda found: passwords[found[1]], given[name]).replace(
                    "@postgres/", f"@{server['host']}:{server['port']}/"
                )
                for name in ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL")
            }
            environment = clean_environment({**urls, "DEMO_HOME": str(folder / "state")})
            (folder / "acme.yaml").write_text(BLUEPRINT, encoding="utf-8")
            for words in (
                ["db", "upgrade"],
                ["tenant", "provision", folder / "acme.yaml"],
                ["generate", "acme"],
                ["verify"],
            ):
                finished = run_program(*words, environment=environment)
                assert finished.code == 0, finished.err
        finally:
            forget(home)


def _passwords() -> set[str]:
    text = (COMPOSE / "logins.sql").read_text(encoding="utf-8")
    return set(re.findall(r"^\\getenv \w+ (\w+)$", text, re.MULTILINE))


def _make_blank(url: str) -> None:
    """Take the databases and logins of the embedded server away: it is as after initdb."""
    with psycopg.connect(url, autocommit=True) as conn:
        names = conn.execute(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"
        )
        for (name,) in names.fetchall():
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        roles = conn.execute(
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user"
        )
        for (name,) in roles.fetchall():
            conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
