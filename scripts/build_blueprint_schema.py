"""Write ``blueprints/schema.json`` from the model; ``--check`` only says whether it is up to date.

Editors that know the schema complete and check a blueprint while it is typed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from demo_pipeline.domain.blueprint import json_schema

TARGET: Final = Path(__file__).resolve().parent.parent / "blueprints" / "schema.json"


def main() -> int:
    """Write the schema, or with ``--check`` end with 1 where it would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the file is out of date")
    arguments = parser.parse_args()
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if arguments.check:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            print(f"blueprints/{TARGET.name} is not what the code says; run: make docs")
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote blueprints/{TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
