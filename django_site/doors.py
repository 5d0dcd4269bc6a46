"""Where the pages are served: the sockets that the service manager hands over, or an address and a port of our own.

A socket's name says what is spoken there: ``http``, or ``https`` (edge-http.socket, edge-https.socket). With sockets
handed over, ``--host`` and ``--port`` are not used: the box itself needs no right to listen on port 80.
"""

import argparse
import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from edge.asgi import App
from edge.errors import ConfigError
from edge.registry import import_string


class Doors:
    """The web servers of the pages, which begin and end together."""

    def __init__(
        self, application: App, options: argparse.Namespace, handed: Mapping[str, Sequence[socket.socket]]
    ) -> None:
        """Raise ConfigError for a socket of a name that says nothing to us."""
        if unknown := handed.keys() - {"http"}:
            raise ConfigError(f"expected sockets of the name http; got {', '.join(sorted(unknown))}")
        server = import_string("transports.web:WebServer")
        self._servers: list[Any] = [server(application, sock=sock) for sock in handed.get("http", ())]
        if not self._servers:
            self._servers = [server(application, host=options.host, port=options.port)]

    @property
    def url(self) -> str:
        """Where a browser of this machine finds the pages."""
        url: str = self._servers[0].url
        return url.removesuffix(":80")

    async def start(self) -> None:
        """Open them all; raise ConfigError that says why one cannot be."""
        for server in self._servers:
            await server.start()

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109  (each server says goodbye within it)
        """Close them all, at the same time."""
        await asyncio.gather(*(server.stop(timeout) for server in self._servers))

    def ended(self) -> list[str]:
        """Name the servers that ended by themselves."""
        return [f"the web server at {server.url}" for server in self._servers if server.ended]
