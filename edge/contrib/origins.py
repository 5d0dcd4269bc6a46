"""Where a message on a broker was heard first, so that no bridge sends it back there.

Two ways, each enough by itself. In MQTT 5 a user property travels along and says the device and its box, whoever else
forwards it. And this process remembers for `WINDOW` seconds what its bridges have published, which serves MQTT 3.1.1
and programs that drop properties.
"""

import hashlib
import socket
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

PROPERTY = "edge-origin"
WINDOW = 300.0  # seconds; longer than a message waits for a broker that is away
MAX_REMEMBERED = 2000  # messages; the oldest is forgotten

_published: OrderedDict[bytes, tuple[float, str]] = OrderedDict()


def name(device: str) -> str:
    """Name a device as other boxes know it."""
    return f"{device}@{socket.gethostname()}"


def note(topic: str, payload: str | bytes, device: str) -> None:
    """Remember that something which this device heard is published."""
    key = _key(topic, payload)
    _published[key] = (time.monotonic(), device)
    _published.move_to_end(key)
    while len(_published) > MAX_REMEMBERED:
        _published.popitem(last=False)


def of(event: Mapping[str, Any]) -> str:
    """Return the device of this box that an ``mqtt.receive`` was heard by, or its name elsewhere, or nothing."""
    for pair in event.get("properties", {}).get("user_property", ()):
        if len(pair) == 2 and pair[0] == PROPERTY:  # noqa: PLR2004  (a name and a value)
            device, _, box = str(pair[1]).partition("@")
            return device if box == socket.gethostname() else str(pair[1])
    found = _published.get(_key(event["topic"], event["payload"]))
    return found[1] if found is not None and time.monotonic() - found[0] < WINDOW else ""


def _key(topic: str, payload: str | bytes) -> bytes:
    data = payload.encode(errors="surrogatepass") if isinstance(payload, str) else payload
    return hashlib.blake2b(topic.encode(errors="surrogatepass") + b"\0" + data, digest_size=16).digest()
