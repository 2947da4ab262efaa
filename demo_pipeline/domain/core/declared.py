"""What all mappings of a blueprint have in common: no unknown keys, a key without a value is absent."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, model_validator


class Declared(BaseModel):
    """A mapping of a blueprint."""

    # Built when something is declared: jobs only compute with declarations, and need not wait for it.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, values: Any) -> Any:
        """``seed:`` without a value says nothing; an unknown key without one is still unknown."""
        if not isinstance(values, dict):
            return values
        given = cast("dict[Any, Any]", values)
        return {
            key: value for key, value in given.items() if value is not None or key not in cls.model_fields
        }
