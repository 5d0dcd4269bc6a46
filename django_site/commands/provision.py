"""``edge provision``: give a new box its owner and its first radio, before it runs or while it does.

Reads JSON from standard input, both parts optional:

    {"owner": {"name": "alice", "password": "…"},
     "station": {"name": "radio", "kind": "aprs", "link": "serial:///dev/ttyUSB0", "callsign": "DL1ABC-10"}}

The first boot of an image asks for it, with what a person wrote into edge.toml. Doing it twice does no more than once.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from django_site.commands import complain, parser, say, set_up
from edge.cli import OK, USAGE
from edge.desired import DeviceWish, device_problems
from edge.errors import ConfigError

LONGEST = 65_536  # characters of the request
PARTS = {"owner": {"name", "password"}, "station": {"name", "kind", "link", "callsign"}}


def main(arguments: list[str]) -> int:
    """Run ``edge provision``. Exit code 1 where a part cannot be made; the parts before it are."""
    made = parser(
        "provision", "Give a new box its owner and its first radio: JSON on standard input (docs/appliance.md)."
    )
    options = made.parse_args(arguments)
    try:
        request = read_request(sys.stdin.read(LONGEST + 1))
    except ValueError as error:
        return complain(f"provision: {error}", USAGE)
    set_up(options)
    from django_site.box import bring_tables_up_to_date  # noqa: PLC0415  (after set_up)

    bring_tables_up_to_date()
    if "owner" in request:
        say(make_owner(**request["owner"]))
    if request.get("station", {}).get("link"):
        say(make_station(request["station"]))
    return OK


def read_request(text: str) -> dict[str, dict[str, str]]:
    """Return the parts of a request. Raises ValueError, which never quotes a value: one of them is a password."""
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} characters")
    try:
        request = json.loads(text)
    except ValueError as error:
        raise ValueError(f"expected JSON; {error}") from error
    if not isinstance(request, dict) or not request.keys() <= PARTS.keys():
        raise ValueError(f"expected an object with {' and '.join(PARTS)} alone")
    for name, part in request.items():
        if not isinstance(part, dict) or not part.keys() <= PARTS[name]:
            raise ValueError(f"{name}: expected an object with {', '.join(sorted(PARTS[name]))} alone")
        if not all(isinstance(value, str) for value in part.values()):
            raise ValueError(f"{name}: expected texts")
    return request


def make_owner(name: str = "operator", password: str = "") -> str:
    """Make the superuser, or give the one of that name this password. Raises ConfigError for a weak one."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415  (after set_up)
    from django.contrib.auth.password_validation import validate_password  # noqa: PLC0415  (as above)
    from django.core.exceptions import ValidationError  # noqa: PLC0415  (as above)

    users = get_user_model()
    user = users.objects.filter(username=name).first() or users(username=name, is_staff=True, is_superuser=True)
    if password:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise ConfigError(f"owner.password: {' '.join(error.messages)}") from error
        user.set_password(password)
    elif not user.pk:
        user.set_unusable_password()
    user.save()
    return f"{name} owns the site, and signs in {'with the password' if password else 'by the link on the screen'}"


def make_station(station: Mapping[str, str]) -> str:
    """Make the device, unless there is one of its name. Raises ConfigError with all that is wrong with it."""
    from django_site.devices.models import Device  # noqa: PLC0415  (after set_up)

    call = station.get("callsign", "")
    wish = DeviceWish(
        name=station.get("name") or "radio",
        kind=station.get("kind") or "aprs",
        link=station["link"],
        options={"callsign": call} if call else {},
    )
    if Device.objects.filter(name=wish.name).exists():
        return f"there is a device {wish.name} already; it stays as it is"
    others = [device.wish() for device in Device.objects.all()]
    if problems := device_problems(wish, others):
        raise ConfigError("; ".join(f"station.{problem.field}: {problem.message}" for problem in problems))
    values: dict[str, Any] = {"name": wish.name, "kind": wish.kind, "link": wish.link, "options": dict(wish.options)}
    Device.objects.create(**values)
    return f"the device {wish.name} listens at {wish.link}; transmitting is off until you turn it on"
