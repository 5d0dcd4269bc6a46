"""What a parsed APRS packet holds: its format, its fields and its bytes.

This page is the contract of `parse` and of the `aprs` scope: names, units and types. All values are those ASGI permits.

| field | type and unit | in |
|---|---|---|
| `latitude`, `longitude` | float, degrees, north and east positive | position, mic-e, object, item, grid, weather |
| `ambiguity` | int, 0 to 4 digits left out by the sender | the same |
| `symbol` | two characters, table and code | the same |
| `timestamp` | text as sent: `092345z` day, hour, minute UTC; `/` local; `h` with seconds, UTC | the same, status |
| `messaging` | bool, whether the station takes messages | position, weather |
| `altitude` | float, m | where sent |
| `course` | int, degrees, 1 to 360 (north) | where sent and known |
| `speed` | float, km/h | where sent |
| `range` | float, km, radio range as sent or as reckoned from PHG | where sent |
| `phg` | text, power, height, gain, directivity | where sent |
| `comment` | text | all with a position, telemetry, weather |
| `name`, `alive` | text; bool, false when it was killed | object, item |
| `mic_e_message` | text, "M0: Off Duty" | mic-e |
| `weather` | dict, below | weather, object, item |
| `telemetry` | dict: `sequence` int or text, `values` list of numbers or None, `bits` text | telemetry, comments |
| `addressee`, `text` | text | message, bulletin |
| `addressee`, `id` | text; a message without one has `id` "" | message, ack, reject |
| `reply_ack` | text, the id acknowledged on the way, "" for none yet | message, ack, reject of a reply-ack station |
| `number`, `group` | text: bulletin 0-9 or announcement A-Z; its group or "" | bulletin |
| `addressee`, `definition`, `names` | text; PARM or UNIT; list of text | telemetry-definition |
| `coefficients`, `bits`, `title` | list of float (EQNS); text and text (BITS) | telemetry-definition |
| `status` | text | status |
| `query`, `text` | text | query |
| `capabilities` | dict of text to text | capabilities |
| `experiment`, `text` | two characters; text | user-defined |
| `sentence` | text | nmea, also with a position |
| `source`, `destination`, `path` | text, text, list of text | third-party |
| `packet` | dict of `format`, `fields`, `reason`, `raw` of the packet inside | third-party |
| `text` | text | beacon, test, unparsed |

`weather` holds, where sent: `wind_direction` degrees, `wind_speed` and `gust` m/s, `temperature` °C, `humidity` %,
`pressure` hPa, `rain_1h`, `rain_24h`, `rain_since_midnight` mm, `snow_24h` mm, `luminosity` W/m².
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS: Final = (
    "position",
    "mic-e",
    "object",
    "item",
    "weather",
    "message",
    "ack",
    "reject",
    "bulletin",
    "telemetry",
    "telemetry-definition",
    "status",
    "third-party",
    "query",
    "capabilities",
    "user-defined",
    "grid",  # a Maidenhead locator instead of a position; obsolete, heard still
    "nmea",  # a raw GPS sentence
    "beacon",  # plain text to a generic destination (ID, BEACON): how a station identifies itself
    "test",  # marked as test or invalid data by its sender
    "unparsed",
)

# Any: what ASGI permits in an event (bytes, str, int, float, bool, None, lists and dicts of them).
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet. `format` is one of FORMATS, `fields` is as in this module's table, `raw` the untouched info field.

    `reason` says why an unparsed packet was not read, and is empty for all others.
    """

    format: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    raw: bytes = b""
