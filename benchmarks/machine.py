"""What was measured on: a number without its machine says nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

_PACKAGES: Final = ("numpy", "pyarrow", "pgpq", "psycopg", "sqlalchemy", "dagster")


def machine() -> dict[str, str]:
    """Processor, memory, kernel, and how busy it was before."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": "unknown" if load is None else f"{load:.2f}",
    }


def versions(server: str | None) -> dict[str, str]:
    """What the numbers depend on; ``server`` is that of PostgreSQL."""
    found = {"Python": platform.python_version()}
    if server is not None:
        found["PostgreSQL"] = server
    return found | {package: version(package) for package in _PACKAGES}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
