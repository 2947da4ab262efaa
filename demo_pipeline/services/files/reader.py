"""The one reader of files: bytes to a nested document or a table, whatever they are to be read as.

Promises a document or an ``InputError``, whatever the file holds: its size is checked before it is read,
its kind by the first bytes (a name may say anything), and messages quote at most forty characters of a value.
What differs between blueprints and plans here is a ``FileUse``; their keys are the domain's.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.parsing.document import NestedDocument, Problems, TableDocument, refused
from demo_pipeline.domain.parsing.scalars import shortened
from demo_pipeline.services.files.csv_files import is_table, read_tabbed, read_table

#: of plans
PlanFormat = Literal["csv", "xlsx", "json", "yaml"]
#: of all files that people bring
FileFormat = PlanFormat | Literal["tsv"]
SUFFIXES: Final[Mapping[str, PlanFormat]] = {
    ".csv": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
}
MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class FileUse:
    """What a file is read as, as far as its bytes are concerned."""

    #: for a file that is too large
    too_large: str
    #: for an empty file; empty: what the reader of its format says
    empty: str = ""
    #: YAML is read at a hundred thousand characters a second
    most_yaml_bytes: int = MOST_BYTES
    #: what an empty YAML file is advised to say
    yaml_example: str
    #: instead of what a file of another kind is advised to
    other_kind: str = ""
    #: of a list, whose first row names some of them; empty: a table is a plan
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of file that people hand in instead, and what to do with it."""

    #: as in "this is a PDF"
    name: str
    #: what to write or export
    remedy: str


WORKBOOK: Final = FileKind(name="an Excel workbook (.xlsx)", remedy="rename the file to .xlsx")
_SAVE_AS_WORKBOOK: Final = "save it as .xlsx or export it as CSV"
_EXPORT: Final = "export the figures as CSV or .xlsx"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: first bytes → name and remedy
_SIGNATURES: Final[Mapping[bytes, tuple[str, str]]] = {
    b"%PDF-": ("a PDF", _EXPORT),
    _OLD_OFFICE: ("an old Office file (.xls)", _SAVE_AS_WORKBOOK),
    b"\x89PNG\r\n": ("a picture (PNG)", _EXPORT),
    b"\xff\xd8\xff": ("a picture (JPEG)", _EXPORT),
    b"GIF8": ("a picture (GIF)", _EXPORT),
    b"\x1f\x8b": ("a gzip archive", "unpack it first"),
    b"PAR1": ("a Parquet file", _EXPORT),
    b"SQLite format 3\0": ("an SQLite database", _EXPORT),
    b"{\\rtf": ("a text document (RTF)", _EXPORT),
}
#: beginnings of text, in lower case → name
_MARKUP: Final[Mapping[bytes, str]] = {
    b"<!doctype html": "a web page (HTML)",
    b"<html": "a web page (HTML)",
    b"<table": "a web page (HTML)",
    b"<?xml": "an XML document",
}
#: Old workbooks and workbooks with a password are in the same container.
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
#: a name in a ZIP archive → name and remedy
_PACKAGES: Final[Mapping[str, tuple[str, str]]] = {
    "xl/workbook.xml": (WORKBOOK.name, WORKBOOK.remedy),
    "xl/workbook.bin": ("a binary Excel workbook (.xlsb)", _SAVE_AS_WORKBOOK),
    "word/document.xml": ("a Word document", _EXPORT),
    "ppt/presentation.xml": ("a PowerPoint presentation", _EXPORT),
    "Index/Document.iwa": ("a Numbers or Pages document", _SAVE_AS_WORKBOOK),
}
_FORMAT_NAMES: Final[Mapping[FileFormat, str]] = {
    "csv": "CSV",
    "tsv": "a table with tabs",
    "xlsx": WORKBOOK.name,
    "json": "JSON",
    "yaml": "YAML",
}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
#: DOS ended text files with this character.
_END_OF_FILE: Final = re.compile(r"\x1a\s*\Z")


def read_content(path: Path, source: str, use: FileUse) -> bytes:
    """The bytes of a file within the limit. Raises ``InputError``; ``source`` is what messages call it."""
    try:
        # Before it is opened: to open a pipe would wait for its writer.
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            message = "is a directory; name a file"
            raise refused(source, Problem(code="is_a_directory", value=source, message=message))
        if not stat.S_ISREG(status.st_mode):
            message = "is not a regular file; save its content as one"
            raise refused(source, Problem(code="not_a_file", value=source, message=message))
        if status.st_size > MOST_BYTES:
            raise _too_large(source, use)
        with path.open("rb") as file:
            return limited(file, source, use)
    except FileNotFoundError:
        message = "there is no such file"
        raise refused(source, Problem(code="file_not_found", value=source, message=message)) from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such name"
        raise refused(
            source, Problem(code="unreadable_file", value=source, message=f"cannot be read: {reason}")
        ) from None


def limited(file: BinaryIO, source: str, use: FileUse) -> bytes:
    """What an open file holds. Raises ``InputError`` if that is too much."""
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _too_large(source, use)
    return content


def read_document(
    content: bytes,
    file_format: FileFormat | None,
    use: FileUse,
    source: str,
    problems: Problems,
    sheet: str | None = None,
) -> NestedDocument | TableDocument:
    """The document that a file holds; without a format its bytes decide: ``{`` is JSON, a header CSV.

    ``sheet`` names the sheet of a workbook; without it the first visible one. Raises ``InputError`` where the
    file cannot be read at all; what else is wrong with a table is added to ``problems``.
    """
    if len(content) > MOST_BYTES:
        raise _too_large(source, use)
    if use.empty and not content.removeprefix(_BYTE_ORDER_MARK).strip():
        raise refused(source, Problem(code="empty_file", message=f"the file is empty; {use.empty}"))
    kind = kind_of(content)
    if file_format is None and kind == WORKBOOK:
        file_format = "xlsx"
    if file_format == "xlsx":
        return _read_workbook(content, kind, source, sheet, use)
    if file_format is None:
        file_format = _format_of(loose_text(content)) or "yaml"
    if sheet is not None:
        name = _FORMAT_NAMES[file_format]
        message = f"only a workbook has sheets, and this is {name}; leave --sheet out"
        raise refused(
            source, Problem(code="no_workbook", field="--sheet", value=shortened(sheet), message=message)
        )
    if kind is not None:
        raise _other_kind(source, kind.name, use.other_kind or kind.remedy)
    text = _text(content, source, file_format)
    if file_format == "csv":
        if _is_json(text):
            raise _named_wrongly(source, "json")
        return read_table(text, problems, use.columns)
    if file_format == "tsv":
        return read_tabbed(text)
    if file_format == "yaml" and len(content) > use.most_yaml_bytes:
        raise _too_large(source, use, use.most_yaml_bytes)
    # Imported here: a table needs no YAML library.
    from demo_pipeline.services.files.nested_files import parse_json, parse_yaml

    try:
        if file_format == "json":
            return parse_json(text, source)
        return parse_yaml(text, source, example=use.yaml_example)
    except InputError:
        # A comment or a text of a good file may look like a header.
        if _format_of(text) == "csv":
            raise _named_wrongly(source, "csv") from None
        raise


def kind_of(content: bytes) -> FileKind | None:
    """The kind of a file that is not plain text; None for text and for what is not known."""
    for signature, (name, remedy) in _SIGNATURES.items():
        if content.startswith(signature):
            if _ENCRYPTED in content:
                return FileKind(name="a workbook with a password", remedy="save it without one")
            return FileKind(name=name, remedy=remedy)
    if content.startswith(b"PK\x03\x04"):
        return _package(content)
    start = content[:100].removeprefix(_BYTE_ORDER_MARK).lstrip().lower()
    name = next((name for mark, name in _MARKUP.items() if start.startswith(mark)), None)
    return FileKind(name=name, remedy=_EXPORT) if name else None


def loose_text(content: bytes) -> str:
    """The characters of a file that may be no text; a byte that is none becomes U+FFFD."""
    return content.decode("utf-16" if _is_wide(content) else "utf-8-sig", errors="replace")


def _package(content: bytes) -> FileKind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return FileKind(name="a damaged ZIP archive or workbook", remedy="save or copy it again")
    if {"content.xml", "mimetype"} <= names:
        return FileKind(name="an OpenDocument file (.ods)", remedy=_SAVE_AS_WORKBOOK)
    found = (pair for name, pair in _PACKAGES.items() if name in names)
    name, remedy = next(found, ("a ZIP archive", "unpack it first"))
    return FileKind(name=name, remedy=remedy)


def _format_of(text: str) -> FileFormat | None:
    """``json`` or ``csv`` where the first characters or a header show it."""
    if _is_json(text):
        return "json"
    return "csv" if is_table(text) else None


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in {"{", "["}


def _read_workbook(
    content: bytes, kind: FileKind | None, source: str, sheet: str | None, use: FileUse
) -> TableDocument:
    if kind is None:
        found = _format_of(content.decode("utf-8", errors="replace"))
        if found:
            raise _named_wrongly(source, found)
        what = "rows" if use.columns else "months"
        raise _other_kind(source, "not an Excel workbook", f"export the {what} as .xlsx or CSV")
    if kind != WORKBOOK:
        raise _other_kind(source, kind.name, kind.remedy)
    from demo_pipeline.services.files.workbooks import read_sheet

    return read_sheet(content, sheet, source, is_plan=not use.columns)


def _text(content: bytes, source: str, file_format: FileFormat) -> str:
    """UTF-8, or UTF-16 with the mark that spreadsheets put in front of it; CSV in Windows-1252 too."""
    encoding = "utf-16" if _is_wide(content) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        try:
            # As Excel saves "CSV" in western Europe.
            text = content.decode(
                "cp1252" if file_format in {"csv", "tsv"} and not _is_wide(content) else encoding
            )
        except UnicodeDecodeError:
            line = None if _is_wide(content) else content.count(b"\n", 0, error.start) + 1
            name = "UTF-16" if _is_wide(content) else "UTF-8"
            message = f"is not text in {name}; export or save it as UTF-8"
            raise refused(source, Problem(code="not_utf8", line=line, message=message)) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = "has a NUL character, so it is not UTF-8 (UTF-16 needs a byte order mark); save it as UTF-8"
        raise refused(source, Problem(code="control_character", line=line, message=message))
    return _END_OF_FILE.sub("", text)


def _is_wide(content: bytes) -> bool:
    return content.startswith((b"\xff\xfe", b"\xfe\xff"))


def _too_large(source: str, use: FileUse, most_bytes: int = MOST_BYTES) -> InputError:
    message = f"is larger than {most_bytes:,} bytes; {use.too_large}"
    return refused(source, Problem(code="file_too_large", value=source, message=message))


def _named_wrongly(source: str, file_format: FileFormat) -> InputError:
    return _other_kind(source, _FORMAT_NAMES[file_format], f"rename the file to .{file_format}")


def _other_kind(source: str, name: str, remedy: str) -> InputError:
    return refused(source, Problem(code="other_kind", message=f"this is {name}; {remedy}"))
