"""Receivers of alerts: web hooks, mail, Slack and whatever else Apprise knows.

An address may hold a password or a token. It is shown nowhere: a receiver is named by its kind and its place
in the setting, and recorded by a digest. What is sent does not belong here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.settings import Settings

_VARIABLE: Final = "DEMO_ALERT_URLS"
#: of Apprise and of the client by which it posts
_LOGGERS: Final = ("apprise", "urllib3")
_HTTP_STATUS: Final = re.compile(r"error=(\d{3})")


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One address that alerts go to."""

    #: ``slack (1 of 2)``
    name: str
    #: SHA-256 of the address, in hexadecimal digits
    digest: str
    url: str = field(repr=False)


def receivers_of(settings: Settings) -> tuple[Receiver, ...]:
    """The receivers of the settings, each once, in the order of the setting."""
    urls = list(dict.fromkeys(settings.alert_receivers))
    return tuple(
        Receiver(
            name=f"{url.partition('://')[0].lower()} ({number} of {len(urls)})",
            digest=sha256(url.encode(errors="surrogateescape")).hexdigest(),
            url=url,
        )
        for number, url in enumerate(urls, start=1)
    )


def check_receivers(receivers: tuple[Receiver, ...]) -> None:
    """Raise an ``InputError`` that names every receiver whose address Apprise cannot read."""
    from apprise import Apprise

    with _silenced():
        unknown = [one for one in receivers if Apprise.instantiate(one.url) is None]
    problems = [
        Problem(
            code="bad_receiver",
            field=_VARIABLE,
            value=one.name,
            message=f"the address of {one.name} is not one that Apprise knows; its kinds and their addresses "
            "are listed at https://github.com/caronc/apprise/wiki",
        )
        for one in unknown
    ]
    if problems:
        raise InputError("; ".join(one.message for one in problems), problems)


def send(receiver: Receiver, title: str, body: str, *, is_recovery: bool) -> str | None:
    """Send one message, waiting some seconds at most; why it was not delivered, None: it was."""
    # Takes a third of a second, and is needed only where there is something to send.
    import apprise

    asset = apprise.AppriseAsset(app_id="demo-pipeline", app_desc="demo-pipeline")
    target = apprise.Apprise(asset=asset)
    kind = apprise.NotifyType.SUCCESS if is_recovery else apprise.NotifyType.FAILURE
    # Without a path it captures into memory, which its types do not say.
    capture: Any = apprise.LogCapture(level=logging.WARNING)
    with _silenced():
        try:
            if not target.add(receiver.url):
                return f"its address is not one that Apprise knows; correct it in {_VARIABLE}"
            with capture as log:
                if target.notify(body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
                    return None
                return _reason(log.getvalue())
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything, whose text may hold the address
            return f"the sending failed ({type(error).__name__})"


def _reason(log: str) -> str:
    """What the log says, in own words: it may quote the address."""
    if (status := _HTTP_STATUS.search(log)) is not None:
        return f"it answered with HTTP status {status[1]}"
    return "it cannot be reached, or did not accept the message"


@contextmanager
def _silenced() -> Generator[None]:
    """Keep what Apprise and its client write, which may quote an address, out of every log."""
    handler = logging.NullHandler()
    before = [(logger, logger.propagate) for logger in map(logging.getLogger, _LOGGERS)]
    for logger, _ in before:
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, propagates in before:
            logger.propagate = propagates
            logger.removeHandler(handler)
