"""``python -m bench``, or better ``scripts/bench``: run benches and print their tables."""

import argparse
import importlib
import json
import sys
import time

from bench.measure import Effort, Table

BENCHES = ("codecs", "latency", "consumer", "fanout", "isolation", "memory", "idle", "outbox", "whole", "mqtt")


def main() -> int:
    """Run the benches that were named, all where none was; exit code 1 if one could not run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure Edge beside its peers.")
    parser.add_argument(
        "names", nargs="*", metavar="BENCH", help=f"which to run, of {', '.join(BENCHES)} (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=0, help="rounds that the medians are of (default: 3; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="less of everything: some five minutes in all")
    parser.add_argument("--json", action="store_true", help="one line of JSON a table")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    effort = Effort(rounds=options.rounds or (1 if options.quick else 3), quick=options.quick)
    failed = [name for name in options.names or BENCHES if not _run(name, effort, as_json=options.json)]
    return 1 if failed else 0


def _run(name: str, effort: Effort, *, as_json: bool) -> bool:
    began = time.monotonic()
    try:
        tables = importlib.import_module(f"bench.{name}").run(effort)
    except Exception as error:  # noqa: BLE001  (the others are measured all the same)
        print(f"bench {name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    for table in tables:
        _show(table, as_json=as_json)
    print(f"bench {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return True


def _show(table: Table, *, as_json: bool) -> None:
    if as_json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        print(json.dumps({"title": table.title, "rows": rows, "notes": table.notes}, ensure_ascii=False), flush=True)
    else:
        print(f"{table.markdown()}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
