"""Every key of a blueprint with its meaning, type, range, default and example, as the model declares them.

For what is written for people: the reference page and the starter blueprint. Read from the JSON Schema, which
pydantic makes from the models of ``schema``; no fact is added here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from demo_pipeline.domain.blueprint.schema import json_schema
from demo_pipeline.domain.parsing.yaml_text import one_line

_KINDS: Final[Mapping[str, str]] = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
}


@dataclass(frozen=True, kw_only=True)
class BlueprintKey:
    """One key; ``below`` are the keys of the mapping, or of each mapping of the list, that it holds."""

    name: str
    #: sentences
    meaning: str
    #: what may stand there: one text for each alternative, ``number, 0 to 1``
    kinds: tuple[str, ...]
    is_required: bool
    #: JSON-ready; none: no default of its own
    default: Any
    #: JSON-ready; none for a mapping whose keys have examples
    examples: tuple[Any, ...]
    below: tuple[BlueprintKey, ...] = ()


def blueprint_keys() -> tuple[BlueprintKey, ...]:
    """The keys of a blueprint, in the order of the model."""
    schema = json_schema()
    return _keys(schema, schema["$defs"])


def walk(keys: tuple[BlueprintKey, ...], path: tuple[str, ...] = ()) -> Iterator[tuple[str, BlueprintKey]]:
    """Every key with its dotted path, ``totals.leads_created``, parents first."""
    for key in keys:
        yield ".".join((*path, key.name)), key
        yield from walk(key.below, (*path, key.name))


def example_lines(name: str, example: Any) -> Iterator[str]:
    """A key with an example (JSON-ready) as YAML; of a list of mappings each key on a line of its own.

    Of a mapping with lists each row of a list is on a line.
    """
    below = cast("dict[str, Any]", example) if isinstance(example, dict) else {}
    if any(isinstance(value, list) for value in below.values()):
        yield f"{name}:"
        for key, value in below.items():
            if isinstance(value, list):
                yield f"  {key}:"
                yield from (f"    - {one_line(row)}" for row in cast("list[Any]", value))
            else:
                yield f"  {key}: {one_line(value)}"
        return
    if not isinstance(example, list):
        yield f"{name}: {one_line(example)}"
        return
    yield f"{name}:"
    for entry in cast("list[dict[str, Any]]", example):
        for place, (below, value) in enumerate(entry.items()):
            yield f"  {'-' if place == 0 else ' '} {below}: {one_line(value)}"


def _keys(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[BlueprintKey, ...]:
    required = schema.get("required", ())
    return tuple(
        _key(name, value, definitions, is_required=name in required)
        for name, value in schema["properties"].items()
    )


def _key(
    name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], *, is_required: bool
) -> BlueprintKey:
    alternatives: list[Mapping[str, Any]] = [
        definitions[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for one in schema.get("anyOf", [schema])
        if one.get("type") != "null"
    ]
    below: tuple[BlueprintKey, ...] = ()
    for one in alternatives:
        inner = one.get("items", one)
        # A row that may be a text alone is a mapping all the same.
        inner = inner["anyOf"][0] if "anyOf" in inner else inner
        inner = definitions[inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        if "properties" in inner:
            known: set[str] = {key.name for key in below}
            below = (*below, *(key for key in _keys(inner, definitions) if key.name not in known))
    return BlueprintKey(
        name=name,
        # Pydantic leaves out what a field and its model say in the same words.
        meaning=schema.get("description") or alternatives[0].get("description", ""),
        kinds=tuple(map(_kind, alternatives)),
        is_required=is_required,
        default=schema.get("default"),
        examples=tuple(_in_order(one, [key.name for key in below]) for one in schema.get("examples", ())),
        below=below,
    )


def _in_order(example: Any, names: list[str]) -> Any:
    """Pydantic sorts what it does not know: the keys of an example as the model has them."""
    match example:
        case list():
            return [_in_order(one, names) for one in cast("list[Any]", example)]
        case dict():
            given = cast("dict[str, Any]", example)
            return {name: given[name] for name in names if name in given}
        case _:
            return example


def _kind(schema: Mapping[str, Any]) -> str:
    """A type and its range in words."""
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    declared = schema["type"]
    match declared:
        case "object":
            return "mapping"
        case "array":
            least = schema.get("minItems", 0)
            rows = "list of mappings or texts" if "anyOf" in schema["items"] else "list of mappings"
            return f"{rows}, at least {least}" if least else rows
        case list():
            return " or ".join(_KINDS[one] for one in cast("list[str]", declared))
        case _:
            limits = range_text(schema)
            return f"{_KINDS[declared]}, {limits}" if limits else _KINDS[declared]


def range_text(schema: Mapping[str, Any]) -> str:
    """The bounds of a number or of a text's length in words; empty where there are none."""
    if "maxLength" in schema:
        return f"{schema.get('minLength', 0)} to {schema['maxLength']} characters"
    least, most, above = (
        None if (bound := schema.get(name)) is None else f"{bound:,}"
        for name in ("minimum", "maximum", "exclusiveMinimum")
    )
    if above is not None:
        return f"more than {above}" if most is None else f"more than {above}, at most {most}"
    if least is None:
        return "" if most is None else f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"
