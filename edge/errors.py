"""Whose fault it was, and what happens next.

Every error that crosses a layer is one of these five. Noise on a radio is none of them: it is counted, and visible in
the tap. A message says what was expected, what came, where, and what to do.
"""


class EdgeError(Exception):
    """The common base; catch one of the five below."""


class ConfigError(EdgeError, ValueError):
    """A person must act: the device stays down (state ``failed``) until the configuration changes."""


class LinkLost(EdgeError, OSError):  # noqa: N818  (the field's word for it; "Error" would say no more)
    """The cable, the port or the network went away. Wait, then try again; `edge.backoff` decides how long."""


class LocalProtocolError(EdgeError):
    """Our own consumer sent something that its connection does not allow: raised out of ``send``."""


class RemoteProtocolError(EdgeError):
    """The peer broke a protocol that has state: the connection is dropped and opened anew."""


class Refused(EdgeError):  # noqa: N818  (what happened; "Error" would say no more)
    """The transmit gate did not let a frame of connected mode pass: raised out of ``send``, with the gate's words.

    Of frames that expect no answer a refusal is counted and shown, and not raised.
    """
