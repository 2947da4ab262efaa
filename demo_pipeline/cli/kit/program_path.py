"""How this program and a folder are written in a command line that a person is to copy."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

#: of the console script; started in any other way, the program is not called by its path
_SCRIPT: Final = "demo-pipeline"


def command_line(arguments: str) -> str:
    """A command line of this program that can be typed in the current folder."""
    try:
        return f"{program_from(Path())} {arguments}"
    except OSError:  # the folder is gone
        return f"{_SCRIPT} {arguments}"


def program_from(folder: Path) -> str:
    """This program as it can be called in ``folder``: by its name where that is enough, else by its path."""
    own = Path(sys.argv[0])
    if own.stem != _SCRIPT:
        return _SCRIPT
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
