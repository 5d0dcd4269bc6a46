"""A private MQTT broker on 127.0.0.1, for a demonstration and for fault tests.

mosquitto if this machine has it, else amqtt, a broker in Python (``pip install asgi-edge[demo]``). Either runs in a
process of its own, which ``PrivateBroker`` starts, waits for, kills and starts again; ``main`` is that process. Nobody
but this machine can reach it, and nothing outlives it: retained messages and sessions go when it goes.
"""

import argparse
import asyncio
import importlib.util
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Kind = Literal["mosquitto", "amqtt"]

HOST = "127.0.0.1"
START_LIMIT = 15.0  # seconds; amqtt needs two on a small board
STOP_LIMIT = 5.0  # seconds between SIGTERM and SIGKILL
POLL = 0.02  # seconds between two attempts to connect
SYSTEM_PLACES = "/usr/sbin:/usr/local/sbin"  # where Debian puts mosquitto, and where a user's PATH does not look
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class BrokerError(RuntimeError):
    """The broker is not installed, or did not come up; the message says what to do."""


def find_kind() -> Kind:
    """Give the better of the brokers that this machine has. BrokerError if it has none."""
    if find_mosquitto():
        return "mosquitto"
    if importlib.util.find_spec("amqtt"):
        return "amqtt"
    raise BrokerError("no MQTT broker here: install mosquitto (apt) or amqtt (pip install asgi-edge[demo])")


def find_mosquitto() -> str | None:
    """Give the path of mosquitto, or None."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PLACES}")


def find_free_port() -> int:
    """Give a port that nobody listens on now. Somebody else may be quicker; then the start fails, and says so."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class PrivateBroker:
    """A broker in a child process. ``start`` (or ``async with``) waits until it accepts; ``stop`` ends it.

    ``data`` is a directory for its configuration and log, made if missing. ``port`` 0 means any free one, kept over
    ``restart``. ``kind`` picks a broker; by default the best there is.
    """

    def __init__(self, data: Path | str, *, port: int = 0, kind: Kind | None = None) -> None:
        self.kind: Kind = kind or find_kind()
        self.port = port or find_free_port()
        self._data = Path(data)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def protocol(self) -> Literal["5", "3.1.1"]:
        """The newest MQTT that it speaks: amqtt knows no other than 3.1.1, and answers a greeting of 5 with silence."""
        return "5" if self.kind == "mosquitto" else "3.1.1"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start it, wait until it accepts connections, and give its URL. BrokerError if it does not come up."""
        if self.running:
            return self.url
        self._refuse_taken_port()
        self._data.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in a terminal is for whoever started it, who then stops the broker
            )
        try:
            await self._wait_until_it_accepts(self._process)
        except BaseException:
            await self.kill()
            raise
        return self.url

    async def stop(self) -> None:
        """End it as a service manager would: SIGTERM, and SIGKILL after ``STOP_LIMIT``. Again is fine."""
        if not self.running or not self._process:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill it as a power cut would: clients see their connections reset, without goodbye."""
        if self.running and self._process:
            self._process.kill()
            await self._process.wait()

    async def restart(self) -> str:
        """Stop it if it runs, and start it at the same port; whatever it retained is gone."""
        await self.stop()
        return await self.start()

    @property
    def _log(self) -> Path:
        return self._data / "broker.log"

    def _command(self) -> list[str]:
        options = ["--kind", self.kind, "--port", str(self.port), "--data", str(self._data)]
        # It ends with whoever started it, however that ends; without util-linux it would live on after a SIGKILL.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        return [*guard, sys.executable, "-m", "transports.simulator.broker", *options]

    def _refuse_taken_port(self) -> None:
        """Without this, we should take a stranger's broker for ours."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                raise BrokerError(f"port {self.port} of {HOST} is taken: {error}") from error

    async def _wait_until_it_accepts(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(START_LIMIT):
                while process.returncode is None and not await _accepts(self.port):  # noqa: ASYNC110 a port tells nobody
                    await asyncio.sleep(POLL)
        except TimeoutError as error:
            raise BrokerError(f"{self.kind} accepts nothing at port {self.port} after {START_LIMIT} s") from error
        if process.returncode is not None:
            raise BrokerError(f"{self.kind} ended with code {process.returncode}: {_tail(self._log)}")


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _tail(log: Path) -> str:
    """The last words of a log; what an error message has room for."""
    return log.read_bytes()[-800:].decode(errors="replace").strip()


def _environment() -> dict[str, str]:
    paths = [str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a broker until SIGINT or SIGTERM. mosquitto takes this process over; amqtt runs within it."""
    parser = argparse.ArgumentParser(
        prog="edge broker", description="Run a private MQTT broker on 127.0.0.1. Ctrl-C stops it."
    )
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="port to listen on; 0 for any free one, which is printed (default: %(default)s)",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="folder for configuration and log")
    parser.add_argument(
        "--kind", choices=("mosquitto", "amqtt"), help="which broker (default: mosquitto if it is there)"
    )
    options = parser.parse_args(argv)
    try:
        return _run(options.kind or find_kind(), options.port or find_free_port(), options.data)
    except BrokerError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run(kind: Kind, port: int, data: Path) -> int:
    data.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{kind} at mqtt://{HOST}:{port}\n")
    sys.stdout.flush()
    if kind == "mosquitto":
        return _become_mosquitto(port, data)
    asyncio.run(_serve_amqtt(port))
    return 0


def mosquitto_configuration(port: int) -> str:
    """Give the text of mosquitto's private configuration.

    As root it would become the user mosquitto, who may not read our directory; and who is not there in a container.
    """
    lines = [
        f"listener {port} {HOST}",
        "allow_anonymous true",
        "persistence false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        *(["user root"] if os.geteuid() == 0 else []),
    ]
    return "\n".join(lines) + "\n"


def _become_mosquitto(port: int, data: Path) -> int:
    """Replace this process, so that there is one process to signal, and none to be orphaned."""
    program = find_mosquitto()
    if program is None:
        raise BrokerError("mosquitto is not installed (apt install mosquitto)")
    configuration = data / "mosquitto.conf"
    configuration.write_text(mosquitto_configuration(port))
    os.execv(program, [program, "-c", str(configuration)])  # noqa: S606 no shell wanted


async def _serve_amqtt(port: int) -> None:
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 heavy, and missing where mosquitto is
    except ImportError as error:
        raise BrokerError("amqtt is not installed (pip install asgi-edge[demo])") from error
    logging.basicConfig(level=logging.CRITICAL)  # amqtt calls each client that goes an error
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    sys.exit(main())
