"""``docs/reference/blueprint.md``: every key of a blueprint. What a key means is said in the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from demo_pipeline.domain.blueprint.keys import BlueprintKey, blueprint_keys, example_lines
from demo_pipeline.domain.documents.starter import STARTER_SLUG
from demo_pipeline.domain.parsing.yaml_text import one_line
from scripts.reference_pages.markdown import head, page, table

_INTRODUCTION: Final = f"""\
A blueprint is a YAML file that declares one demo tenant: `blueprints/<slug>.yaml`. The name of the file is
the tenant's slug: 2 to 39 of `a-z`, `0-9` and `-`, a letter first. Unknown keys are errors. Scalars are read
as written: `NO` is Norway, `007` keeps its zeros. A key without a value counts as left out.

`init` writes a blueprint that explains each key, and `tenant preview` shows its months:

```console
demo-pipeline init crm-demos
demo-pipeline tenant preview crm-demos/blueprints/{STARTER_SLUG}.yaml
```

Editors that know [the JSON Schema](../../blueprints/schema.json) complete and check a blueprint while it is
typed; a first line `# yaml-language-server: $schema=schema.json` names it. What the months after the span
show is in [tenants](../tenants.md), how much a blueprint can ask for in [settings](settings.md#caps), how
totals are spread in [growth curves](curves.md), what an industry brings in [industries](industries.md)."""


def render() -> str:
    """The page."""
    keys = blueprint_keys()
    blocks = [
        head("Keys of a blueprint", "demo_pipeline/domain/blueprint/schema.py"),
        _INTRODUCTION,
        _table(keys),
    ]
    for key in keys:
        blocks += _section(key)
    return page(blocks)


def _section(key: BlueprintKey, depth: int = 2) -> Iterator[str]:
    if not key.below:
        return
    yield f"{'#' * depth} `{key.name}`"
    yield key.meaning
    if key.default is not None:
        yield f"Left out: `{one_line(key.default)}`."
    for example in key.examples:
        yield "\n".join(["```yaml", *example_lines(key.name, example), "```"])
    yield _table(key.below)
    for below in key.below:
        yield from _section(below, depth + 1)


def _table(keys: tuple[BlueprintKey, ...]) -> str:
    return table(["key", "meaning", "type and range", "default", "example"], map(_row, keys))


def _row(key: BlueprintKey) -> list[str]:
    if key.is_required:
        default = "required"
    elif key.default is None:
        default = ""
    else:
        default = "see below" if key.below else f"`{one_line(key.default)}`"
    name = f"[`{key.name}`](#{key.name})" if key.below else f"`{key.name}`"
    examples = "see below" if key.below else ", ".join(f"`{one_line(one)}`" for one in key.examples)
    return [name, key.meaning, " or ".join(key.kinds), default, examples]
