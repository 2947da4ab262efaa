"""``export`` on the command line."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.cli import RunCommand


def test_files_are_written_and_named(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """A table of files, the months that are not released, and the same as one document."""
    done = quick_command("export", kranz, tmp_path / "first")
    assert done.code == 0, done.out
    assert done.out.startswith(f"{kranz}: ")
    assert "not released" in done.err
    assert (tmp_path / "first" / "deals.parquet").exists()
    document = quick_command("export", kranz, tmp_path / "second", "--format", "csv", "--json").document
    assert {one["file"] for one in document["tables"]} < {
        path.name for path in (tmp_path / "second").iterdir()
    }
    assert document["certificate_holds"] is True
    assert document["unreleased"]


def test_what_is_wrong_is_said(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Exit 2 for a folder with other files, an unknown format and an unknown tenant; nothing is written."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("keep")
    for line, said in (
        (("export", kranz, tmp_path / "taken", "--replace"), "is not empty, and holds no export"),
        (
            ("export", kranz, tmp_path / "new", "--format", "excel"),
            "'excel' is no format; write parquet, csv",
        ),
        (("export", "kranx", tmp_path / "new"), "kranz"),
    ):
        done = quick_command(*line)
        assert (done.code, said in done.err) == (2, True), done.err
    assert not (tmp_path / "new").exists()
