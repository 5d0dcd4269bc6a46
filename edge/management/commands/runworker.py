"""``manage.py runworker``: Django Channels' command, on `edge.worker`. ``edge worker`` is the same for the box."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from edge.errors import ConfigError
from edge.layers import DEFAULT, get_channel_layer
from edge.registry import import_string
from edge.worker import Worker, require_route, require_shared


class Command(BaseCommand):
    """Runs the worker of ``ASGI_APPLICATION``."""

    help = "Do the jobs that are sent to channels of a channel layer. SIGTERM finishes those at hand."
    worker_class = Worker

    def add_arguments(self, parser: CommandParser) -> None:
        """Take Channels' options."""
        parser.add_argument("--layer", default=DEFAULT, help="Channel layer alias to use, if not the default.")
        parser.add_argument("channels", nargs="+", help="Channels to listen on.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Work until told to stop."""
        path = getattr(settings, "ASGI_APPLICATION", None)
        if not path:
            raise CommandError("the setting ASGI_APPLICATION names no application")
        try:
            layer = require_shared(get_channel_layer(options["layer"]), options["layer"])
            application = import_string(path)
            require_route(application, options["channels"])
        except ConfigError as error:
            raise CommandError(str(error)) from error
        self.worker_class(application, options["channels"], layer).run()
