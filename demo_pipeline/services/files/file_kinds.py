"""What a file is by its content, where it is not what was asked for: ``a PDF``, ``an Excel workbook``.

A name may say anything, so only the first bytes are looked at, and of a ZIP archive the names in it. Only
kinds that people are known to hand in are listed. Whether a text is a plan or a blueprint is decided by who
reads it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of file with a name, and what to do with such a file instead."""

    #: as in "this is a PDF"
    name: str
    #: what to write or export; empty: what the reader says of its own kind
    remedy: str = ""


WORKBOOK: Final = FileKind(name="an Excel workbook (.xlsx)")
_SAVE_AS_WORKBOOK: Final = "save it as .xlsx or export it as CSV"
_EXPORT: Final = "export the figures as CSV or .xlsx"

#: first bytes → kind
_SIGNATURES: Final[tuple[tuple[bytes, FileKind], ...]] = (
    (b"%PDF-", FileKind(name="a PDF", remedy=_EXPORT)),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        FileKind(name="an old Office file (.xls)", remedy=_SAVE_AS_WORKBOOK),
    ),
    (b"\x89PNG\r\n", FileKind(name="a picture (PNG)", remedy=_EXPORT)),
    (b"\xff\xd8\xff", FileKind(name="a picture (JPEG)", remedy=_EXPORT)),
    (b"GIF8", FileKind(name="a picture (GIF)", remedy=_EXPORT)),
    (b"\x1f\x8b", FileKind(name="a gzip archive", remedy="unpack it first")),
    (b"PAR1", FileKind(name="a Parquet file", remedy=_EXPORT)),
    (b"SQLite format 3\0", FileKind(name="an SQLite database", remedy=_EXPORT)),
    (b"{\\rtf", FileKind(name="a text document (RTF)", remedy=_EXPORT)),
)
#: beginnings of text, in lower case → kind
_MARKUP: Final[Mapping[bytes, FileKind]] = {
    b"<!doctype html": FileKind(name="a web page (HTML)", remedy=_EXPORT),
    b"<html": FileKind(name="a web page (HTML)", remedy=_EXPORT),
    b"<table": FileKind(name="a web page (HTML)", remedy=_EXPORT),
    b"<?xml": FileKind(name="an XML document", remedy=_EXPORT),
}
#: Old workbooks and workbooks with a password are in the same container.
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
#: a name in a ZIP archive → kind
_PACKAGES: Final[Mapping[str, FileKind]] = {
    "xl/workbook.xml": WORKBOOK,
    "xl/workbook.bin": FileKind(name="a binary Excel workbook (.xlsb)", remedy=_SAVE_AS_WORKBOOK),
    "word/document.xml": FileKind(name="a Word document", remedy=_EXPORT),
    "ppt/presentation.xml": FileKind(name="a PowerPoint presentation", remedy=_EXPORT),
    "Index/Document.iwa": FileKind(name="a Numbers or Pages document", remedy=_SAVE_AS_WORKBOOK),
}
_OPEN_DOCUMENT: Final = FileKind(name="an OpenDocument file (.ods)", remedy=_SAVE_AS_WORKBOOK)
_ARCHIVE: Final = FileKind(name="a ZIP archive", remedy="unpack it first")


def kind_of(content: bytes) -> FileKind | None:
    """The kind of a file that is not plain text; None for text and for what is not known."""
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            if _ENCRYPTED in content:
                return FileKind(name="a workbook with a password", remedy="save it without one")
            return kind
    if content.startswith(b"PK\x03\x04"):
        return _package(content)
    start = content[:100].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for mark, kind in _MARKUP.items() if start.startswith(mark)), None)


def _package(content: bytes) -> FileKind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return FileKind(name="a damaged ZIP archive or workbook", remedy="save or copy it again")
    if "content.xml" in names and "mimetype" in names:
        return _OPEN_DOCUMENT
    return next((kind for name, kind in _PACKAGES.items() if name in names), _ARCHIVE)
