"""HTTPS of the box: a certificate of its own or a person's, kept fresh while the box runs.

`names` says by which names and addresses the box is reached, `openssl` makes and reads certificates, `box_pair` decides
when the box's own is made anew, `pairs` reads and tries what is to be served, and `keeper` does all of it now and then.
`cookies` and `middleware` are what HTTPS means for the pages. Only `views` and `checks` know that there is Django.

A certificate that is bad, or cannot be made, never keeps the plain page from coming up: there it is said.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_site.tls.keeper import Keeper

_current: "Keeper | None" = None


def current() -> "Keeper | None":
    """Return who keeps the certificate of the HTTPS port of this process; None where it has no such port."""
    return _current


def use(keeper: "Keeper | None") -> None:
    """Make a keeper the one of this process."""
    global _current  # noqa: PLW0603  (one process has one keeper, as it has one box)
    _current = keeper


def problems() -> list[str]:
    """Say what is wrong with HTTPS in this process, in plain words."""
    return list(_current.problems) if _current is not None else []
