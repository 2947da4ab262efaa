"""Passwords in texts that are shown or kept: masked where a password stands, and nowhere else.

A password that is a word, or one letter, must not be searched for: ``demo`` would be masked in
*demo-pipeline*, and what is left would spell it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import unquote

MASK: Final = "***"
#: What may stand before a password, each with the group ``before`` that stays.
_PLACES: Final = (
    # scheme://user:password@, up to the last @ before white space or a quote: a password that should have
    # been percent-encoded is masked whole. In the address of a page a port stands at the same place.
    re.compile(
        # The placeholder of our own messages, PASSWORD, is none.
        r"(?P<before>\b(?!https?:|wss?:)[a-z][a-z0-9+.-]*://[^\s:/?#@'\"]*:)(?!(?-i:PASSWORD)@HOST\b)"
        r"[^\s'\"]+(?=@)",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<before>\b(?:https?|wss?)://[^\s:/?#@'\"]*:)[^\s'\"/]+(?=@)", re.IGNORECASE),
    # password=... of a connection string or a query, PGPASSWORD=..., 'password': '...' of a mapping
    re.compile(
        r"(?P<before>(?:(?:\b|_)(?:pg|ssl)?password\s*=|[\"'](?:ssl)?password[\"']\s*:)\s*)"
        r"(?:'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|[^\s&'\"]+)",
        re.IGNORECASE,
    ),
    # PASSWORD '...' of SQL, with the quotes that PostgreSQL has
    re.compile(
        r"(?P<before>\bpassword\s+)(?:e?'(?:[^'\\]|\\.|'')*'|(?P<tag>\$\w*\$).*?(?P=tag))",
        re.IGNORECASE | re.DOTALL,
    ),
)
_VARIABLES: Final = ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL")
_LEAST_LENGTH: Final = 8
#: from here on letters alone are no word
_LEAST_LETTERS: Final = 20


def masked(text: str, passwords: Iterable[str] = ()) -> str:
    """``text`` without its passwords.

    ``passwords``: some that are known besides those of the environment's URLs. A library may quote one alone:
    it is masked as a whole token if nobody would take it for a word.
    """
    for place in _PLACES:
        text = place.sub(rf"\g<before>{MASK}", text)
    known = {*passwords, *(_password(os.environ.get(name, "")) for name in _VARIABLES)}
    for password in sorted({form for one in known for form in (one, unquote(one))}, key=len, reverse=True):
        if _is_no_word(password):
            text = re.sub(rf"(?<!\w){re.escape(password)}(?!\w)", MASK, text)
    return text


def masked_tree(value: Any) -> Any:
    """The same for every text of a JSON document."""
    match value:
        case str():
            return masked(value)
        case dict():
            return {key: masked_tree(item) for key, item in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [masked_tree(item) for item in cast("list[Any]", value)]
        case _:
            return value


def _is_no_word(password: str) -> bool:
    return len(password) >= (_LEAST_LETTERS if password.isalpha() else _LEAST_LENGTH)


def _password(url: str) -> str:
    address = url.partition("://")[2].partition("?")[0]
    account = address.rpartition("@")[0]
    return account.partition(":")[2]
