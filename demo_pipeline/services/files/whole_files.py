"""Files that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from demo_pipeline.domain.core.errors import InputError, Problem


def check_place(path: Path, suffix: str) -> None:
    """Raises ``InputError`` for a name without ``suffix``, a missing folder, and a folder of that name.

    For commands that work for a while before they write.
    """
    if path.suffix.lower() != suffix:
        raise _refused("bad_suffix", path, f"the name does not end with {suffix}; rename it")
    for is_wrong, number in ((not path.parent.is_dir(), errno.ENOENT), (path.is_dir(), errno.EISDIR)):
        if is_wrong:
            raise _refused("unwritable_file", path, f"cannot be written: {os.strerror(number)}")


def write_whole(path: Path, content: bytes) -> int:
    """Write a file, over one that is there; its size in bytes. An interrupt leaves nothing behind.

    Raises ``InputError`` where it cannot be written.
    """
    part: str | None = None
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # As any program that saves a file would have made it.
        mask = os.umask(0)
        os.umask(mask)
        Path(part).chmod(0o666 & ~mask)
        Path(part).replace(path)
    except BaseException as error:
        if part is not None:
            with suppress(OSError):
                Path(part).unlink()
        if not isinstance(error, OSError | ValueError):
            raise
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such name"
        raise _refused("unwritable_file", path, f"cannot be written: {reason}") from None
    return len(content)


def _refused(code: str, path: Path, message: str) -> InputError:
    return InputError(f"{path}: {message}", [Problem(code=code, value=str(path), message=message)])
