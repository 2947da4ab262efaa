"""libpq's variables (``PG*``) of the caller: away from the embedded server, kept for given ones.

libpq reads them at every connection of a process and of all its children, Dagster's included, and some of
them (PGSERVICE, PGTZ, PGDATESTYLE, PGGEQO) cannot be overridden by a connection's own parameters. So they are
removed from the environment where the embedded server is used; what they mean for the URL of a given server
is written into that URL first. Where every server is given, they stay as they are. Connecting does not belong
here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

#: only say where a service is defined; nothing reads them where no service is named
_SERVICE_PLACES: Final = frozenset({"PGSERVICEFILE", "PGSYSCONFDIR"})
#: parameters of the session that libpq has no connection parameter for
SESSION_VARIABLES: Final = {"PGDATESTYLE": "DateStyle", "PGTZ": "TimeZone", "PGGEQO": "geqo"}
DAGSTER_VARIABLE: Final = "DEMO_DAGSTER_URL"
_SCHEME: Final = re.compile(r"^(?:postgres|postgresql)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)


def take_out_libpq_variables(url_variables: Iterable[str]) -> None:
    """Remove ``PG*`` from the environment of this process.

    The URLs of given servers, in ``url_variables``, are completed by what the removed variables say.
    """
    environ = os.environ
    names = [name for name in environ if name.startswith("PG")]
    if not names:
        return
    urls = {
        name: complete_url(environ[name], is_for_dagster=name == DAGSTER_VARIABLE)
        for name in url_variables
        if environ.get(name)
    }
    environ.update(urls)
    is_service_named = any("service=" in url for url in urls.values())
    for name in names:
        if not (is_service_named and name in _SERVICE_PLACES):
            del environ[name]


def complete_url(url: str, *, is_for_dagster: bool = False) -> str:
    """``url`` with what libpq would read from the environment for the parameters that it leaves open.

    A URL that libpq cannot read is returned as it is: the connection attempt reports it.
    """
    import psycopg

    text = url.strip()
    try:
        added = left_open(_SCHEME.sub("postgresql://", text))
    except psycopg.Error:
        return url
    if is_for_dagster:
        added = {name: value for name, value in added.items() if _is_known_to_dagster(name, value)}
    return _with_parameters(text, added)


def left_open(conninfo: str) -> dict[str, str]:
    """What the environment says of the connection parameters that ``conninfo`` leaves open.

    Raises ``psycopg.ProgrammingError``.
    """
    # Only here: a process without these variables does not wait for the driver.
    from psycopg import pq
    from psycopg.conninfo import conninfo_to_dict

    own = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    service = own.get("service") or os.environ.get("PGSERVICE")
    with _service_in_environment(service):
        defaults = pq.Conninfo.get_defaults()
    found = {
        option.keyword.decode(): option.val.decode()
        for option in defaults
        if option.val is not None and option.val != option.compiled
    }
    added = {name: value for name, value in found.items() if name not in {*own, "service", "servicefile"}}
    if service and "service" not in own:
        added["service"] = service
    session = [
        f"-c {name}={os.environ[variable].replace(' ', chr(92) + ' ')}"
        for variable, name in SESSION_VARIABLES.items()
        if os.environ.get(variable)
    ]
    if session:
        added["options"] = " ".join([own.get("options") or added.get("options", ""), *session]).strip()
    return added


def _is_known_to_dagster(name: str, value: str) -> bool:
    """Dagster's driver brings a libpq of its own, which may be older and not read the variable at all."""
    import psycopg2
    from psycopg2.extensions import make_dsn

    try:
        make_dsn(**{name: value})
    except psycopg2.ProgrammingError:
        return False
    return True


@contextmanager
def _service_in_environment(service: str | None) -> Generator[None]:
    """A service comes before the other variables, and libpq knows where it is defined."""
    before = os.environ.get("PGSERVICE")
    if service is not None:
        os.environ["PGSERVICE"] = service
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PGSERVICE", None)
        else:
            os.environ["PGSERVICE"] = before


def _with_parameters(url: str, added: dict[str, str]) -> str:
    base, _, query = url.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in added]
    pairs = [*kept, *added.items()]
    return f"{base}?{urlencode(pairs, quote_via=quote)}" if pairs else url
