"""By which names and addresses this box is reached, as far as a certificate of its own may hold them."""

import ipaddress
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django_site.environment import host_names, words

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*\Z")  # of a host (RFC 1123, 2.1)
MOST = 32  # names, and as many addresses; more are left out
HOST_FILE = Path("/etc/hostname")  # hostname(5)

# What the box's own authority may vouch for: networks that are nobody's on the internet. Who trusts a box trusts it for
# these, and for no bank.
NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        *("100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),  # RFC 6598, RFC 3927, this machine
        *("fc00::/7", "::1/128"),  # RFC 4193, this machine
    )
)

# rtnetlink(7)
ROUTE, GET_ADDRESS, DUMP = 0, 22, 0x301  # NETLINK_ROUTE, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP
ERROR, DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
LOCAL, PEER = 2, 1  # IFA_LOCAL, IFA_ADDRESS; where both are there, the second is the other end of a line
PASSING = 0x01 | 0x20 | 0x40  # IFA_F_TEMPORARY, _DEPRECATED, _TENTATIVE
HEADER, ADDRESS_HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
LARGEST = 65_536  # bytes of one answer of the kernel
PATIENCE = 1.0  # seconds for it


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate is for: host names in lower case, and addresses."""

    hosts: frozenset[str]
    addresses: frozenset[Address]

    def __le__(self, other: "Names") -> bool:
        """Tell whether the other has all of these."""
        return self.hosts <= other.hosts and self.addresses <= other.addresses


def wanted() -> Names:
    """Return the names and addresses of this box now; addresses only of networks that are nobody's on the internet."""
    found = ["localhost", *host_names(), *static_names(), *(name.lower() for name in words("EDGE_ALLOWED_HOSTS"))]
    ours = [address for address in addresses() if any(address in network for network in NETWORKS)]
    loopback: list[Address] = [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    hosts = [name for name in dict.fromkeys(found) if NAME.match(name) and not is_address(name)]
    return Names(frozenset(hosts[:MOST]), frozenset([*loopback, *sorted(set(ours), key=str)][:MOST]))


def static_names(path: Path = HOST_FILE) -> list[str]:
    """Name the box as its file does: a service with a name space of its own does not see the host name change."""
    try:
        name = path.read_text("ascii").strip().lower()
    except (OSError, ValueError):
        return []
    if not name or "." in name:
        return [name] if name else []
    return [name, f"{name}.local"]


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def addresses() -> list[Address]:
    """Ask the kernel for the addresses of all interfaces that are there to stay; empty where it does not answer."""
    found: list[Address] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, ROUTE) as kernel:
            kernel.settimeout(PATIENCE)
            kernel.send(HEADER.pack(24, GET_ADDRESS, DUMP, 1, 0) + ADDRESS_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
            more = True
            while more:
                more = _take(kernel.recv(LARGEST), found)
    except (OSError, struct.error):
        return []
    return found


def _take(answer: bytes, found: list[Address]) -> bool:
    """Read one part of the kernel's answer; tell whether more is to come."""
    while len(answer) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(answer)
        if kind in (ERROR, DONE) or length < HEADER.size:
            return False
        found += _address(answer[HEADER.size : length])
        answer = answer[(length + 3) & ~3 :]
    return True


def _address(message: bytes) -> Iterator[Address]:
    _family, _prefix, flags, _scope, _interface = ADDRESS_HEADER.unpack_from(message)
    attributes, rest = {}, message[ADDRESS_HEADER.size :]
    while len(rest) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(rest)
        attributes[kind] = rest[ATTRIBUTE.size : length]
        rest = rest[max(4, (length + 3) & ~3) :]
    value = attributes.get(LOCAL) or attributes.get(PEER)
    if value and not flags & PASSING:
        yield ipaddress.ip_address(value)
