"""The system check of a person's own certificate, for ``edge check``."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from django_site.environment import tls_files
from django_site.tls import keeper, pairs
from django_site.tls.pairs import OwnFiles
from edge.errors import ConfigError

WRONG, ENDED = "edge.E010", "edge.W010"
HINT = 'docs/settings.md, "HTTPS", says what the files must be.'


@checks.register("edge")
def check_own_certificate(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001  (Django's signature)
    **_more: Any,
) -> list[checks.CheckMessage]:
    """Say what is wrong with the files that EDGE_TLS_CERT and EDGE_TLS_KEY name."""
    own = OwnFiles(*tls_files())
    if not own:
        return []
    try:
        pem = pairs.read_pair(own)
        pairs.try_pair(pem, keeper.in_words(own))
    except ConfigError as error:
        return [checks.Error(str(error), hint=HINT, id=WRONG)]
    return [checks.Warning(text, hint=HINT, id=ENDED) for text in keeper.ended(own, keeper.ends(pem))]
