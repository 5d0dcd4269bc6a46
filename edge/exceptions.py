"""What a consumer raises to steer its connection, with the names that Django Channels gave them."""


class StopConsumer(Exception):  # noqa: N818  (Channels' name)
    """End this consumer quietly: ``disconnect`` is still called, nothing is logged as an error."""


class AcceptConnection(Exception):  # noqa: N818  (Channels' name)
    """Raised in ``connect``: accept the connection."""


class DenyConnection(Exception):  # noqa: N818  (Channels' name)
    """Raised in ``connect``: refuse the connection."""


class ChannelFull(Exception):  # noqa: N818  (Channels' name)
    """A channel holds as many messages as its capacity allows; the message was not taken."""


class MessageTooLarge(Exception):  # noqa: N818  (Channels' name)
    """A message is larger than its channel layer carries; nothing was sent."""


class RequestAborted(Exception):  # noqa: N818  (Channels' name)
    """The client went away before its request was read."""


class RequestTimeout(RequestAborted):
    """The client took too long to send its request."""


class InvalidChannelLayerError(ValueError):
    """The channel layer is not configured, or does not offer what was asked of it."""


class DecodeError(ValueError):
    """What a peer sent could not be decoded: handed to ``on_decode_error``, the decoder's error as its cause."""
