"""``edge login``: print a one-time link. Whoever may write the data folder owns the box, so no password is asked."""

from django_site.commands import parser, say, set_up
from edge.cli import OK
from edge.registry import import_string


def main(arguments: list[str]) -> int:
    """Run ``edge login``."""
    made = parser("login", "Print a link that signs in once, without a password.")
    made.add_argument("--user", default="operator", help="whom it signs in; made if missing (default: %(default)s)")
    made.add_argument("--minutes", type=int, default=15, help="how long it works (default: %(default)s)")
    made.add_argument("--url", default="http://127.0.0.1:8000", help="where the box is (default: %(default)s)")
    made.add_argument("--first", action="store_true", help="only where nobody can sign in yet; else print nothing")
    options = made.parse_args(arguments)
    set_up(options)
    from django_site.box import bring_tables_up_to_date  # noqa: PLC0415  (after set_up)

    bring_tables_up_to_date()
    user = import_string("django_site.access.links:who_waits")() if options.first else options.user
    if not user:
        return OK
    issue = import_string("django_site.access.links:issue_login_link")
    say(options.url.rstrip("/") + issue(user, options.minutes))
    return OK
