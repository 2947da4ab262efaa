"""What pip is configured to do, uv does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.pip_settings import parse_config, pip_environment, uv_environment, uv_options

BEST: dict[str, str] = {"UV_INDEX_STRATEGY": "unsafe-best-match"}


@pytest.fixture(autouse=True)
def no_certificate_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine whose certificates are nowhere, whatever this one has."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("lines", "settings"),
    [
        ([], {}),
        (["global.index-url='https://a.example/simple'"], {"index-url": "https://a.example/simple"}),
        (["install.retries='2'", "global.retries='1'"], {"retries": "2"}),
        ([":env:.retries='3'", "global.retries='1'", "install.retries='2'"], {"retries": "3"}),
        (["global.cert='a'", ":env:.cert=''"], {"cert": "a"}),
        (["freeze.timeout='1'", "nonsense", ""], {}),
        (["global.find-links='\\na\\nb'"], {"find-links": "a\nb"}),
        (["global.proxy='http://u:it\\'s=@p.example'"], {"proxy": "http://u:it's=@p.example"}),
    ],
)
def test_the_settings_in_force_are_read(lines: list[str], settings: Mapping[str, str]) -> None:
    """Of ``pip config list`` the section of the command wins over global, a variable over both."""
    assert parse_config(lines) == settings


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({}, {}),
        ({"index-url": "https://a.example/s"}, {"UV_DEFAULT_INDEX": "https://a.example/s"}),
        ({"extra-index-url": "file:///a\n https://b.example"}, {"UV_INDEX": "file:///a https://b.example"}),
        ({"find-links": "/a\n~/b https://c.example"}, {"UV_FIND_LINKS": "/a,/h/b,https://c.example"}),
        ({"trusted-host": "a.example b.example:8"}, {"UV_INSECURE_HOST": "a.example b.example:8"}),
        ({"cert": "/c.pem"}, {"SSL_CERT_FILE": "/c.pem"}),
        ({"cert": "/"}, {"SSL_CERT_DIR": "/"}),
        ({"client-cert": "/me.pem"}, {"SSL_CLIENT_CERT": "/me.pem"}),
        (
            {"proxy": "http://p.example"},
            {"HTTP_PROXY": "http://p.example", "HTTPS_PROXY": "http://p.example", "NO_PROXY": ""},
        ),
        ({"timeout": "9"}, {"UV_HTTP_TIMEOUT": "9"}),
        ({"default-timeout": "9"}, {"UV_HTTP_TIMEOUT": "9"}),
        ({"timeout": "15.5"}, {"UV_HTTP_TIMEOUT": "16"}),
        ({"timeout": "15.0"}, {"UV_HTTP_TIMEOUT": "15"}),
        ({"timeout": "inf"}, {"UV_HTTP_TIMEOUT": "inf"}),
        ({"timeout": "soon"}, {"UV_HTTP_TIMEOUT": "soon"}),
        ({"retries": "7"}, {"UV_HTTP_RETRIES": "7"}),
        ({"keyring-provider": "subprocess"}, {"UV_KEYRING_PROVIDER": "subprocess"}),
        ({"keyring-provider": "import"}, {}),
        ({"constraint": "c.txt", "user": "true", "target": "/t"}, {}),
    ],
)
def test_every_place_of_packages_is_handed_on(
    monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str], added: dict[str, str]
) -> None:
    """Each setting of pip that says where packages come from becomes uv's variable; others do not."""
    monkeypatch.setenv("HOME", "/h")
    assert uv_environment(settings, {}) == BEST | added


def test_certificates_that_pip_finds_by_itself_are_handed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the setting pip goes by two variables of requests, then by the system's certificates."""
    found = uv_environment({}, {"REQUESTS_CA_BUNDLE": "/r.pem", "CURL_CA_BUNDLE": "/c.pem"})
    assert found == BEST | {"SSL_CERT_FILE": "/r.pem"}
    (tmp_path / "nothing.pem").touch()
    assert uv_environment({}, {}) == BEST | {"UV_SYSTEM_CERTS": "true"}


def test_what_the_user_told_uv_wins() -> None:
    """A variable of uv that is set is left as it is; an empty one counts as absent."""
    settings = {"index-url": "https://a.example", "retries": "1"}
    found = uv_environment(settings, {"UV_DEFAULT_INDEX": "https://u.example", "UV_HTTP_RETRIES": ""})
    assert found == BEST | {"UV_HTTP_RETRIES": "1"}


@pytest.mark.parametrize(
    ("settings", "environment", "added"),
    [
        (
            {"proxy": "http://pip.example"},
            {"HTTPS_PROXY": "http://upper.example", "https_proxy": "http://lower.example", "NO_PROXY": "*"},
            {"HTTP_PROXY": "http://pip.example", "HTTPS_PROXY": "http://pip.example", "NO_PROXY": ""},
        ),
        (
            {},
            {"HTTPS_PROXY": "http://upper.example", "https_proxy": "http://lower.example"},
            {"HTTPS_PROXY": "http://lower.example"},
        ),
        ({}, {"no_proxy": "a.example", "NO_PROXY": "b.example"}, {"NO_PROXY": "a.example"}),
        ({}, {"no_proxy": "", "NO_PROXY": "b.example"}, {}),
        ({}, {"HTTPS_PROXY": "http://upper.example", "https_proxy": ""}, {"HTTPS_PROXY": ""}),
        ({"cert": "/pip.pem"}, {"SSL_CERT_FILE": "/mine.pem"}, {"SSL_CERT_FILE": "/pip.pem"}),
    ],
)
def test_over_the_environment_pips_settings_win(
    settings: Mapping[str, str], environment: Mapping[str, str], added: dict[str, str]
) -> None:
    """As in pip: its proxy is for every address; without it the variables in small letters come first."""
    assert uv_environment(settings, environment) == BEST | added


def test_only_what_fetches_packages_holds_for_pip() -> None:
    """What would send packages elsewhere is taken out of variables and files; the index stays."""
    settings = {"index-url": "https://a.example", "target": "/t", "constraint": "c.txt", "trusted-host": "a"}
    environment = {
        "PIP_TARGET": "/t",
        "PIP_INDEX_URL": "https://a.example",
        "PIPX_HOME": "/x",
        "PATH": "/bin",
    }
    assert pip_environment(settings, environment) == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_TARGET": "",
        "PIP_INDEX_URL": "https://a.example",
        "PIP_TRUSTED_HOST": "a",
    }


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, []),
        ({"no-index": "true"}, ["--no-index"]),
        ({"no-index": "ON"}, ["--no-index"]),
        ({"no-index": "0"}, []),
        ({"only-binary": ":all:"}, ["--only-binary", ":all:"]),
        ({"no-binary": "a,b c"}, ["--no-binary", "a", "--no-binary", "b", "--no-binary", "c"]),
    ],
)
def test_what_has_no_variable_becomes_an_option(settings: Mapping[str, str], options: list[str]) -> None:
    """No index at all, and packages that must or must not be built, are said by options."""
    assert uv_options(settings) == options
