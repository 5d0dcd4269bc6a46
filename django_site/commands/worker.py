"""``edge worker``: do the jobs of some channels, in a process beside the box, until it is told to stop."""

from django_site.commands import complain, parser, set_up
from edge.cli import OK
from edge.errors import ConfigError
from edge.layers import DEFAULT, get_channel_layer
from edge.registry import import_string
from edge.worker import Worker, require_route, require_shared


def main(arguments: list[str]) -> int:
    """Run ``edge worker``."""
    made = parser(
        "worker",
        "Do the jobs that are sent to channels of a channel layer that processes share. SIGTERM or Ctrl-C finishes the "
        "jobs at hand, a second one kills.",
    )
    made.add_argument(
        "--layer", default=DEFAULT, metavar="ALIAS", help="channel layer to take jobs from (default: %(default)s)"
    )
    made.add_argument(
        "--application",
        metavar="PATH",
        help="import path of the ASGI application that does them (default: the setting ASGI_APPLICATION)",
    )
    made.add_argument("channels", nargs="+", metavar="channel", help="channel to take jobs from")
    options = made.parse_args(arguments)
    set_up(options)
    from django.conf import settings  # noqa: PLC0415  (after set_up)

    try:
        application = import_string(options.application or settings.ASGI_APPLICATION)
        require_route(application, options.channels)
        layer = require_shared(get_channel_layer(options.layer), options.layer)
    except ConfigError as error:
        return complain(str(error))
    Worker(application, options.channels, layer).run()
    return OK
