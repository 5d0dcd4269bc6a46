"""``edge simulate``: a TNC on a pty with a lively air, until a signal ends it."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import cycle, islice

from transports.simulator.air import Air
from transports.simulator.firmware import FAMILIES
from transports.simulator.tnc import SimulatedTnc, TncEvent

LINK = "/tmp/edge-tnc"  # noqa: S108  (a symlink that anybody may find)
MAX_STORY = 20_000  # different frames of a flood, half a second's making; a longer flood tells them again


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="edge simulate", description="Put a simulated TNC on a pty, with its air.")
    add = parser.add_argument
    add("--link", default=LINK, help="symlink to make for the port, or tcp://127.0.0.1:8001 (default: %(default)s)")
    add("--family", choices=FAMILIES, default="kiss", help="which TNC it is, by its profile (default: %(default)s)")
    add("--seed", type=int, default=1, help="the same seed tells the same story (default: %(default)s)")
    add("--rate", type=_rate, default=40.0, help="beacons heard per minute, on average (default: %(default)s)")
    add(
        "--talk-to",
        default="QQ1EDG",
        metavar="CALL",
        help="whom stations send messages; '' for nobody (default: %(default)s)",
    )
    add("--loss", type=_probability, default=0.0, help="probability that a frame is lost, each way")
    add("--duplicates", type=_probability, default=0.0, help="probability that a frame is heard twice")
    add("--noise", type=_probability, default=0.0, help="probability of noise bytes before a frame")
    add("--flood", type=int, default=0, metavar="N", help="write N frames as fast as the host reads, then be silent")
    add("--verbose", action="store_true", help="a line for each event")
    add("--json", action="store_true", help="lines of JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. Exit code 0; 1 if the port cannot be made; 2 if the options are wrong."""
    options = build_parser().parse_args(argv)
    try:
        asyncio.run(_simulate(options))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"edge simulate: cannot make the port {options.link}: {error}\n")
        return 1
    return 0


async def _simulate(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    report = _Report(as_json=options.json, when_unread=stop.set)
    tnc = SimulatedTnc(
        options.link,
        None if options.flood else _air(options),
        noise=options.noise,
        seed=options.seed,
        firmware=FAMILIES[options.family](),
        on_event=report.event if options.verbose else None,
    )
    async with tnc:
        report.line("ready", f"TNC at {tnc.link} ({tnc.device})", link=str(tnc.link), device=tnc.device)
        flood = asyncio.create_task(_flood(tnc, options, report), name="flood") if options.flood else None
        await stop.wait()
        if flood:
            flood.cancel()
            await asyncio.wait([flood])
    counts = asdict(tnc.counts) | {"dropped": tnc.dropped}
    report.line("end", " ".join(f"{name}={count}" for name, count in counts.items()), **counts)


async def _flood(tnc: SimulatedTnc, options: argparse.Namespace, report: "_Report") -> None:
    # Made before, so that only writing is measured.
    story = list(_air(options).flood(min(options.flood, MAX_STORY), time.time()))
    await tnc.wait_for_host(timeout=float("inf"))
    begin = time.monotonic()
    count = await tnc.flood(islice(cycle(story), options.flood))
    seconds = round(time.monotonic() - begin, 6)
    report.line("flooded", f"{count} frames in {seconds:.3f} s", frames=count, seconds=seconds)


def _air(options: argparse.Namespace) -> Air:
    return Air(
        seed=options.seed,
        rate=options.rate,
        talk_to=options.talk_to or None,
        loss=options.loss,
        duplicates=options.duplicates,
    )


class _Report:
    """Lines on standard output, for people or for programs; flushed, since somebody waits for them.

    Once nobody reads them any more, ``when_unread`` is called, and lines go nowhere.
    """

    def __init__(self, *, as_json: bool, when_unread: Callable[[], None]) -> None:
        self._as_json = as_json
        self._when_unread = when_unread

    def event(self, event: TncEvent) -> None:
        self.line(event.what.value, f"{event.what.value:9} {event.text}", text=event.text)

    def line(self, event: str, text: str, /, **fields: object) -> None:
        try:
            sys.stdout.write((json.dumps({"event": event, **fields}) if self._as_json else text) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes once more at its end, and would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._when_unread()


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability; expected 0 to 1")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 6000:  # noqa: PLR2004 what a 9600 baud line could carry, six times over
        raise argparse.ArgumentTypeError(f"{text} is no rate; expected 0 to 6000 frames per minute")
    return value


if __name__ == "__main__":
    sys.exit(main())
