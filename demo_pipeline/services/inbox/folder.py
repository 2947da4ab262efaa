"""The plan inbox: a folder a tenant, the files that wait in it, and where they go once they were dealt with.

``$DEMO_HOME/inbox/<slug>/plan.csv``. A file is complete when it has its name: a program that puts it there
writes it under a name that begins with a dot, or ends in none of the suffixes of a plan, and renames it. A
name that no run could take, with control characters in it, is refused: the file gets another name in
``refused/``. Nothing is followed: what is a link, or no regular file, is left alone, and no name leads out of
the folder. What a plan says and what becomes of it is not known here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final, Literal

from demo_pipeline.domain.blueprint.checks import check_slug
from demo_pipeline.domain.core.errors import InputError, NotFoundError, Problem
from demo_pipeline.domain.core.terminal_text import neutral_line
from demo_pipeline.domain.parsing.scalars import shortened
from demo_pipeline.services.files.plan_files import NAMED_SUFFIXES
from demo_pipeline.services.files.reader import MOST_BYTES, SUFFIXES
from demo_pipeline.settings import Settings

End = Literal["done", "refused"]
#: what is added to a name for its two reports, for programs and for people
REPORT_SUFFIXES: Final = (".report.json", ".report.md")
#: permissions of a report, at most
_MOST_OPEN: Final = 0o640

#: beginnings of names of files that are not complete; Excel puts ``~$plan.xlsx`` beside an open workbook
_NOT_YET: Final = (".", "~$")

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: a link is an error; a pipe must not make us wait
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class InboxFile:
    """A file of the inbox as it was when it was read."""

    tenant: str
    name: str
    #: a byte more than any plan may have, at most
    content: bytes
    device: int
    inode: int
    modified_ns: int
    #: changes also when the file is put there again, content and time kept
    changed_ns: int
    #: who may read it: permission bits, owner and group
    mode: int
    owner_id: int
    group_id: int

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()

    @property
    def fingerprint(self) -> str:
        """Other for every file that was ever put into an inbox, the same content at the same place too."""
        parts = (self.tenant, self.name, self.sha256, self.inode, self.modified_ns, self.changed_ns)
        return sha256("\0".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()[:40]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What lies in the inbox."""

    #: those that were put there first, first
    files: tuple[InboxFile, ...]
    #: files whose names cannot be used
    unusable: tuple[InboxFile, ...]
    #: what a person should know of the rest, a sentence each
    notes: tuple[str, ...]
    #: folders whose names no tenant can have, with the names of the plans in them
    odd_folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def is_plan_name(name: str) -> bool:
    """Whether a file of that name is a complete plan by the rules of this module."""
    is_one_name = neutral_line(name) == name and not {"/", "\\"} & set(name)
    return is_one_name and not name.startswith(_NOT_YET) and Path(name).suffix.lower() in SUFFIXES


def usable_name(name: str) -> str | None:
    """The name under which a plan is refused whose own name cannot be used; None for everything else."""
    if is_plan_name(name) or name.startswith(_NOT_YET):
        return None
    usable = "".join(" " if _is_unusable(character) else character for character in name).strip()
    usable = usable.replace(" ", "_")
    # Nothing else was in the name.
    usable = f"plan{usable}" if usable.startswith(".") else usable
    return usable if is_plan_name(usable) else None


def _is_unusable(character: str) -> bool:
    return character in "/\\" or neutral_line(character) != character


def waiting_files(settings: Settings) -> Waiting:
    """The plans that wait, the oldest first. A folder that cannot be used becomes a note."""
    files: list[InboxFile] = []
    unusable: list[InboxFile] = []
    notes: list[str] = []
    odd: dict[str, tuple[str, ...]] = {}
    try:
        with os.scandir(settings.inbox_folder) as entries:
            there = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if not entry.name.startswith(".") and not entry.name.endswith(REPORT_SUFFIXES)
            )
    except OSError:
        return Waiting(
            files=(),
            unusable=(),
            notes=(f"there is no inbox; plans go to {settings.inbox_folder}/<tenant>/",),
        )
    for slug, is_folder in there:
        if check_slug(slug):
            if is_folder:
                odd[slug] = _plan_names(settings, slug)
            else:
                notes.append(
                    f"{shortened(slug)} is in the inbox itself and is left alone; plans go to "
                    f"{settings.inbox_folder}/<tenant>/"
                )
            continue
        try:
            with _folder(settings, slug) as folder, os.scandir(folder) as entries:
                for name in sorted(entry.name for entry in entries):
                    is_plan = is_plan_name(name)
                    if not is_plan and usable_name(name) is None:
                        continue
                    try:
                        (files if is_plan else unusable).append(_read(folder, slug, name))
                    except NotFoundError:
                        continue  # it has been dealt with since
                    except InputError as error:
                        notes.append(error.message)
        except (InputError, NotFoundError, OSError) as error:
            notes.append(str(error))
    files.sort(key=lambda file: (file.changed_ns, file.tenant, file.name))
    return Waiting(files=tuple(files), unusable=tuple(unusable), notes=tuple(notes), odd_folders=odd)


def _plan_names(settings: Settings, folder: str) -> tuple[str, ...]:
    """Names of the plans in a folder of the inbox, of which none is read; empty if it cannot be listed."""
    try:
        with (
            _root(settings) as root,
            _descriptor(folder, _FOLDER | os.O_NOFOLLOW, root, folder) as there,
            os.scandir(there) as entries,
        ):
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except (InputError, NotFoundError, OSError):
        return ()
    return tuple(name for name in names if is_plan_name(name) or usable_name(name) is not None)


def read_inbox_file(settings: Settings, slug: str, name: str) -> InboxFile:
    """The file of that name in a tenant's inbox.

    Raises ``InputError`` for what is no name of a plan, no regular file or a link, and ``NotFoundError``.
    """
    if not is_plan_name(name):
        message = (
            f"inbox_file {shortened(name)} is not the name of a plan in an inbox; give a name alone, without "
            f"a folder, that ends with {NAMED_SUFFIXES} and does not begin with a dot"
        )
        problem = Problem(code="bad_inbox_file", field="inbox_file", value=shortened(name), message=message)
        raise InputError(message, [problem])
    try:
        with _folder(settings, slug) as folder:
            return _read(folder, slug, name)
    except NotFoundError as error:
        error.details["inbox_file"] = name
        raise


def settle(
    settings: Settings, file: InboxFile, end: End, reports: Mapping[str, str], name: str | None = None
) -> str | None:
    """Move a file to ``done/`` or ``refused/`` beside it, with its reports (suffix → text) next to it there.

    It keeps its name there, or gets ``name``. Nothing is overwritten: where the name is taken it gets a
    number. A file that is not there any more as it was read stays where it is. Nobody may read a report who
    may not read its file. The new place, ``done/plan.csv``; none: the file is missing, another process has
    dealt with it. Raises ``OSError``.
    """
    with _folder(settings, file.tenant) as folder, _subfolder(folder, end) as target:
        if not _lists(folder, file.name):
            return None
        name = _reserve(target, file, name or file.name, reports)
        try:
            if _is_as_read(folder, file):
                os.rename(file.name, name, src_dir_fd=folder, dst_dir_fd=target)
        except FileNotFoundError:
            for suffix in reports:
                os.unlink(name + suffix, dir_fd=target)
            return None
        return f"{end}/{name}"


def read_reports(settings: Settings, end: End, since: float) -> Iterator[tuple[str, str, bool]]:
    """The JSON reports of files that were settled, of all tenants, written at ``since`` (Unix time) or later.

    Tenant, text, and whether the file that it is about is still beside it. Folders and reports that cannot be
    read are left out.
    """
    suffix = REPORT_SUFFIXES[0]
    try:
        with _root(settings) as root, os.scandir(root) as entries:
            slugs = sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
    except (InputError, NotFoundError, OSError):
        return
    for slug in slugs:
        with suppress(InputError, NotFoundError, OSError), ExitStack() as stack:
            folder = stack.enter_context(_folder(settings, slug))
            target = stack.enter_context(_descriptor(end, _FOLDER | os.O_NOFOLLOW, folder, end))
            entries = stack.enter_context(os.scandir(target))
            names = {entry.name for entry in entries}
            for name in sorted(one for one in names if one.endswith(suffix)):
                if os.stat(name, dir_fd=target, follow_symlinks=False).st_mtime >= since:
                    yield slug, _notice(target, name), name.removesuffix(suffix) in names


@contextmanager
def _folder(settings: Settings, slug: str) -> Generator[int]:
    """A tenant's folder, open. Raises ``InputError``, ``NotFoundError``."""
    if problems := check_slug(slug):
        raise InputError(f"{shortened(slug)} is no tenant's folder in the inbox", problems)
    place = settings.inbox_folder / slug
    with _root(settings) as root, _descriptor(slug, _FOLDER | os.O_NOFOLLOW, root, f"{place}") as folder:
        _check_private(folder, place)
        yield folder


@contextmanager
def _root(settings: Settings) -> Generator[int]:
    """The inbox itself, open. Raises ``InputError``, ``NotFoundError``."""
    with _descriptor(os.fspath(settings.inbox_folder), _FOLDER, None, f"{settings.inbox_folder}") as root:
        _check_private(root, settings.inbox_folder)
        yield root


@contextmanager
def _descriptor(name: str, flags: int, within: int | None, place: str) -> Generator[int]:
    try:
        descriptor = os.open(name, flags, dir_fd=within)
    except FileNotFoundError:
        raise NotFoundError(f"there is no {place}") from None
    except OSError as error:
        reason = "it is a link or no folder" if flags & os.O_DIRECTORY else "it is a link or cannot be read"
        message = f"{place} is left alone: {reason} ({error.strerror})"
        raise InputError(message, [Problem(code="unusable_inbox", message=message)]) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_private(folder: int, place: Path) -> None:
    """Refuse an inbox that everybody may write to: a file in it changes tenants."""
    if os.fstat(folder).st_mode & stat.S_IWOTH:
        message = f"everybody may write to {place}, so its plans are left alone; chmod o-w {place}"
        raise InputError(message, [Problem(code="open_inbox", message=message)])


def _read(folder: int, slug: str, name: str) -> InboxFile:
    place = f"{shortened(name)} in the inbox of {slug}"
    with _descriptor(name, _FILE, folder, place) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            message = f"{place} is left alone: it is no regular file"
            raise InputError(message, [Problem(code="not_a_file", value=shortened(name), message=message)])
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MOST_BYTES + 1)
    return InboxFile(
        tenant=slug,
        name=name,
        content=content,
        device=status.st_dev,
        inode=status.st_ino,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        mode=stat.S_IMODE(status.st_mode),
        owner_id=status.st_uid,
        group_id=status.st_gid,
    )


@contextmanager
def _subfolder(folder: int, name: str) -> Generator[int]:
    with suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=folder)
    descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _reserve(folder: int, file: InboxFile, name: str, reports: Mapping[str, str]) -> str:
    """Write the reports under the first name that is free with all of them; the file comes last."""
    for candidate in _candidates(name):
        if any(_lists(folder, candidate + suffix) for suffix in ("", *reports)):
            continue
        try:
            for suffix, text in reports.items():
                descriptor = os.open(candidate + suffix, _NEW_FILE, 0o600, dir_fd=folder)
                with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as report:
                    _give_to_readers_of(file, descriptor)
                    report.write(text)
        except FileExistsError:
            continue  # another process had the same idea
        return candidate
    raise AssertionError


def _give_to_readers_of(file: InboxFile, report: int) -> None:
    """Let those read a report who may read its file: its owner and group, as far as they can be given it."""
    with suppress(OSError):  # only root gives files away
        os.fchown(report, file.owner_id, -1)
    with suppress(OSError):  # and others to groups of their own
        os.fchown(report, -1, file.group_id)
    is_same_group = os.fstat(report).st_gid == file.group_id
    os.fchmod(report, file.mode & (_MOST_OPEN if is_same_group else _MOST_OPEN & stat.S_IRWXU))


def write_notice(settings: Settings, name: str, text: str, mark: str) -> None:
    """Write a file in the inbox itself, in place of an earlier notice of that name.

    ``mark`` is in every notice; another file of that name is left as it is. Raises ``InputError``,
    ``NotFoundError`` and ``OSError``.
    """
    with _root(settings) as root:
        there = _notice(root, name)
        if there == text:
            return
        if mark not in there and _lists(root, name):
            message = f"{name} is there and is not a report of the inbox; move it away"
            raise InputError(message, [Problem(code="foreign_file", value=name, message=message)])
        draft = f".{name}.{os.getpid()}"
        with suppress(FileNotFoundError):  # of a process that was killed
            os.unlink(draft, dir_fd=root)
        descriptor = os.open(draft, _NEW_FILE, _MOST_OPEN, dir_fd=root)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.rename(draft, name, src_dir_fd=root, dst_dir_fd=root)


def remove_notices(settings: Settings, mark: str, kept: Collection[str]) -> None:
    """Remove the reports in the inbox itself whose JSON holds ``mark``, but those of the folders ``kept``.

    Raises as ``write_notice`` does.
    """
    suffix = REPORT_SUFFIXES[0]
    with _root(settings) as root:
        with os.scandir(root) as entries:
            names = {entry.name.removesuffix(suffix) for entry in entries if entry.name.endswith(suffix)}
        for name in sorted(names - set(kept)):
            if mark in _notice(root, name + suffix):
                for each in REPORT_SUFFIXES:
                    with suppress(FileNotFoundError):
                        os.unlink(name + each, dir_fd=root)


def _notice(root: int, name: str) -> str:
    """What a regular file of the inbox itself says; empty where there is none."""
    try:
        with os.fdopen(os.open(name, _FILE, dir_fd=root), "rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _candidates(name: str) -> Iterator[str]:
    yield name
    path = Path(name)
    yield from (f"{path.stem}-{number}{path.suffix}" for number in count(2))


def _lists(folder: int, name: str) -> bool:
    """Whether something has that name, a broken link too."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_as_read(folder: int, file: InboxFile) -> bool:
    now = os.stat(file.name, dir_fd=folder, follow_symlinks=False)
    return (now.st_dev, now.st_ino, now.st_mtime_ns) == (file.device, file.inode, file.modified_ns)
