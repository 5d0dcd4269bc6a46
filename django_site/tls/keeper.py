"""Keeps the certificate of the HTTPS port: a person's own where one is given and good, else the box's.

It looks once a minute, so that what certbot renews, a new host name and a clock that was set are seen without a
restart. What is wrong is a problem for people (`problems`), never an exception: the port refuses handshakes until it is
mended, and the plain page is there to say so.
"""

import asyncio
import logging
import ssl
import time
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from django_site import clock
from django_site.environment import tls_files
from django_site.tls import openssl, pairs
from django_site.tls.box_pair import DAY, BoxPair
from django_site.tls.pairs import OwnFiles
from edge.errors import ConfigError

LOOK = 60.0  # seconds; two small files are read each time
SOON = 14 * DAY  # certbot renews a month before the end, and so is late by then

Source = Literal["own", "box"]

logger = logging.getLogger("django_site.tls")


class Keeper:
    """The context of a port, and what it serves. `look` and `run` are for the loop."""

    def __init__(self, data: Path, own: OwnFiles | None = None, box: BoxPair | None = None) -> None:
        """Keep the box's own pair in ``data``/tls; a person's files are by default those of the environment."""
        self.own = OwnFiles(*tls_files()) if own is None else own
        self.context = pairs.make_context()
        self.problems: list[str] = []  # in plain words, as of the last look
        self.serves: Source | None = None  # whose certificate
        self.url = "https://localhost"  # where a browser of this machine finds the port
        self._box = box or BoxPair(data / "tls")
        self._loaded = b""
        self._own_ends: float | None = None  # seconds of the epoch

    @property
    def port(self) -> int:
        """Where browsers find it."""
        return urlsplit(self.url).port or 443

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            await self.look()

    async def look(self) -> None:
        """Find what is to be served now, and serve it. Never raises but what cancels it."""
        try:
            source, pem, problems = await asyncio.to_thread(self._find)
            if source is not None and pem != self._loaded:
                pairs.load(self.context, pem)  # on the loop, where handshakes are: OpenSSL's context is not for threads
                self._loaded, self.serves = pem, source
                logger.info("HTTPS with %s certificate", "your own" if source == "own" else "the box's own")
        except Exception as error:  # a fence: whatever it is, the box goes on with what it has
            logger.exception("the certificate for HTTPS cannot be looked after")
            problems = [f"the certificate for HTTPS cannot be looked after: {type(error).__name__}: {error}"]
        for problem in problems:
            if problem not in self.problems:
                logger.error("%s", problem)
        self.problems = problems

    def _find(self) -> tuple[Source | None, bytes, list[str]]:
        """Return whose pair is to be served (None: as before), the pair, and what is wrong. In a thread."""
        problems: list[str] = []
        if self.own:
            try:
                pem = self._read_own()
            except ConfigError as error:
                meanwhile = "the one before" if self.serves == "own" else "the box's own"
                problems.append(f"HTTPS: {error}. Meanwhile {meanwhile} is served")
                if self.serves == "own":
                    return None, b"", problems
            else:
                return "own", pem, problems + ended(self.own, self._own_ends)
        try:
            return "box", self._look_at_box(), problems + self._box.problems()
        except (ConfigError, OSError) as error:
            meanwhile = "the one before is served" if self.serves else "there is no HTTPS"
            return (
                None,
                b"",
                [*problems, f"HTTPS: no certificate of the box can be had: {error}. Until then {meanwhile}"],
            )

    def _read_own(self) -> bytes:
        pem = pairs.read_pair(self.own)
        if pem != self._loaded:
            pairs.try_pair(pem, in_words(self.own))
            self._own_ends = ends(pem)
        return pem

    def _look_at_box(self) -> bytes:
        pem = self._box.look()
        if pem != self._loaded:
            try:
                pairs.load(pairs.make_context(), pem)
            except ssl.SSLError as error:
                self._box.forget()
                raise ConfigError(f"it was damaged ({error.reason}), and is made anew within a minute") from error
        return pem


def in_words(own: OwnFiles) -> str:
    """Name a person's files."""
    return f"EDGE_TLS_CERT {own.certificate} and EDGE_TLS_KEY {own.key}"


def ends(pem: bytes) -> float | None:
    """Return when a certificate ends; None where the program that could say is missing."""
    try:
        return openssl.describe(pem).ends
    except ConfigError as error:
        logger.debug("the end of a certificate cannot be read: %s", error)
        return None


def ended(own: OwnFiles, end: float | None) -> list[str]:
    """Say that a person's certificate ends soon, or has ended, where the clock can be believed."""
    if end is None or clock.trusted() is False or time.time() < end - SOON:
        return []
    word = "ended" if time.time() > end else "ends"
    day = time.strftime("%Y-%m-%d", time.gmtime(end))
    return [f"HTTPS: your certificate {own.certificate} {word} on {day}; put a new one there, it is taken by itself"]
