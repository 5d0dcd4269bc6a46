"""``edge demo``: the box with a simulated TNC on a real pty and a broker of its own; ``--check`` proves that it works.

It needs no root, no radio, no broker and no network. Everything it makes is in its data folder.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from asgiref.sync import sync_to_async

from django_site.commands import complain, parser, say, set_up
from django_site.commands.serve import run
from edge.cli import FAILED, OK
from edge.registry import import_string

CALLSIGN = "QQ1EDG"  # prefix QQ is assigned to nobody (ITU Radio Regulations, appendix 42)
READY = 10.0  # seconds for the simulated TNC and the broker to be there
END = 3.0  # seconds for each to end
RATE, CHECK_RATE = 40, 120  # frames a minute on the simulated air


def main(arguments: list[str]) -> int:
    """Run ``edge demo``: exit code 0, or 1 where something failed; with --check the message says which link."""
    made = parser(
        "demo",
        "Run the box with a simulated TNC and a broker. Needs no radio, no root and no network.",
        folder="./.demo",
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=8000, help="port; another one if it is taken (default: %(default)s)")
    made.add_argument(
        "--broker", choices=("mosquitto", "amqtt"), help="which broker of its own (default: mosquitto if it is there)"
    )
    made.add_argument("--seed", type=int, default=1, help="the same seed tells the same story (default: %(default)s)")
    made.add_argument(
        "--check", action="store_true", help="on free ports and a folder of its own, prove each link, and end"
    )
    options = made.parse_args(arguments)
    options.data = options.data or Path(os.environ.get("EDGE_DATA") or ".demo")
    if not options.check:
        return _demo(options)
    folder = Path(tempfile.mkdtemp(prefix="edge-demo-"))
    options.data, options.port = folder, 0
    try:
        return _demo(options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _demo(options: argparse.Namespace) -> int:
    set_up(options)
    from django_site.tables import bring_tables_up_to_date  # noqa: PLC0415  (after set_up)

    bring_tables_up_to_date()
    options.port = options.port if _is_free(options.host, options.port) else 0
    return run(options, lambda url, beside: _show(options, url, beside))


async def _show(options: argparse.Namespace, url: str, beside: contextlib.AsyncExitStack) -> int:
    """Start what stands in for the world, make the rows, and either prove the box or leave it to the person."""
    begin = time.monotonic()
    data = options.data.absolute()
    try:
        broker_url, protocol = await beside.enter_async_context(_broker(data, options.broker))
        await beside.enter_async_context(_simulated_tnc(options, data / "tnc"))
    except RuntimeError as error:
        return complain(str(error))
    await sync_to_async(make_rows)(f"serial://{data / 'tnc'}", broker_url, protocol)
    link = await sync_to_async(import_string("django_site.access.links:issue_login_link"))()
    if options.check:
        proved: bool = await import_string("django_site.commands.demo_check:check")(url, link, broker_url, begin)
        return OK if proved else FAILED
    _welcome(url, link, broker_url, data)
    await asyncio.Event().wait()
    return OK


def _welcome(url: str, link: str, broker_url: str, data: Path) -> None:
    mask = import_string("edge.desired:mask")
    say(f"""
  Edge is on the (simulated) air.

  Sign in     {url}{link}
              (works once, for 15 minutes; another one: edge login --data {data} --url {url})
  Live page   {url}/
  Broker      {mask(broker_url)}   try: mosquitto_sub -h 127.0.0.1 -p {urlsplit(broker_url).port} -t 'aprs/#' -v
  Status      edge status --data {data}
  Traffic     edge tap --data {data}

  Ctrl-C stops it. All it made is in {data}
""")


def make_rows(tnc_link: str, broker_url: str, protocol: str = "") -> None:
    """Make the demo's devices and routes, or bring their links up to date; what a person changed beside stays.

    ``protocol`` is the MQTT version that the broker needs, where we know it.
    """
    from django_site.devices.models import Device, Route  # noqa: PLC0415  (after set_up)

    broker_link, credentials = split_credentials(broker_url)
    vhf, new_vhf = Device.objects.get_or_create(
        name="vhf",
        # The air is simulated, so transmitting can do no harm; anywhere else a person turns it on.
        defaults={
            "kind": "aprs",
            "link": tnc_link,
            "transmit": True,
            "options": {"callsign": CALLSIGN, "path": "WIDE1-1"},
        },
    )
    broker, new_broker = Device.objects.get_or_create(
        name="broker", defaults={"kind": "mqtt", "link": broker_link, "options": credentials}
    )
    needs = {"protocol": protocol} if protocol else {}
    for device, link, options in ((vhf, tnc_link, {}), (broker, broker_link, needs)):
        if device.link != link or not options.items() <= device.options.items():
            device.link = link
            device.options |= options
            device.save()
    chat = "edge.contrib.chat.ChatConsumer"
    if new_vhf:
        Route.objects.create(device=vhf, consumer=chat)
        topic = {"broker": "broker", "topic": "aprs/{source}/{format}"}
        Route.objects.create(device=vhf, consumer="edge.contrib.forward.Forward", options=topic, position=1)
    if new_broker:
        Route.objects.create(device=broker, consumer=chat, match="chat/+peer/in")


def split_credentials(url: str) -> tuple[str, dict[str, Any]]:
    """Take user and password out of a URL: options keep a secret, a link is shown."""
    parts = urlsplit(url)
    credentials = {"username": parts.username or "", "password": parts.password or ""}
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host)), {name: value for name, value in credentials.items() if value}


@contextlib.asynccontextmanager
async def _broker(data: Path, kind: str | None) -> AsyncIterator[tuple[str, str]]:
    """Yield the URL of the broker that ``MQTT_URL`` names, or of a private one, and the MQTT version that it needs."""
    if url := os.environ.get("MQTT_URL"):
        yield url, ""
        return
    private = import_string("transports.simulator.broker:PrivateBroker")(data / "broker", kind=kind)
    try:
        yield await private.start(), private.protocol
    finally:
        await private.stop()


@contextlib.asynccontextmanager
async def _simulated_tnc(options: argparse.Namespace, link: Path) -> AsyncIterator[None]:
    """Run ``edge simulate`` in a process of its own, as a TNC is; it ends with us, however we end."""
    rate = CHECK_RATE if options.check else RATE
    words = [
        "simulate",
        "--link",
        str(link),
        "--seed",
        str(options.seed),
        "--rate",
        str(rate),
        "--talk-to",
        CALLSIGN,
        "--json",
    ]
    guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    process = await asyncio.create_subprocess_exec(
        *guard, sys.executable, "-m", "edge.cli", *words, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the simulated TNC has no output")
        line = await asyncio.wait_for(process.stdout.readline(), READY)
        if not line or json.loads(line).get("event") != "ready":
            raise RuntimeError(
                f"the simulated TNC did not start: {line.decode(errors='replace').strip() or 'no output'}"
            )
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
