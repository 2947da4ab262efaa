"""Output on the terminal: results on stdout, messages on stderr, command lines that a person can copy.

A terminal gets colours and rules; a file or a pipe gets plain columns. A reader that closes the pipe
(``| head``) is no error. Every text is made neutral here, so that a terminal shows control characters and
does not obey them. What is shown belongs in the commands and in ``tables``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from demo_pipeline.domain.core.errors import OutputLostError
from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.rendering.table import Table, json_ready, plain_text, terminal_text
from demo_pipeline.storage.connection.masking import masked

# -- data ------------------------------------------------------------------------------------------------


def write_text(text: str) -> None:
    """A line, or lines, on stdout."""
    _write(sys.stdout, neutral(text) + "\n")


def write_document(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout; ids, months, instants and the like become text."""
    is_utf8 = sys.stdout is not None and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    write_text(json.dumps(json_ready(document), ensure_ascii=not is_utf8, indent=2))


def write_table(table: Table[Any]) -> None:
    """A table on stdout, without columns that are empty in every row."""
    if sys.stdout is not None and sys.stdout.isatty():
        # Not made neutral again: the cells are, and the colours are ours.
        _write(sys.stdout, terminal_text(table, sys.stdout) + "\n")
    else:
        write_text(plain_text(table))


def write_answer(document: Mapping[str, Any], text: str, *, json: bool) -> None:
    """A result on stdout: ``document`` with ``json``, else ``text``."""
    if json:
        write_document(document)
    else:
        write_text(text)


# -- messages --------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A message on stderr, without passwords."""
    _write(sys.stderr, _message(text) + "\n")


def show_log_messages() -> None:
    """Show warnings of libraries, which come through the log, as messages."""
    import logging

    class Messages(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(self.format(record))

    logging.getLogger().addHandler(Messages(logging.WARNING))


def say_coloured(word: str, style: str, text: str) -> None:
    """A message that begins with a word; the word is coloured on a terminal."""
    if sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        word = f"\x1b[{style}m{word}\x1b[0m"
    _write(sys.stderr, f"{word} {_message(text)}\n")


def _message(text: str) -> str:
    return neutral(masked(text))


def warn(text: str) -> None:
    """A message about something that needs no action."""
    say_coloured("warning:", "33", text)


def note(text: str) -> None:
    """A message that explains a result."""
    say_coloured("note:", "36", text)


def _write(stream: TextIO | None, text: str) -> None:
    """Write and flush; a closed pipe is no error. Raises ``OutputLostError``."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Python flushes again at exit and would report the error again.
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise OutputLostError(
                f"standard output cannot be written ({error.strerror}), so what came out is lost; a job that "
                f"was completed stays: {command_line('job list')} shows it"
            ) from None
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()


# -- command lines to copy -------------------------------------------------------------------------------

#: name of the console script
_SCRIPT: Final = "demo-pipeline"


def command_line(arguments: str) -> str:
    """A command line of this program that can be typed in the current folder."""
    try:
        return f"{program_from(Path())} {arguments}"
    except OSError:  # the current folder was deleted
        return f"{_SCRIPT} {arguments}"


def program_from(folder: Path) -> str:
    """This program as typed in ``folder``: its name if the shell finds it by that, else its path."""
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
