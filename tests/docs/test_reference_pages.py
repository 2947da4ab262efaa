"""The reference pages are what the code says, and name every variable that the code reads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import pytest

from demo_pipeline.domain.blueprint.growth import CURVE_TEXTS, CURVES
from demo_pipeline.domain.blueprint.keys import blueprint_keys, walk
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.settings import Caps, Settings
from scripts.build_docs import REFERENCE, ROOT, differing, rendered
from scripts.reference_pages import curves_page
from scripts.reference_pages.settings_page import INTERNAL, OTHERS, TESTS, variable_name

#: bytes of one plot
MOST_BYTES: Final = 15_000
#: what a variable's name looks like
VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
ACCESS: Final = re.compile(r"(?:os\.)?(?:environ(?:\.(?:get|pop))?|getenv)")
#: beginnings of names, whose whole is on the page
PREFIXES: Final = frozenset({"DEMO", "DEMO_", "DEMO_CAP", "DEMO_CAP_"})
#: set for programs that are started, never read
SET_ALONE: Final = frozenset({"LC_ALL"})
#: read by libpq's rules and not by name
LIBPQ: Final = re.compile(r"PG[A-Z]*")


@pytest.fixture(scope="module")
def files() -> Mapping[Path, str]:
    """Every file that comes from the code, as it would be written now."""
    return rendered()


def test_pages_and_files_are_what_the_code_says(files: Mapping[Path, str]) -> None:
    """``make docs`` would change nothing."""
    assert differing(files) == [], "run: make docs"


def test_what_is_out_of_date_is_found(tmp_path: Path) -> None:
    """A page that is missing, one that differs, and one that nothing renders any more."""
    files = {REFERENCE / "a.md": "a", REFERENCE / "b.md": "b", Path("schema.json"): "{}"}
    (tmp_path / REFERENCE).mkdir(parents=True)
    for path, text in {**files, REFERENCE / "b.md": "old", REFERENCE / "old.svg": ""}.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    (tmp_path / "schema.json").unlink()
    assert differing(files, tmp_path) == sorted(
        [REFERENCE / "b.md", REFERENCE / "old.svg", Path("schema.json")]
    )


def test_every_key_is_on_the_page(files: Mapping[Path, str]) -> None:
    """The reference has a row for each key of a blueprint, with its meaning."""
    page = files[REFERENCE / "blueprint.md"]
    for _, key in walk(blueprint_keys()):
        row = re.search(rf"(?m)^\| \[?`{key.name}`.*$", page)
        assert row
        assert key.meaning.replace("|", "\\|") in page


def test_every_curve_and_industry_has_a_plot(files: Mapping[Path, str]) -> None:
    """The pages show each of them, in a picture that exists."""
    assert tuple(CURVE_TEXTS) == CURVES
    for page, kind, names in (("curves.md", "curve", CURVES), ("industries.md", "industry", INDUSTRIES)):
        for name in names:
            picture = f"images/{kind}-{name}.svg"
            assert f"## `{name}`" in files[REFERENCE / page]
            assert f"]({picture})" in files[REFERENCE / page]
            assert REFERENCE / picture in files


def test_plots_are_small_and_the_same_every_time(files: Mapping[Path, str]) -> None:
    """No date, no version and no colour of a page in them; drawn twice they have the same bytes."""
    plots = {path: text for path, text in files.items() if path.suffix == ".svg" and "-" in path.stem}
    assert len(plots) == len(CURVES) + len(INDUSTRIES)
    for path, text in plots.items():
        assert len(text.encode()) <= MOST_BYTES, path
        assert "matplotlib" not in text.lower()
        assert "metadata" not in text
        assert "#ffffff" not in text
    again = {REFERENCE / name: text for name, text in curves_page.render().items()}
    assert again == {path: files[path] for path in again}


def test_commands_import_the_plotter_only_when_they_draw() -> None:
    """No module of the command line imports it: every command would pay for it."""
    code = (
        "import pkgutil, importlib, sys, demo_pipeline.cli as cli\n"
        "for one in pkgutil.walk_packages(cli.__path__, 'demo_pipeline.cli.'):\n"
        "    importlib.import_module(one.name)\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# -- settings --------------------------------------------------------------------------------------------


def names_read(source: str) -> Iterator[str]:
    """The environment variables that a module reads, as far as their names stand in it.

    Literals and constants at an access to the environment; every text that is the name of one of this
    project's variables; in a module that uses the environment every text that looks like a name.
    """
    tree = ast.parse(source)
    uses_environment = "environ" in source or "getenv" in source
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if VARIABLE.fullmatch(text) and (uses_environment or text.startswith(("DEMO_", "DAGSTER_"))):
                yield text
        elif isinstance(node, ast.Call | ast.Subscript):
            yield from _accessed(node)


def _accessed(node: ast.Call | ast.Subscript) -> Iterator[str]:
    """The literal name at ``environ[...]``, ``environ.get(...)``, ``environ.pop(...)``, ``getenv(...)``."""
    target = node.func if isinstance(node, ast.Call) else node.value
    if not ACCESS.fullmatch(ast.unparse(target)):
        return
    key = (node.args or [None])[0] if isinstance(node, ast.Call) else node.slice
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        yield key.value


def named_on_page(files: Mapping[Path, str]) -> set[str]:
    """Every variable that the page has a row for."""
    rows = re.findall(r"(?m)^\| (`[^|]*) \|", files[REFERENCE / "settings.md"])
    return {name for row in rows for name in re.findall(r"`([^`]+)`", cast("str", row))}


def test_every_variable_that_the_code_reads_is_on_the_page(files: Mapping[Path, str]) -> None:
    """A variable that a module of the program reads, or the tests' own one, has a row."""
    named = named_on_page(files)
    missing = {
        (path.relative_to(ROOT).as_posix(), name)
        for folder in ("demo_pipeline", "scripts", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for name in names_read(path.read_text(encoding="utf-8"))
        if name not in named
        and name not in PREFIXES | SET_ALONE
        and not LIBPQ.fullmatch(name)
        and (folder == "demo_pipeline" or name.startswith("DEMO_TEST_"))
    }
    assert missing == set()


def test_no_variable_on_the_page_is_made_up(files: Mapping[Path, str]) -> None:
    """Each row is a field of the settings, or is in the code."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("demo_pipeline", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
    )
    fields = {variable_name(model, name) for model in (Settings, Caps) for name in model.model_fields}
    others = {name for table in (OTHERS, INTERNAL, TESTS) for names in table for name in names.split(", ")}
    assert named_on_page(files) == fields | others
    assert all(f'"{name}"' in code for name in others - {"PG*"})


def test_a_setting_without_an_effect_is_found() -> None:
    """Every field of the settings says what it does, and a number what it counts."""
    for model in (Settings, Caps):
        schema = model.model_json_schema(by_alias=False)["properties"]
        for name, field in model.model_fields.items():
            assert field.description, name
            assert "unit" in schema[name] or "default_text" in schema[name], name


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['DEMO_NEW']",
        "import os\nos.environ.get('SHELL_NAME')",
        "import os\nos.getenv('SHELL')",
        "import os\nNAME = 'SHELL_NAME'\nos.environ.get(NAME)",
        "URL = 'DEMO_NEW'",
    ],
)
def test_a_variable_that_is_read_is_found(source: str) -> None:
    """The test above can fail: each way to read a variable is seen."""
    assert list(names_read(source))
