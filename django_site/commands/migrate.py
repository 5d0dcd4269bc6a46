"""``edge migrate``: bring the tables of the data folder to this version, after a copy; or leave them as they were."""

from django_site.commands import parser, say, set_up
from edge import __version__
from edge.cli import FAILED, OK


def main(arguments: list[str]) -> int:
    """Run ``edge migrate``: exit code 1 where it cannot be done; then the tables are as they were."""
    made = parser(
        "migrate", "Bring the tables up to date, after a copy of them. `edge serve` does the same when it starts."
    )
    made.add_argument("--check", action="store_true", help="change nothing; exit code 1 where there is something to do")
    options = made.parse_args(arguments)
    set_up(options)
    from django_site.tables import bring_tables_up_to_date, missing  # noqa: PLC0415  (after set_up)

    if options.check:
        others = missing()
        say(f"Of another version are the tables of {', '.join(others)}." if others else "No table has to change.")
        return FAILED if others else OK
    bring_tables_up_to_date()
    say(f"The tables are those of version {__version__}.")
    return OK
