"""Keep login links out of the log, whoever writes a request's path there."""

import logging
import re

LOGIN_LINK = re.compile(r"(/login/)[\w-]{8,}")


class HideLoginLinks(logging.Filter):
    """Write ``/login/***`` for each login link."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, without its links."""
        text = record.getMessage()
        hidden = LOGIN_LINK.sub(r"\1***", text)
        if hidden != text:
            record.msg, record.args = hidden, ()
        return True
