r"""What a parsed APRS packet holds: its format, its fields, where each comes from, and its bytes.

This page is the contract of `parse`, `encode` and the `aprs` scope: names, units and types. All values are those ASGI
permits. A field is there only if it was sent and understood; numbers are finite and within the range of what they
measure. docs/aprs.md says how each is read.

| field | type and unit | in |
|---|---|---|
| `latitude`, `longitude` | float, degrees, north and east positive | all with a place |
| `ambiguity` | int, 0 to 4 digits left out by the sender; the place is the middle of what is left | plain and mic-e |
| `compressed` | True where the place came in compressed form (chapter 9) | position, object, item, weather |
| `datum` | one character, of `!DAO!`, whose digits the place includes; W is WGS 84 | where sent |
| `fix_current` | bool, whether the GPS fix was current when sent | compressed, where sent |
| `symbol` | two characters, table (or overlay) and code | all with a place; status where sent |
| `timestamp` | text as sent: `092345z` day, hour, minute UTC; `/` local; `h` with seconds, UTC | the same, status |
| `messaging` | bool, whether the station takes messages | position, weather |
| `altitude` | float, m | where sent |
| `course` | int, degrees, 1 to 360 (north) | where sent and known |
| `speed` | float, km/h | where sent |
| `range` | float, km, radio range as sent or as reckoned from PHG | where sent |
| `phg`, `dfs` | text as sent: power (strength), height, gain, directivity, beacons per hour | where sent |
| `antenna` | dict: `power` W or `strength` S, `height` m, `gain` dB, `directivity` degrees, 0 all around | the same |
| `bearing`, `nrq` | int, degrees; three digits: hits, range, quality as sent | DF reports |
| `frequency` | float, MHz, of the voice channel | where sent in the comment |
| `tone` | text as sent: `T107` CTCSS, `C107` squelch too, `D023` DCS, `1750`, `Toff`; small: narrow | the same |
| `offset` | float, MHz, of the transmitter of who calls | the same |
| `comment` | text, without what was understood of it | all with a place, telemetry, weather |
| `name`, `alive` | text; bool, false when it was killed | object, item |
| `area` | dict: `shape` 0-9, `color` 0-15, `latitude_offset`, `longitude_offset` degrees, `width` km | area objects |
| `signpost` | text, 1 to 3 characters | objects with the symbol `\m` |
| `storm` | dict: `kind` TS, HC or TD, `wind_speed`, `gust` m/s, `pressure` hPa, `radii` km by wind | storms |
| `mic_e_message` | text, "M0: Off Duty" | mic-e |
| `weather` | dict, below | weather, object, item |
| `weather_software` | text, the program's letter and two to four of the station's kind: `wRSW` | weather, where sent |
| `telemetry` | dict: `sequence` int, text, None; `values` list of numbers or None; `bits` text, B1 first | where sent |
| `addressee`, `text`, `id` | text; a message without one has `id` "" | message |
| `query` | text, of a directed query: `APRSD` for the text `?APRSD` | message |
| `addressee`, `id` | text | ack, reject |
| `reply_ack` | text, the id acknowledged on the way, "" for none yet | message, ack, reject of a reply-ack station |
| `addressee`, `text`, `number`, `group` | text: bulletin 0-9 or announcement A-Z; its group or "" | bulletin |
| `kind` | bulletin, announcement, group or nws (National Weather Service; `number` is "") | bulletin |
| `addressee`, `definition`, `text` | text; PARM, UNIT, EQNS or BITS; the message as sent | telemetry-definition |
| `names` | list of text (PARM, UNIT) | the same |
| `coefficients` | list of float (EQNS) | the same |
| `bits`, `title` | text and text (BITS) | the same |
| `status` | text | status |
| `locator` | text, Maidenhead, 4 or 6 characters; the place is the middle of its square | grid; status where sent |
| `heading`, `erp` | int, degrees, and int, W, of a beam | status, where sent |
| `query`, `text` | text; with `latitude`, `longitude`, `range` (km) where it asks an area | query |
| `capabilities` | dict of text to text | capabilities |
| `experiment`, `text` | two characters; text | user-defined |
| `sentence`, `name` | text; a waypoint's name | nmea |
| `quality` | int, 0 to 8 | df, an Agrelo DFJr's report, with `bearing` |
| `source`, `destination`, `path` | text, text, list of text | third-party |
| `packet` | dict of `format`, `fields`, `reason`, `raw`, `origins` of the packet inside | third-party |
| `device` | dict of `vendor`, `model`, `class` as far as known; added by the transport (`devices.identify`) | all |
| `text` | text | beacon, test, unparsed |

`weather` holds, where sent: `wind_direction` degrees, `wind_speed` and `gust` m/s, `temperature` and
`temperature_indoor` °C, `humidity` and `humidity_indoor` %, `pressure` hPa, `rain_1h`, `rain_24h`,
`rain_since_midnight` and `rain_total` mm, `rain_counter` as counted, `snow_24h` mm, `luminosity` W/m², `water_level` m
above flood stage, `battery` V, `radiation` nSv/h.

**Where a field comes from.** A field that `origins` does not name is as the standard has it. Those it names are
"lenient" (sent otherwise than the standard says, yet plain) or "guessed" (what was sent does not settle it); behind the
word and a colon stands the rule. A value within `weather` is named `weather.gust`, and the like.
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
    "df",  # a direction finder's raw report
    "beacon",  # plain text to a generic destination (ID, BEACON): how a station identifies itself
    "test",  # marked as test or invalid data by its sender
    "unparsed",
)
STANDARD: Final = "standard"

# Any: what ASGI permits in an event (bytes, str, int, float, bool, None, lists and dicts of them).
Fields = dict[str, Any]
Origins = dict[str, str]  # field to "lenient: …" or "guessed: …"
Reading = tuple[str, Fields] | str  # format and fields, or the reason why there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet. `format` is one of FORMATS, `fields` is as in this module's table, `raw` the untouched info field.

    `reason` says why an unparsed packet was not read, and is empty for all others. `origins` names the fields that
    are not as the standard has them.
    """

    format: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    raw: bytes = b""
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """Say where a field comes from: "standard", "lenient" or "guessed"."""
        return self.origins.get(name, STANDARD).partition(":")[0]
