"""How this program and a folder are written in a command line that a person is to copy."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def program_from(folder: Path) -> str:
    """This program as it can be called in ``folder``: by its name where that is enough, else by its path."""
    own = Path(sys.argv[0])
    found = shutil.which(own.name)
    # A relative folder in PATH holds for the current folder only.
    if found is not None and Path(found).is_absolute() and own.exists() and Path(found).samefile(own):
        return own.name
    near, whole = os.path.relpath(own, folder), os.path.abspath(own)  # noqa: PTH100 - without ..
    return shell_path(Path(near if len(near) <= len(whole) else whole))


def shell_path(path: Path) -> str:
    """A path as one word of a shell's command line, never an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
