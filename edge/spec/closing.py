"""How a connection ended, in the numbers that WebSocket made known (RFC 6455, section 7.4.1), for every scope."""

from enum import IntEnum


class CloseCode(IntEnum):
    """The ``code`` of every ``X.disconnect`` and ``X.close``."""

    NORMAL = 1000  # the consumer, or its peer, said goodbye
    GOING_AWAY = 1001  # the device or its route was taken out of the configuration, or the peer was silent too long
    LINK_LOST = 1006  # the cable, the port, the broker or the network went away
    HANDLER_ERROR = 1011  # a handler of this consumer raised
    RESTART = 1012  # the box is stopping or restarting
