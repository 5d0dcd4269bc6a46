"""A private world to try Edge in: a TNC on a pty, an air full of stations, an MQTT broker.

A simulator shares no code with what it tests: nothing here imports ``transports.codecs``, ``edge`` or Django, and its
small KISS, AX.25 and APRS coders were written apart from theirs. It stands on the standard library alone.

Where to look: ``tnc`` for the device that a host opens, ``air`` for who is on the air and when, ``stations`` and
``talker`` for what they say, ``broker`` for MQTT, ``command`` for ``edge simulate``.
"""
