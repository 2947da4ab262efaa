"""Print a fingerprint of every blueprint's rows: a program for any interpreter and numpy.

    python -m tests.domain.generation.print_fingerprints blueprints/*.yaml

Needs numpy, pyarrow, pydantic, ruamel.yaml and tzdata, nothing else of the project's dependencies.
"""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from demo_pipeline.domain.core.arrow import column
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.services.files.blueprint_files import read_blueprint

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def fingerprint(path: Path) -> str:
    """SHA-256 over the values of all rows, column by column, in the order in which they are made."""
    spec = read_blueprint(path, NOW, seed_source=lambda: "no seed is made here").spec
    generator = Generator(spec, NOW)
    digest = hashlib.sha256()
    batches = [*generator.team.batches().values()]
    batches += [batch.rows for month in spec.months for batch in generator.month(month)]
    for rows in batches:
        for name in rows.schema.names:
            values = column(rows, name)
            # As numbers: which class stands for UTC is the reader's choice.
            plain = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
            digest.update(f"{name}{plain.to_pylist()!r}".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(f"{Path(name).stem} {fingerprint(Path(name))}\n")
