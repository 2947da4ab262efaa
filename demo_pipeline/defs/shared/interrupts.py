"""Ctrl-C and *Terminate run* while a job writes.

Dagster raises an exception of its own, which neither the services nor psycopg know: a statement that is
being executed would go on in the server. A ``KeyboardInterrupt`` cancels it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import dagster as dg

from demo_pipeline.domain.core.errors import InterruptedJobError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_end_the_job() -> Generator[None]:
    """Interrupts reach the block as ``KeyboardInterrupt``, and Dagster as what it expects.

    The job has rolled back by then, and raised ``InterruptedJobError``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    handlers = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    except (InterruptedJobError, KeyboardInterrupt) as error:
        raise dg.DagsterExecutionInterruptedError(str(error)) from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
