"""Time zones of the pinned IANA database, never the system's. What is open when is in ``calendar``."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def load_timezone(name: str) -> ZoneInfo:
    """A time zone by its IANA name; an unknown one is a ``ValueError``."""
    parts = name.split("/")
    if not all(part and part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise ValueError(f"{name!r} is not a time zone")
    try:
        with files("tzdata").joinpath("zoneinfo", *parts).open("rb") as stream:
            return ZoneInfo.from_file(stream, key=name)
    except (OSError, ValueError):
        raise ValueError(f"{name!r} is not a time zone of the IANA database") from None
