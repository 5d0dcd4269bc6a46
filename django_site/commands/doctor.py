"""``edge doctor``: look at everything that a box needs, and say what is wrong and what to do."""

import json
from dataclasses import asdict
from typing import Any

from django_site.commands import data_folder, parser, say, set_up
from django_site.doctor import Finding, Level, examine, machine
from edge.cli import FAILED, OK
from edge.registry import import_string

WITHOUT_TABLES = ("databases", "running")  # a box that never ran has made none
WISHES = (*WITHOUT_TABLES, "outbox", "ports", "brokers", "certificates")


def main(arguments: list[str]) -> int:
    """Run ``edge doctor``: exit code 0 where nothing is wrong, 1 where something is. Changes nothing, sends nothing."""
    made = parser("doctor", "Look at all that the box needs, and say what to do. Changes nothing and sends nothing.")
    made.add_argument("--json", action="store_true", help="all findings, as a JSON list")
    options = made.parse_args(arguments)
    set_up(options)
    checks: dict[str, Any] = {name: getattr(machine, name) for name in ("folder", "disk", "clock", "service")}
    for name in WISHES if (data_folder(options) / "edge.sqlite3").exists() else WITHOUT_TABLES:
        checks[name] = import_string(f"django_site.doctor.wishes:{name}")
    checks["https"] = import_string("django_site.doctor.https:https")
    found = examine(data_folder(options), checks)
    if options.json:
        say(json.dumps([{**asdict(finding), "level": finding.level.value} for finding in found], indent=2))
    else:
        for line in lines(found):
            say(line)
    return FAILED if any(finding.level is Level.ERROR for finding in found) else OK


def lines(found: list[Finding]) -> list[str]:
    """Return the findings as lines for a person, the worst last, where the eye is."""
    order = list(Level)
    told: list[str] = []
    for finding in sorted(found, key=lambda finding: order.index(finding.level)):
        told.append(f"{finding.level.value:8} {finding.about}: {finding.text}")
        if finding.do:
            told.append(f"         → {finding.do}")
    wrong = sum(finding.level is not Level.OK for finding in found)
    return [*told, f"{wrong} things to look after." if wrong else "All is well."]
