"""``docs/reference/settings.md``: every environment variable. What a setting does is said in ``settings``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from demo_pipeline.domain.blueprint.keys import range_text
from demo_pipeline.settings import Caps, Settings
from scripts.reference_pages.markdown import head, page, table

#: read elsewhere than in ``settings``
OTHERS: Final[Mapping[str, str]] = {
    "DEMO_DEBUG": "Set to anything but `0`, `false` or `no`: an error comes with its traceback.",
    "NO_COLOR": "Set to anything: messages have no colour.",
    "PG*": "Variables of libpq: no effect on the embedded server; on a given server they fill in what its "
    "URL leaves open. See [servers](../servers.md#libpqs-variables).",
    "LD_LIBRARY_PATH, DYLD_LIBRARY_PATH": "Handed to the programs of the embedded server, which get no other "
    "variable of the caller.",
}
#: the program's own, for the processes that it starts
INTERNAL: Final[Mapping[str, str]] = {
    "DEMO_DAGSTER_STORAGE_URL": "Address of Dagster's database.",
}
#: of the tests
TESTS: Final[Mapping[str, str]] = {
    "DEMO_TEST_DATABASE_URL": "PostgreSQL URL of a server to test on, instead of an embedded one: a "
    "superuser, or a login with CREATEROLE and CREATEDB.",
    "DEMO_TEST_CHROMIUM": "Path of the browser for the tests of Dagster's pages.",
    "DEMO_TEST_SEED": "Seed of the test that injects random faults into jobs of many tenants at once.",
}
_INTRODUCTION: Final = """\
Everything is set by environment variables; there is no file of settings. A value that cannot be read is exit
code 2, and all of them are named at once, each with its value unless it is a secret. An empty variable is
one that is not set. A warning names a variable that is nearly one of these.

```console
DEMO_CAP_LEADS=80000 demo-pipeline tenant preview blueprints/larkmoor.yaml
```"""
_CAPS: Final = """\
One blueprint or plan can ask for so much; a refusal and a warning name the setting. Beyond a cap is exit code
3. A cap counts the rows of one blueprint or plan, not those of the tenant. Values that are left out follow
the deals and are never refused for what they come to. Every suggestion is within all caps. `patch apply
--split` makes one job of each piece of a plan that fits ([patch plans](../plans.md))."""


def render() -> str:
    """The page."""
    settings = list(_rows(Settings))
    places = [[name, effect, default] for name, effect, default, unit, _ in settings if not unit]
    limits = [row for row in settings if row[3]]
    return page(
        [
            head("Settings", "demo_pipeline/settings.py"),
            _INTRODUCTION,
            "## Places and clock",
            table(["variable", "effect", "default"], places),
            "## Times and limits",
            table(["variable", "effect", "default:", "unit", "range"], limits),
            "## Caps",
            _CAPS,
            table(["variable", "at most so many", "default:", "unit", "range"], _rows(Caps)),
            "## Other variables",
            table(["variable", "effect"], _named(OTHERS)),
            "Set by the program itself for the processes that it starts; do not set it:",
            table(["variable", "is"], _named(INTERNAL)),
            "Read by the tests alone:",
            table(["variable", "effect"], _named(TESTS)),
        ]
    )


def _named(variables: Mapping[str, str]) -> Iterator[list[str]]:
    for names, effect in variables.items():
        yield [", ".join(f"`{name}`" for name in names.split(", ")), effect]


def variable_name(model: type[BaseSettings], name: str) -> str:
    """The environment variable of a field."""
    alias = model.model_fields[name].validation_alias
    return str(alias) if alias else f"{model.model_config.get('env_prefix', '')}{name}".upper()


def _rows(model: type[BaseSettings]) -> Iterator[list[str]]:
    """Variable, effect, default, unit, range of every field."""
    schemas = model.model_json_schema(by_alias=False)["properties"]
    for name, field in model.model_fields.items():
        # What else the field says is in its schema.
        facts: Mapping[str, Any] = schemas[name]
        unit = str(facts.get("unit", ""))
        limits = range_text(facts) if unit else ""
        yield [
            f"`{variable_name(model, name)}`",
            field.description or "",
            str(facts.get("default_text") or _number(field)),
            unit,
            limits,
        ]


def _number(field: FieldInfo) -> str:
    return f"{field.default:,}"
