"""``edge.toml`` on the boot partition: read strictly, table by table, so that one mistake does not cost the rest.

A table with a mistake is left out as a whole and reported; the others are taken. A table or a field that there is not
is a mistake too: what a person wrote and the box ignored would be the worst of answers.
"""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .wanted import Account, Mistake, Owner, Station, Wanted, Wifi

LONGEST = 65_536  # bytes of a file; a larger one is not read
T = TypeVar("T")

# Each field of each table, and its type. What it may hold is `wanted`'s.
FIELDS: dict[str, dict[str, type]] = {
    "box": {"name": str},
    "owner": {"name": str, "password": str},
    "ssh": {"user": str, "keys": list, "password": str},
    "wifi": {"ssid": str, "password": str, "country": str, "hidden": bool},
    "station": {"callsign": str, "link": str, "kind": str, "name": str},
}
KINDS = {str: "text in quotes", bool: "true or false", list: "a list of texts"}


def parse(data: bytes) -> tuple[Wanted, list[str]]:
    """Return what is wanted, and what of the file could not be taken, in plain words. Raises nothing."""
    try:
        tables = document(data)
    except Mistake as mistake:
        return Wanted(), [str(mistake)]
    mistakes = [
        f"[{name}]: there is no such table; there are {', '.join(FIELDS)}" for name in tables if name not in FIELDS
    ]

    def take(name: str, make: Callable[[Mapping[str, Any]], T]) -> T | None:
        if name not in tables:
            return None
        try:
            return make(fields(name, tables[name]))
        except Mistake as mistake:
            mistakes.append(str(mistake))
            return None

    wanted = Wanted(
        host_name=take("box", _host_name) or "",
        owner=take("owner", lambda table: Owner(**table)),
        account=take("ssh", _account),
        wifi=take("wifi", _wifi),
        station=take("station", lambda table: Station(**table)),
    )
    return wanted, mistakes


def document(data: bytes) -> dict[str, Any]:
    """Read TOML as people's editors write it, with a byte order mark or without. Raises `Mistake`."""
    if len(data) > LONGEST:
        raise Mistake(f"the file has {len(data)} bytes; expected at most {LONGEST}")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Mistake(f"the file is not UTF-8 from byte {error.start} on; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Mistake(f"the file is not TOML: {error}") from error


def fields(name: str, table: object) -> dict[str, Any]:
    """Return a table's fields, each there and of its type. Raises `Mistake`."""
    if not isinstance(table, dict):
        raise Mistake(f"{name}: expected a table, [{name}]; got {table!r}")
    for key, value in table.items():
        kind = FIELDS[name].get(key)
        if kind is None:
            raise Mistake(f"{name}.{key}: there is no such field; there are {', '.join(FIELDS[name])}")
        texts = not isinstance(value, list) or all(isinstance(item, str) for item in value)
        if type(value) is not kind or not texts:
            raise Mistake(f"{name}.{key}: expected {KINDS[kind]}; got {_shown(key, value)}")
    return table


def _shown(key: str, value: object) -> str:
    return "something else" if key == "password" else repr(value)[:80]


def _host_name(table: Mapping[str, Any]) -> str:
    return Wanted(host_name=table.get("name", "")).host_name


def _account(table: Mapping[str, Any]) -> Account:
    return Account(
        name=table.get("user", "admin"),
        keys=tuple(table.get("keys", ())),
        password=table.get("password", ""),
        password_login=bool(table.get("password")),
    )


def _wifi(table: Mapping[str, Any]) -> Wifi:
    for needed in ("ssid", "country"):
        if needed not in table:
            raise Mistake(f"wifi.{needed}: is missing")
    return Wifi(**table)
