"""Entry point of ``demo-pipeline``: interrupts, errors and exit codes.

It imports as little as possible, so that Ctrl-C is answered with one line from the start. Commands belong in
``commands``, where ``command_tree`` finds them.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from typer import Typer

    app: Typer

PROGRAM: Final = "demo-pipeline"
INTERRUPTED: Final = 130
_OBJECTS_BETWEEN_COLLECTIONS: Final = 20_000
#: seconds after which an interrupt that Python swallowed is sent again
_AGAIN_SECONDS: Final = 0.05

_was_interrupted = threading.Event()
#: Python writes the number of each signal to it, whichever handler is installed
_signal_pipe: list[int] = []


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    _answer_interrupts()
    # Imports make many objects that stay: with the default of 700 a tenth of a short command is spent on
    # looking for garbage among them.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        from demo_pipeline.cli.kit.console import show_log_messages

        show_log_messages()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = _interrupted_early()
    # Ignore a second Ctrl-C while Python cleans up.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and report errors; returns the exit code."""
    from demo_pipeline.cli.kit import failures

    try:
        from demo_pipeline.cli.command_tree import root

        result = root().main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - no error ends as a traceback
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 1
        return failures.report(error, arguments, was_interrupted=was_interrupted())
    code = result if isinstance(result, int) else 0
    if code == INTERRUPTED and was_interrupted():
        # Typer turns an interrupt into this code without a message.
        return failures.report(KeyboardInterrupt(), arguments, was_interrupted=True)
    return code


def __getattr__(name: str) -> Any:
    """``app``, the Typer application, for tools that walk over the commands."""
    if name == "app":
        from demo_pipeline.cli.command_tree import app

        return app
    raise AttributeError(name)


def was_interrupted() -> bool:
    """Whether Ctrl-C was pressed, also while a library had replaced the handler."""
    if not _was_interrupted.is_set() and _signal_pipe:
        try:
            if signal.SIGINT in os.read(_signal_pipe[0], 4096):
                _was_interrupted.set()
        except BlockingIOError:
            return False
    return _was_interrupted.is_set()


def _answer_interrupts() -> None:
    """Record interrupts: libraries turn a KeyboardInterrupt into other errors."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _was_interrupted.set()
        raise KeyboardInterrupt

    def unraisable(event: Any) -> None:
        if event.exc_type is not None and issubclass(event.exc_type, KeyboardInterrupt):
            # It was raised in a destructor or an import callback, from where it cannot propagate.
            timer = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
            timer.daemon = True
            timer.start()
            return
        sys.__unraisablehook__(event)

    # A shell may start background jobs with the signal ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _signal_pipe.extend(os.pipe())
        for end in _signal_pipe:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(_signal_pipe[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, interrupt)
        sys.unraisablehook = unraisable


def _interrupted_early() -> int:
    """Report an interrupt before errors can be reported, or while one is reported."""
    if sys.stderr is not None:
        sys.stderr.write("interrupted\n")
    return INTERRUPTED


if __name__ == "__main__":
    main()
