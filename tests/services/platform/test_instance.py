"""Dagster's folder: our file is kept fresh, another's is left alone, and the environment is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.services.platform.instance import INSTANCE_FILE, STORAGE_VARIABLE, prepare_instance
from demo_pipeline.settings import FOLDER_MARKER, Settings
from demo_pipeline.storage.connection.database import Database
from tests.paths import PROJECT

STORAGE = "postgresql+psycopg2://dagster@127.0.0.1/dagster"
DATABASE = Database(admin_url="postgresql://nobody@127.0.0.1/nowhere", dagster_url=STORAGE)


def settings_of(home: Path, dagster_home: Path | None = None) -> Settings:
    """Settings that name these folders, whatever the environment says."""
    return Settings(home=home).model_copy(update={"dagster_home_override": dagster_home})


def test_the_folder_and_the_variables_are_made(tmp_path: Path) -> None:
    """Dagster finds its file, its storage and the same state as this process, from any folder."""
    found = prepare_instance(settings_of(tmp_path / "home"), DATABASE)
    folder = tmp_path / "home" / "dagster"
    assert found == {
        "DAGSTER_HOME": str(folder),
        "DEMO_HOME": str(tmp_path / "home"),
        STORAGE_VARIABLE: STORAGE,
    }
    assert (folder / INSTANCE_FILE).read_bytes() == (PROJECT / INSTANCE_FILE).read_bytes()


def test_an_inbox_of_ones_own_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's processes run elsewhere: a relative ``DEMO_INBOX`` reaches them as the folder it is."""
    monkeypatch.chdir(tmp_path)
    settings = settings_of(tmp_path / "home").model_copy(update={"inbox": Path("plans")})
    assert prepare_instance(settings, DATABASE)["DEMO_INBOX"] == str(tmp_path / "plans")


def test_blueprints_of_ones_own_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's processes provision what the command that started them would, named or of the folder."""
    monkeypatch.chdir(tmp_path)
    settings = settings_of(tmp_path / "home").model_copy(update={"blueprints": Path("mine")})
    assert prepare_instance(settings, DATABASE)["DEMO_BLUEPRINTS"] == str(tmp_path / "mine")
    monkeypatch.delenv("DEMO_BLUEPRINTS", raising=False)
    (tmp_path / FOLDER_MARKER).touch()
    found = prepare_instance(settings_of(tmp_path / "home"), DATABASE)
    assert found["DEMO_BLUEPRINTS"] == str(tmp_path / "blueprints")


def test_our_file_is_refreshed(tmp_path: Path) -> None:
    """An older release's file gives way to this one's."""
    file = tmp_path / "dagster" / INSTANCE_FILE
    file.parent.mkdir()
    file.write_text("# demo-pipeline: older\n", encoding="utf-8")
    prepare_instance(settings_of(tmp_path), DATABASE)
    assert file.read_bytes() == (PROJECT / INSTANCE_FILE).read_bytes()


def test_a_foreign_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Whoever runs Dagster already keeps his settings."""
    file = tmp_path / "other" / INSTANCE_FILE
    file.parent.mkdir()
    file.write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    found = prepare_instance(settings_of(tmp_path, file.parent), DATABASE)
    assert found["DAGSTER_HOME"] == str(file.parent)
    assert file.read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    """The message names the folder and the variable."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DemoError, match="DAGSTER_HOME"):
        prepare_instance(settings_of(tmp_path, tmp_path / "file" / "below"), DATABASE)


def test_an_instance_of_an_earlier_version_gets_the_launcher_that_sees_killed_runs(tmp_path: Path) -> None:
    """The file of the first version gives way to the one that names the launcher and its polls."""
    file = tmp_path / "dagster" / INSTANCE_FILE
    file.parent.mkdir()
    file.write_text(
        "# demo-pipeline: Dagster's instance. The copy in $DAGSTER_HOME is refreshed from the project's;\n"
        "# to keep a file of your own there, remove this first line.\n"
        "run_monitoring:\n  enabled: true\n  start_timeout_seconds: 180\n  max_runtime_seconds: 7200\n",
        encoding="utf-8",
    )
    prepare_instance(settings_of(tmp_path), DATABASE)
    found = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    assert found["run_launcher"] == {
        "module": "demo_pipeline.defs.shared.run_launcher",
        "class": "ProjectRunLauncher",
    }
    assert found["run_monitoring"]["poll_interval_seconds"] <= 10


def test_what_a_foreign_file_needs_is_what_ours_has() -> None:
    """The settings that the page on Dagster gives to owners of such a file are those of the project's."""
    page = (PROJECT / "docs" / "dagster.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(storage:.*?)```", page, re.DOTALL)
    ours = YAML(typ="safe").load((PROJECT / INSTANCE_FILE).read_text(encoding="utf-8"))
    for name, settings in YAML(typ="safe").load(block).items():
        assert settings == {key: ours[name][key] for key in settings}
