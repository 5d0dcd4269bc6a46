"""``edge migrate``: bring the tables of the data folder to this version, after a copy; or leave them as they were."""

from django_site.commands import parser, say, set_up
from edge import __version__
from edge.cli import OK


def main(arguments: list[str]) -> int:
    """Run ``edge migrate``: exit code 1 where it cannot be done; then the tables are as they were."""
    made = parser(
        "migrate", "Bring the tables up to date, after a copy of them. `edge serve` does the same when it starts."
    )
    set_up(made.parse_args(arguments))
    from django_site.tables import bring_tables_up_to_date  # noqa: PLC0415  (after set_up)

    bring_tables_up_to_date()
    say(f"The tables are those of version {__version__}.")
    return OK
