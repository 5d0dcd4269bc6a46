"""``rpi-preseed.toml``, which Raspberry Pi Imager writes for images that ask for it: its words for what we know.

Its tables are [system] hostname, [user] name, password and password_encrypted, [ssh] enabled, password_authentication
and authorized_keys, [wlan] ssid, password, password_encrypted, country and hidden, [locale]. The Imager wrote the file,
so what we do not know in it is nobody's mistake; it is passed over, and said.
"""

from collections.abc import Mapping
from typing import Any

from .edgetoml import document
from .wanted import Account, Mistake, Wanted, Wifi

PASSED_OVER = {"config_version", "locale"}  # the site speaks UTC and English


def parse(data: bytes) -> tuple[Wanted, list[str]]:
    """Return what is wanted, and what could not be taken, in plain words. Raises nothing."""
    try:
        tables = document(data)
    except Mistake as mistake:
        return Wanted(), [str(mistake)]
    mistakes = [
        f"{name}: the Imager's option is not known here"
        for name in tables
        if name not in {"system", "user", "ssh", "wlan"} | PASSED_OVER
    ]
    found: dict[str, Any] = {}
    for name, make in (("host_name", _host_name), ("account", _account), ("wifi", _wifi)):
        try:
            found[name] = make(tables)
        except (Mistake, TypeError) as mistake:
            mistakes.append(str(mistake))
    return Wanted(**{name: value for name, value in found.items() if value}), mistakes


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise Mistake(f"{name}: expected a table; got {table!r}")
    return table


def _host_name(tables: Mapping[str, Any]) -> str:
    return Wanted(host_name=str(_table(tables, "system").get("hostname", ""))).host_name


def _account(tables: Mapping[str, Any]) -> Account | None:
    user, ssh = _table(tables, "user"), _table(tables, "ssh")
    if not user and not ssh.get("enabled"):
        return None
    password = str(user.get("password", ""))
    if password and not user.get("password_encrypted", True):
        raise Mistake("user.password: expected an encrypted one; set it in the Imager, not by hand")
    return Account(
        name=str(user.get("name", "") or "admin"),
        password=password,
        keys=tuple(str(key).strip() for key in ssh.get("authorized_keys", ())) if ssh.get("enabled") else (),
        password_login=bool(ssh.get("enabled") and ssh.get("password_authentication")),
    )


def _wifi(tables: Mapping[str, Any]) -> Wifi | None:
    wlan = _table(tables, "wlan")
    if not wlan.get("ssid"):
        return None
    return Wifi(
        ssid=str(wlan["ssid"]),
        password=str(wlan.get("password", "")),  # encrypted means: 64 digits, the key itself
        country=str(wlan.get("country", "") or tables.get("locale", {}).get("country", "") or "GB"),
        hidden=bool(wlan.get("hidden", False)),
    )
