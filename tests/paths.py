"""Where things are in the checkout that is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
BLUEPRINTS: Final = PROJECT / "blueprints"
#: The blueprints that come with the package.
BUNDLED: Final = sorted(BLUEPRINTS.glob("*.yaml"))
