"""``edge check``: say what in the configuration cannot work, before it runs."""

import json

from django_site.commands import parser, say, set_up
from edge.cli import FAILED, OK


def main(arguments: list[str]) -> int:
    """Run ``edge check``: exit code 0 where everything can work, 1 where something cannot."""
    made = parser("check", "Say what in the configuration cannot work: devices, routes, and the site's own settings.")
    made.add_argument("--json", action="store_true", help="a JSON list instead of lines")
    options = made.parse_args(arguments)
    set_up(options)
    from django.core import checks  # noqa: PLC0415  (after set_up)

    from django_site.tables import bring_tables_up_to_date  # noqa: PLC0415  (after set_up)

    bring_tables_up_to_date()
    found = [message for message in checks.run_checks(databases=["default"]) if message.level >= checks.WARNING]
    if options.json:
        say(json.dumps([_plain(message) for message in found], indent=2))
    else:
        for message in found:
            say(f"{_word(message)} {message.id}: {message.msg}" + (f"\n  {message.hint}" if message.hint else ""))
        say(f"{len(found)} problem{'s' * (len(found) != 1)}" if found else "Everything can work.")
    return FAILED if any(message.level >= checks.ERROR for message in found) else OK


def _word(message: object) -> str:
    return "error" if getattr(message, "level", 0) >= 40 else "warning"  # noqa: PLR2004  (django.core.checks.ERROR)


def _plain(message: object) -> dict[str, str]:
    fields = {name: str(getattr(message, name, "") or "") for name in ("id", "msg", "hint")}
    return {"level": _word(message), **fields}
