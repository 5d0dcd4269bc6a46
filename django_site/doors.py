"""Where the pages are served: the sockets that the service manager hands over, or an address and ports of our own.

A socket's name says what is spoken there: ``http``, or ``https`` (edge-http.socket, edge-https.socket). With sockets
handed over, ``--host`` and ``--port`` are not used: the box itself needs no right to listen on port 80.
"""

import argparse
import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from django_site import tls
from django_site.environment import data_path
from django_site.tls.keeper import Keeper
from edge.asgi import App
from edge.errors import ConfigError
from edge.registry import import_string

NAMES = {"http", "https"}


class Doors:
    """The web servers of the pages, which begin and end together."""

    def __init__(
        self, application: App, options: argparse.Namespace, handed: Mapping[str, Sequence[socket.socket]]
    ) -> None:
        """Raise ConfigError for a socket of a name that says nothing to us."""
        if unknown := handed.keys() - NAMES:
            raise ConfigError(f"expected sockets of the names http and https; got {', '.join(sorted(unknown))}")
        server = import_string("transports.web:WebServer")
        self._plain: list[Any] = [server(application, sock=sock) for sock in handed.get("http", ())]
        if not handed:
            self._plain = [server(application, host=options.host, port=options.port)]
        self._keeper: Keeper | None = None
        self._secure: list[Any] = []
        port = getattr(options, "https_port", None)
        if handed.get("https") or port is not None:
            self._keeper = Keeper(data_path())
            self._secure = [
                server(application, sock=sock, tls=self._keeper.context) for sock in handed.get("https", ())
            ]
        if self._keeper and port is not None:
            self._secure.append(server(application, host=options.host, port=port, tls=self._keeper.context))
        self._keeping: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where a browser of this machine finds the pages."""
        url: str = (self._plain or self._secure)[0].url
        return url.removesuffix(":80") if url.startswith("http:") else url.removesuffix(":443")

    async def start(self) -> None:
        """Open them all, the plain ones first; raise ConfigError that says why one cannot be.

        Without a certificate the HTTPS port is open too, and refuses every handshake until there is one.
        """
        try:
            for server in self._plain:
                await server.start()
            if self._keeper is not None:
                await self._start_secure(self._keeper)
        except BaseException:
            await self.stop(0)  # those that are open: the same sockets may be asked for again
            raise

    async def _start_secure(self, keeper: Keeper) -> None:
        await keeper.look()
        for server in self._secure:
            await server.start()
        keeper.url = self._secure[0].url.removesuffix(":443")
        tls.use(keeper)
        self._keeping = asyncio.create_task(keeper.run(), name="certificate of HTTPS")

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109  (each server says goodbye within it)
        """Close them all, at the same time."""
        if self._keeping is not None:
            self._keeping.cancel()
            tls.use(None)
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        await asyncio.gather(*(server.stop(timeout) for server in [*self._plain, *self._secure]))

    def ended(self) -> list[str]:
        """Name the servers that ended by themselves."""
        return [f"the web server at {server.url}" for server in [*self._plain, *self._secure] if server.ended]
