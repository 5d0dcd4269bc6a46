"""What may be put into the outbox, how it is written down, and as what it is sent. Pure; `edge.outbox` keeps it.

``mqtt.send`` and ``aprs.send`` may, for there somebody confirms: the broker, or the station that a message is for.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

from edge.errors import LocalProtocolError
from edge.messaging import cut
from edge.topics import topic_problem

MAX_BODY = 524_288  # bytes written down for one event; a payload of 256 KiB grows by a third, and has its topic beside
DAY = 86_400.0  # seconds
LONGEST = 366 * DAY
LIFETIMES = {"mqtt.send": 7 * DAY, "aprs.send": DAY}  # unless the sender says otherwise
ASKED = ("durable", "expires")  # fields for the outbox; no transport sees them
ID_PROPERTY = "edge-id"  # the MQTT 5 user property by which a receiver can tell a message that comes twice
NUMBERS = 36**3  # messages of APRS until their ids come round again
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class OutboxRefused(LocalProtocolError):  # noqa: N818  (what the sender is told, in the words of the thing)
    """The outbox did not take an event: it is not kept, not sent, and the message says why."""


def prepare(event: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the key within which order is kept, and the event as it is written down. Raises OutboxRefused."""
    kept = {name: value for name, value in event.items() if name not in ASKED}
    if event.get("type") == "mqtt.send":
        key = _prepare_publish(kept)
    elif event.get("type") == "aprs.send":
        key = _peer(kept)
    else:
        raise OutboxRefused(f"durable is for {' and '.join(LIFETIMES)}; got {event.get('type')!r}")
    try:
        body = _written(kept)
    except (TypeError, ValueError) as error:
        raise OutboxRefused(f"it cannot be written down: {error}") from None
    if len(body) > MAX_BODY:
        raise OutboxRefused(f"it has {len(body)} bytes when written down; the outbox takes {MAX_BODY}")
    return key, body


def lifetime(event: Mapping[str, Any], expires: float | None = None) -> float:
    """Return the seconds after which an event is not worth sending any more. Raises OutboxRefused."""
    asked = event.get("expires") if expires is None else expires
    if asked is None:
        asked = (event.get("properties") or {}).get("message_expiry_interval") or LIFETIMES[event["type"]]
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 < asked <= LONGEST:
        raise OutboxRefused(f"expires: expected seconds, above 0 and at most {LONGEST:.0f}; got {asked!r:.80}")
    return float(asked)


def read(body: bytes) -> dict[str, Any]:
    """Return an event that was written down. Raises ValueError where it cannot be read any more."""
    event = _unplain(json.loads(body))
    if not isinstance(event, dict) or event.get("type") not in LIFETIMES:
        raise ValueError(f"it is no event of {' or '.join(LIFETIMES)}")
    return event


def aged(event: dict[str, Any], waited: float) -> dict[str, Any]:
    """Return a publish as it is to be sent after waiting: the broker's part of its life is what is left of it."""
    properties = event.get("properties") or {}
    if interval := properties.get("message_expiry_interval"):
        left = max(1, int(interval - waited))
        return {**event, "properties": {**properties, "message_expiry_interval": left}}
    return event


def messages(number: int, event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the packets of an APRS message, each with an id that is the same at every try, before and after a restart.

    Ids are Q, the entry's number in three characters, and the piece's: no other sender of this station has such.
    """
    packet = event["packet"]
    if packet.get("id"):
        return [packet]
    number, units = divmod(number % NUMBERS, 36)
    tens, ones = divmod(number, 36)
    start = f"Q{_DIGITS[tens]}{_DIGITS[ones]}{_DIGITS[units]}"
    return [{**packet, "text": text, "id": f"{start}{piece}"} for piece, text in enumerate(cut(packet["text"]))]


def is_message(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is an APRS message, which the peer acknowledges."""
    packet = event.get("packet")
    return event["type"] == "aprs.send" and isinstance(packet, Mapping) and packet.get("format") == "message"


def _prepare_publish(kept: dict[str, Any]) -> str:
    topic, payload = kept.get("topic"), kept.get("payload")
    if not isinstance(topic, str) or topic_problem(topic):
        problem = topic_problem(topic) if isinstance(topic, str) else f"expected text; got {topic!r:.80}"
        raise OutboxRefused(f"topic: {problem}")
    if not isinstance(payload, str | bytes | bytearray):
        raise OutboxRefused(f"payload: expected bytes or text; got {type(payload).__name__}")
    kept["qos"] = max(1, kept.get("qos") or 1)  # of QoS 0 nobody would ever hear that it arrived
    properties = dict(kept.get("properties") or {})
    properties["user_property"] = [*(properties.get("user_property") or ()), (ID_PROPERTY, secrets.token_hex(8))]
    kept["properties"] = properties
    return topic


def _peer(kept: Mapping[str, Any]) -> str:
    packet = kept.get("packet")
    if not isinstance(packet, Mapping) and not isinstance(kept.get("info"), bytes):
        raise OutboxRefused("an aprs.send has a packet, or an info in bytes; this one has neither")
    if not is_message(kept) or not isinstance(packet, Mapping):
        return ""
    addressee, text = packet.get("addressee"), packet.get("text")
    if not isinstance(addressee, str) or not isinstance(text, str) or not cut(text):
        raise OutboxRefused("a message has an addressee and a text that is not empty")
    if packet.get("id") and len(cut(text)) > 1:
        raise OutboxRefused("a message with an id of its own has one piece; leave the id away, or shorten the text")
    return addressee.upper()


def _written(event: Mapping[str, Any]) -> bytes:
    text = _ENCODER.encode(event)
    # "$ is rare: there are bytes, or a text that looks like our mark for them, or begins so.
    return (_ENCODER.encode(_plain(event)) if '"$' in text else text).encode()


def _marked(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return "$"
    raise TypeError(f"expected plain values and bytes; got {type(value).__name__}")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_marked)


def _plain(value: Any) -> Any:  # what JSON can hold, of what ASGI permits
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the names in an event are text")
        return {f"${key}" if key.startswith("$") else key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    return value


def _unplain(value: Any) -> Any:  # likewise
    if isinstance(value, dict):
        if value.keys() == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key.removeprefix("$"): _unplain(item) for key, item in value.items()}
    return [_unplain(item) for item in value] if isinstance(value, list) else value
