"""Processes with a bounded life, their CPU clocks, and tables of medians.

A child talks in lines of JSON: one command a line on its standard input, one answer a line on its standard output. It
ends when its standard input is closed, so that nothing outlives a bench that was killed.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

import psutil

ROOT = Path(__file__).parent.parent
DASH, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"
ANSWER = 60.0  # seconds that a child may take to answer, unless told otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to do: ``quick`` shows the shape in a few minutes, the full run is for figures."""

    rounds: int = 3
    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """Choose an amount."""
        return quick if self.quick else full


class Child:
    """A module of this package as a process of its own. A context manager: at its end the process is gone."""

    def __init__(self, module: str, *arguments: object, env: dict[str, str] | None = None) -> None:
        self.module = module
        command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, **command: object) -> None:
        """Write a command."""
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, timeout: float = ANSWER) -> dict[str, Any]:
        """Read an answer; TimeoutError or EOFError where none comes."""
        until = time.monotonic() + timeout
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"bench.{self.module} gave no answer within {timeout:g} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise EOFError(f"bench.{self.module} ended with code {self.process.wait()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def ask(self, timeout: float = ANSWER, **command: object) -> dict[str, Any]:
        """Write a command and read its answer."""
        self.tell(**command)
        return self.hear(timeout)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, by its CPU clock (Linux: /proc has ticks only)."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def memory(pid: int) -> tuple[float, float]:
    """Resident and private MiB of a process."""
    found = psutil.Process(pid).memory_full_info()
    return found.rss / 2**20, found.uss / 2**20


def commands() -> Iterable[dict[str, Any]]:
    """Read the commands that this child is told."""
    for line in sys.stdin:
        yield json.loads(line)


def answer(**values: object) -> None:
    """Answer the process that told us."""
    print(json.dumps(values), flush=True)


@dataclass(slots=True)
class Series:
    """Samples by row and column, in the order in which they first came."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, row: str, **columns: float | None) -> None:
        """Take a sample of each column."""
        for column, value in columns.items():
            if value is not None:
                self.samples.setdefault(row, {}).setdefault(column, []).append(value)

    def median(self, row: str, column: str) -> float | None:
        """Return the median, or None where there is no sample."""
        found = self.samples.get(row, {}).get(column)
        return median(found) if found else None

    def paired(self, row: str, other: str, column: str) -> float | None:
        """Return the median of the ratios round by round: what else the machine did then, it did to both."""
        ours, theirs = (self.samples.get(name, {}).get(column, []) for name in (row, other))
        ratios = [a / b for a, b in zip(ours, theirs, strict=False) if b]
        return median(ratios) if ratios else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a bench found, as cells of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return the table as people and docs/performance.md have it."""
        lines = [f"### {self.title}", "", _row(self.columns), _row(["---", *["---:"] * (len(self.columns) - 1)])]
        lines += [_row(row) for row in self.rows]
        if self.notes:
            lines += ["", *(f"* {note}" for note in self.notes)]
        return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: float | None, digits: int = 0) -> str:
    """Write a figure for people; what was not measured is a dash."""
    return DASH if value is None else f"{value:,.{digits}f}"


def times(value: float | None) -> str:
    """Write a ratio."""
    return DASH if value is None else f"{value:,.{1 if value >= 10 else 2}f} {TIMES}"
