"""The user's pip configuration, for pip and as uv understands it.

A person who has set where pip finds packages (an index of the company, a folder, a proxy, a certificate)
has set it for ``make install``. pip itself reports what is in force (``pip config list``: files and ``PIP_*``
variables); here it becomes uv's variables and options. ``UV_*`` variables of the user win. What does not say
where packages come from (``constraint``, ``user``, ``target``) holds neither for uv nor for pip: the lock
file names every version, the virtual environment is the place. Standard library only.
"""

from __future__ import annotations

import ast
import math
import os
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

#: Later ones win, as in pip.
SECTIONS: Final = ("global", "install", ":env:")
TRUE_WORDS: Final = frozenset({"y", "yes", "t", "true", "on", "1"})
#: pip's setting → uv's variables that take the same value.
SAME_VALUE: Final[Mapping[str, tuple[str, ...]]] = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "retries": ("UV_HTTP_RETRIES",),
}
#: pip's settings that say where packages come from and how they are fetched. Only these hold for pip.
FETCHING: Final = frozenset(SAME_VALUE) | {
    "cache-dir",
    "cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "keyring-provider",
    "no-binary",
    "no-cache-dir",
    "no-index",
    "only-binary",
    "proxy",
    "pypi-url",
    "resume-retries",
    "timeout",
    "trusted-host",
    "use-deprecated",
    "use-feature",
}
#: Variables to add for ``pip config list``, which prints nothing where pip is quiet.
ASKING: Final[Mapping[str, str]] = {"PIP_QUIET": "0", "PIP_VERBOSE": "0", "PIP_PYTHON": ""}
PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def parse_config(lines: Iterable[str]) -> dict[str, str]:
    """The settings in force by name, from the lines of ``pip config list``; empty ones count as absent."""
    by_section: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in lines:
        key, equals, quoted = line.strip().partition("=")
        section, dot, name = key.rpartition(".")
        if equals and dot and section in by_section and (value := str(ast.literal_eval(quoted)).strip()):
            by_section[section][name] = value
    return {name: value for section in SECTIONS for name, value in by_section[section].items()}


def _places(value: str) -> list[str]:
    """Folders and addresses of ``find-links``; ``~`` is the home folder, as for pip."""
    return [os.path.expanduser(word) for word in value.split()]  # noqa: PTH111  pathlib would change addresses


def _certificates(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Where uv finds the certificates that pip would trust."""
    named = settings.get("cert") or environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    if named:
        return {"SSL_CERT_DIR" if Path(named).is_dir() else "SSL_CERT_FILE": named}
    store = ssl.get_default_verify_paths()
    has_store = store.cafile or (store.capath and any(Path(store.capath).iterdir()))
    return {"UV_SYSTEM_CERTS": "true"} if has_store else {}


def _proxies(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that make uv take the proxy that pip takes.

    pip's setting holds for every address, also for those in ``NO_PROXY``. Without it pip prefers the names in
    small letters, uv those in capitals; ``http_proxy`` and its like count for pip even if they are empty.
    """
    if proxy := settings.get("proxy"):
        return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": ""}
    lower = {name: environment[name] for name in PROXIES if name in environment}
    return {name.upper(): value for name, value in lower.items() if value or name != "no_proxy"}


def _whole_seconds(value: str) -> str:
    """A time of pip's as uv reads it: rounded up. What is no time is left for uv and pip to refuse."""
    try:
        return str(math.ceil(float(value)))
    except (ValueError, OverflowError):
        return value


def pip_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to add for ``pip install`` so that it installs into its own environment and nowhere else.

    ``settings`` is what ``parse_config`` returned, ``environment`` the caller's. pip reads no configuration
    file; of its settings only those in ``FETCHING`` are in force. An empty variable counts as absent.
    """
    added = {name: "" for name in environment if name.startswith("PIP_")}
    added["PIP_CONFIG_FILE"] = os.devnull
    kept = {name: value for name, value in settings.items() if name in FETCHING}
    return added | {f"PIP_{name.upper().replace('-', '_')}": value for name, value in kept.items()}


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to add for uv so that it takes packages from where pip would.

    ``settings`` is what ``parse_config`` returned, ``environment`` the caller's. A ``UV_*`` variable that the
    caller has set is not in the result; over other variables pip's settings win, as they do in pip.
    """
    # pip takes the best version of all places. Hashes make that safe: no place can slip in a file of its own.
    added = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name, variables in SAME_VALUE.items():
        if name in settings:
            added |= dict.fromkeys(variables, settings[name])
    for name in ("default-timeout", "timeout"):
        if name in settings:
            added["UV_HTTP_TIMEOUT"] = _whole_seconds(settings[name])
    if "extra-index-url" in settings:
        added["UV_INDEX"] = " ".join(settings["extra-index-url"].split())
    if "find-links" in settings:
        added["UV_FIND_LINKS"] = ",".join(_places(settings["find-links"]))
    if "trusted-host" in settings:
        added["UV_INSECURE_HOST"] = " ".join(settings["trusted-host"].split())
    if settings.get("keyring-provider") == "subprocess":
        added["UV_KEYRING_PROVIDER"] = "subprocess"
    added |= _certificates(settings, environment) | _proxies(settings, environment)
    return {
        name: value for name, value in added.items() if not (name.startswith("UV_") and environment.get(name))
    }


def uv_options(settings: Mapping[str, str]) -> list[str]:
    """Options of ``uv pip install`` for what has no variable; ``no-index`` wins over every index."""
    options = ["--no-index"] if settings.get("no-index", "").lower() in TRUE_WORDS else []
    for name in ("no-binary", "only-binary"):
        for package in settings.get(name, "").replace(",", " ").split():
            options += [f"--{name}", package]
    return options
