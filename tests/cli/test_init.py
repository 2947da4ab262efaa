"""``init``: a folder to work in, whose next commands work as they are printed."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo_pipeline.cli import main
from demo_pipeline.services.files.blueprint_files import blueprint_paths
from demo_pipeline.settings import BUNDLED_BLUEPRINTS, FOLDER_MARKER, load_settings
from tests.fixtures.cli import PROGRAM, RunCommand, clean_environment, run_program
from tests.fixtures.forked_program import forker
from tests.paths import PROJECT

FILES = {
    "blueprints/brightwell.yaml",
    "blueprints/schema.json",
    "plans/more-deals.csv",
    "pyproject.toml",
    "demo_tenants/definitions.py",
    "demo_tenants/defs/pipeline.py",
    "README.md",
    ".gitignore",
    FOLDER_MARKER,
}
NOBODY = 65534


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def ordinary_user() -> Generator[None]:
    """No rights beyond those of other users, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_the_next_commands_work_as_printed(
    dagster_database_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell that is given the printed lines makes the starter's tenant, patches and verifies it."""
    monkeypatch.chdir(tmp_path)
    name = "my demos"
    environment = clean_environment(dagster_database_env)
    done = run_program("init", name, environment=environment)
    assert done.code == 0, done.err
    assert set(files_of(tmp_path / name)) == FILES
    assert {line.removeprefix(f"wrote {name}/") for line in done.out.splitlines()} == FILES
    lines = [line.strip() for line in done.err.partition("next:\n")[2].splitlines()]
    assert len(lines) == 6
    shell = subprocess.run(
        ["bash", "-euc", "\n".join(lines)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    assert f"blueprints of {(tmp_path / name).resolve()}" in shell.stderr
    assert "living: goes on month by month" in shell.stdout
    assert "every figure is exact" in shell.stdout
    *_, verdict = shell.stdout.splitlines()
    assert verdict.split()[:3] == ["brightwell", "as", "expected"]
    # Only the folder's tenant was made, although nothing named it.
    listed = run_program("tenant", "list", "--json", environment=environment)
    assert [one["tenant"] for one in listed.document["tenants"]] == ["brightwell"]


@pytest.mark.parametrize("name", ["crm-demos", "a/b", "-x", "$HOME"])
def test_the_folder_is_named_as_a_shell_reads_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first printed lines go into the folder and show the starter's months, whatever its name is."""
    monkeypatch.chdir(tmp_path)
    done = run_program("init", "--", name, environment=clean_environment())
    lines = [line.strip() for line in done.err.partition("next:\n")[2].splitlines()]
    line = f"{lines[0]} && pwd && {lines[1]}".replace(str(PROGRAM), str(forker().program))
    shell = run_program("-euc", line, environment=clean_environment(), program=("bash",))
    assert shell.code == 0, shell.err
    where, title, *_ = shell.out.splitlines()
    assert where == str(tmp_path / name)
    assert title.startswith("brightwell")


def test_the_parts_of_run_work_by_themselves(
    command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``tenant provision`` and ``generate`` make the starter's tenant as well."""
    assert command("init", tmp_path).code == 0
    monkeypatch.chdir(tmp_path)
    assert command("tenant", "provision", "blueprints/brightwell.yaml").code == 0
    assert command("generate", "brightwell").code == 0
    assert command("verify", "brightwell").code == 0


def test_nothing_of_a_person_is_overwritten(
    quick_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are there are left alone and named, in the current folder without an argument."""
    mine = {"README.md": b"mine", ".gitignore": b"*", "blueprints/acme.yaml": b"name: Acme"}
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    done = quick_command("init", "--json")
    assert done.code == 0, done.err
    assert done.document["folder"] == str(tmp_path)
    assert set(done.document["kept"]) == {"README.md", ".gitignore"}
    assert set(done.document["written"]) == FILES - {"README.md", ".gitignore"}
    assert [command.split()[1] for command in done.document["next"]] == [
        "tenant",
        "run",
        "plan",
        "patch",
        "verify",
    ]
    assert not done.err
    after = files_of(tmp_path)
    assert {name: after[name] for name in mine} == mine


def test_a_starter_that_is_there_is_not_touched(quick_command: RunCommand, tmp_path: Path) -> None:
    """The second time is exit code 2, and no file comes or changes, not even one that is missing."""
    assert quick_command("init", tmp_path).code == 0
    (tmp_path / "README.md").unlink()
    (tmp_path / "blueprints" / "brightwell.yaml").write_text("mine", encoding="utf-8")
    before = files_of(tmp_path)
    done = quick_command("init", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "brightwell.yaml is there already, and nothing was written" in done.err
    assert files_of(tmp_path) == before


def test_a_link_into_nowhere_is_there_too(quick_command: RunCommand, tmp_path: Path) -> None:
    """A broken link in the starter's place is a person's, and nothing is written through it."""
    (tmp_path / "demos" / "blueprints").mkdir(parents=True)
    (tmp_path / "demos" / "blueprints" / "brightwell.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert quick_command("init", tmp_path / "demos").code == 2
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    ("link", "target", "name", "said"),
    [
        ("demos/blueprints", "../mine", "demos", "demos/blueprints is a link to ../mine, and nothing is"),
        ("demos/plans", "../mine", "demos", "demos/plans is a link to ../mine, and nothing is"),
        ("demos/plans", "../demos", "demos", "demos/plans is a link to ../demos, and nothing is"),
        ("demos/plans", "/nowhere", "demos", "demos/plans is a broken link to /nowhere"),
        ("demos/demo_tenants", "../mine", "demos", "demos/demo_tenants is a link to ../mine, and nothing is"),
        ("broken", "/nowhere", "broken", "broken is a broken link to /nowhere"),
        ("broken", "/nowhere", "broken/demos", "broken is a broken link to /nowhere"),
        ("loop", "loop", "loop", "loop is a broken link to loop"),
    ],
)
def test_nothing_is_written_through_a_link_out_of_the_folder(
    link: str,
    target: str,
    name: str,
    said: str,
    quick_command: RunCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A link in the place of a folder, also a broken one, is exit code 2 with its target and a remedy."""
    monkeypatch.chdir(tmp_path)
    for folder in ("mine", "demos"):
        (tmp_path / folder).mkdir()
    (tmp_path / link).symlink_to(target)
    done = quick_command("init", name, "--json")
    assert done.code == 2
    assert said in done.error["message"]
    assert "remove the link, or name another folder" in done.error["message"]
    assert not files_of(tmp_path)
    assert (tmp_path / link).is_symlink()


def test_a_folder_may_be_reached_by_a_link(quick_command: RunCommand, tmp_path: Path) -> None:
    """The folder itself may be a link to a folder that is there."""
    (tmp_path / "real").mkdir()
    (tmp_path / "demos").symlink_to("real")
    assert quick_command("init", tmp_path / "demos").code == 0
    assert set(files_of(tmp_path / "real")) == FILES


@pytest.mark.parametrize("name", [".", "demos"])
def test_a_current_folder_that_was_removed_is_named(name: str, tmp_path: Path) -> None:
    """Exit code 2 with that reason; with the whole path of a folder ``init`` works there, too."""
    line = f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {PROGRAM} init "
    environment = clean_environment()
    done = run_program("-c", line + name, environment=environment, program=("bash",))
    assert done.code == 2
    assert "the current folder was removed; cd to a folder that exists" in " ".join(done.err.split())
    done = run_program("-c", line + f"{tmp_path}/demos", environment=environment, program=("bash",))
    assert done.code == 0, done.err
    assert f"cd {tmp_path}/demos" in done.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("note.txt", "is a file"),
        ("note.txt/demos", "cannot be written (Not a directory)"),
        ("a\nb", "use characters that can be printed"),
        ("", "use characters that can be printed"),
        ("taken", "taken/plans is a file, and a folder of that name is needed"),
        ("x" * 300, "cannot be written (File name too long)"),
    ],
)
def test_a_folder_that_cannot_be_is_refused(
    name: str, said: str, quick_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 with the reason, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "plans").write_text("mine", encoding="utf-8")
    before = files_of(tmp_path)
    done = quick_command("init", name)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert quick_command("init", name, "--json").error["message"]
    assert files_of(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.txt", "taken"]


def test_the_clone_of_the_project_is_no_folder_to_work_in(
    quick_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the project's own folder the message says what to do, and no bundled blueprint is added."""
    monkeypatch.chdir(PROJECT)
    before = blueprint_paths(BUNDLED_BLUEPRINTS)
    done = quick_command("init")
    assert done.code == 2
    assert "demo-pipeline init crm-demos" in done.err
    assert blueprint_paths(BUNDLED_BLUEPRINTS) == before
    assert not (PROJECT / FOLDER_MARKER).exists()


def test_a_folder_that_is_read_only_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 with the system's reason and a remedy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        with ordinary_user():
            code = main.run(["init", str(folder / "demos")])
        assert code == 2
        assert not list(folder.iterdir())
    said = capsys.readouterr().err
    assert "demos cannot be written (Permission denied), and nothing was left behind" in said
    assert "folder in which you may write" in said


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """What was written before the file that could not be is removed, folders that were made included."""
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    # The second file is longer than a file may be here.
    line = f"ulimit -f 8 && exec {PROGRAM} init {tmp_path} --json"
    done = run_program("-c", line, environment=clean_environment(), program=("bash",))
    assert done.code == 2, done.err
    assert "File too large" in done.error["message"]
    assert files_of(tmp_path) == {"README.md": b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_no_database_is_needed_and_the_clock_can_be_set(tmp_path: Path) -> None:
    """The plan is for the month before that of DEMO_NOW, with a database that does not answer."""
    environment = clean_environment(
        {"DEMO_DATABASE_URL": "postgresql://127.0.0.1:1/none", "DEMO_NOW": "2025-01-31T23:00:00-05:00"}
    )
    done = run_program("init", tmp_path / "a" / "b", environment=environment)
    assert done.code == 0, done.err
    plan = (tmp_path / "a" / "b" / "plans" / "more-deals.csv").read_text(encoding="utf-8")
    assert plan.splitlines()[1].startswith("2025-01,")
    schema = json.loads((tmp_path / "a" / "b" / "blueprints" / "schema.json").read_text(encoding="utf-8"))
    assert "brightwell" not in json.dumps(schema)
    assert schema["properties"]["name"]["description"]


def test_where_blueprints_come_from(
    quick_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's own in a folder that init made, the bundled ones elsewhere; the variable wins."""
    monkeypatch.delenv("DEMO_BLUEPRINTS", raising=False)
    assert quick_command("init", tmp_path / "demos").code == 0
    monkeypatch.chdir(tmp_path)
    assert load_settings().blueprints == BUNDLED_BLUEPRINTS
    monkeypatch.chdir(tmp_path / "demos" / "plans")
    assert load_settings().blueprints == BUNDLED_BLUEPRINTS
    monkeypatch.chdir(tmp_path / "demos")
    assert load_settings().blueprints == tmp_path / "demos" / "blueprints"
    monkeypatch.setenv("DEMO_BLUEPRINTS", str(tmp_path))
    assert load_settings().blueprints == tmp_path
    monkeypatch.delenv("DEMO_BLUEPRINTS")
    (tmp_path / "demos" / FOLDER_MARKER).unlink()
    assert load_settings().blueprints == BUNDLED_BLUEPRINTS
