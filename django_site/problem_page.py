"""The page that stands where the site cannot: what is wrong, and what to do. Needs no settings and no database.

Shown only by a service, which is started again afterwards: then the box tries anew, and the page goes by itself once
what is wrong was mended. It is never ready in the service manager's sense, so that an upgrade that ends here goes back.
"""

import argparse
import asyncio
import html

from django_site.commands import complain
from django_site.doors import Doors
from edge.asgi import Receive, Scope, Send
from edge.errors import ConfigError
from edge.systemd import notify

SHOWN = 20.0  # seconds until the box tries again
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Edge cannot start</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="10"></head>
<body><h1>Edge cannot start</h1><p>{problem}</p>
<p>Settings are in <code>/etc/edge/edge.env</code>. On the box, <code>sudo edge doctor</code> looks for more, and
<code>journalctl -u edge</code> has every word. The box tries again by itself, and this page goes when it is mended.</p>
</body></html>
"""


async def show_problem(error: Exception, options: argparse.Namespace, seconds: float = SHOWN) -> int:
    """Serve the page for a while, then return the exit code: it could not be done."""
    # Words of our own are for whoever comes; those of others may hold what is not, and stand in the journal.
    ours = isinstance(error, ConfigError)
    problem = str(error) if ours else f"The settings cannot be read: {type(error).__name__}."
    page = PAGE.format(problem=html.escape(problem)).encode()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1013})
        elif scope["type"] == "http":
            headers = [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"retry-after", b"10"),
                (b"cache-control", b"no-store"),
            ]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": page if scope["method"] != "HEAD" else b""})

    complain(problem)
    notify(f"STATUS={problem}"[:500].replace("\n", " "))
    doors = Doors(app, options, getattr(options, "handed", {}))
    try:
        await doors.start()
        await asyncio.sleep(seconds)
    except ConfigError as other:  # the same port is what is wrong, perhaps
        return complain(str(other))
    finally:
        await doors.stop(timeout=1.0)
    return complain("trying again")
