"""A lock between processes of one machine, held on a file and gone with its holder.

Belongs here: the lock alone. What is done under it is the caller's business.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from demo_pipeline.domain.core.errors import DatabaseError

POLL_SECONDS = 0.02


@contextmanager
def file_lock(path: Path, *, wait_seconds: float) -> Generator[None]:
    """Hold ``path`` alone, against other processes and other threads.

    The kernel frees it when the holder ends, however it ends; children do not inherit it.
    Raises ``DatabaseError`` after ``wait_seconds``.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DatabaseError(
                        f"another process has held {path} for more than {wait_seconds:.0f} s: "
                        "wait for it or end it, then try again"
                    ) from None
                time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
