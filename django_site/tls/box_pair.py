"""The box's own certificate: an authority made once, a server's certificate made anew whenever that is due.

A Pi has no clock, so no time is trusted further than it must be.

* **Nothing begins in the future**, once the clock is corrected: the authority begins on a day before every Edge, the
  server's certificate `BACKDATED` before it is made. A clock that was further ahead is found out when it is set back,
  and then the certificate is made anew.
* **A clock that nobody has set judges nothing**: until it is set, the certificate that is there is served as it is. One
  that must be made then, because there is none or the box has a new name, is made for the latest time of which there is
  evidence: the clock, the day that Edge was made, the last certificate.
* **A clock that was behind** gives a certificate that has ended when it is set right; the next look makes it anew.
* **The authority is never replaced by itself**, for every phone would have to trust it again, and a clock may be wrong.
"""

import fcntl
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import edge
from django_site import clock
from django_site.tls import names, openssl
from django_site.tls.names import Names
from django_site.tls.openssl import Certificate
from edge.files import write_whole

DAY = 86_400.0  # seconds
LIFE = (
    397 * DAY - 1
)  # with its last second; of a server's certificate; browsers take no more of public ones, and some of none
BACKDATED = 31 * DAY
RENEW = 30 * DAY  # before it ends
AUTHORITY_LIFE = 3650 * DAY
AUTHORITY_ENDS_SOON = LIFE  # from then on the box says so: whoever looks once a year sees it
FOLDER_MODE = 0o700
KNOWN = 8  # certificates that are remembered

logger = logging.getLogger("django_site.tls")


class BoxPair:
    """The files ``ca.crt``, ``ca.key`` and ``server.pem`` (key and certificate, so that they are never apart).

    ``now`` and ``trusted`` are the clock, and whether it was set (`django_site.clock`); ``wanted`` says the names.
    """

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        trusted: Callable[[], bool | None] = clock.trusted,
        wanted: Callable[[], Names] = names.wanted,
    ) -> None:
        self.folder = folder
        self._now, self._trusted, self._wanted = now, trusted, wanted
        self._known: dict[bytes, Certificate | None] = {}  # what was read last, by its bytes

    def look(self) -> bytes:
        """Return the server's key and certificate, made anew where that is due. Raises ConfigError and OSError."""
        self.folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with open(self.folder / "lock", "w", opener=_private) as lock:
            # Another process may have the same folder.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sweep()
            authority = self._authority()
            served = _read(self.folder / "server.pem")
            found = self._describe(served) if served else None
            now, sure = self._now(), self._trusted() is not False
            wanted = permitted(self._wanted(), authority)
            if why := due(found, wanted, now, sure=sure):
                logger.info("a new certificate for HTTPS: %s", why)
                served = self._make_server(wanted, moment(found, now, sure=sure))
        return served

    def problems(self) -> list[str]:
        """Say what a person should know of the authority."""
        pem = _read(self.folder / "ca.crt")
        authority = self._describe(pem) if pem else None
        if authority is None or self._trusted() is False or self._now() < authority.ends - AUTHORITY_ENDS_SOON:
            return []
        ends = time.strftime("%Y-%m-%d", time.gmtime(authority.ends))
        return [f"the box's own authority for HTTPS ends on {ends}; remove {self.folder}, and trust the new one"]

    def forget(self) -> None:
        """Make the server's certificate anew at the next look."""
        (self.folder / "server.pem").unlink(missing_ok=True)

    def _authority(self) -> Certificate:
        pem = _read(self.folder / "ca.crt")
        if pem and (self.folder / "ca.key").exists() and (known := self._describe(pem)) is not None:
            return known
        if pem:
            logger.warning("%s cannot be used any more, and browsers have to trust a new one", self.folder / "ca.crt")
            (self.folder / "ca.crt").replace(self.folder / "ca.crt.unusable")  # without its key it is worse than none
        hosts = self._wanted().hosts
        common = f"Edge box {min(hosts - {'localhost'}, key=len, default='localhost')[:40]} {secrets.token_hex(2)}"
        ends = max(self._now(), made()) + AUTHORITY_LIFE
        key, certificate = openssl.make_authority(self.folder, common, {"local", *hosts}, ends)
        write_whole(self.folder / "ca.key", key)
        write_whole(self.folder / "ca.crt", certificate)
        return openssl.describe(certificate)

    def _make_server(self, wanted: Names, begun: float) -> bytes:
        begins = begun - BACKDATED
        pem = openssl.make_server(self.folder, wanted, begins, begins + LIFE)
        write_whole(self.folder / "server.pem", pem)
        return pem

    def _describe(self, pem: bytes) -> Certificate | None:
        """Read a certificate once; None where it is damaged, or of another authority than ours."""
        if pem not in self._known:
            if len(self._known) >= KNOWN:
                self._known.clear()
            ours = openssl.vouches(self.folder / "ca.crt", pem)
            self._known[pem] = openssl.describe(pem) if ours else None
        return self._known[pem]

    def _sweep(self) -> None:
        """Take away what a power cut left of a key that was being made."""
        for path in self.folder.glob(f"{openssl.DRAFTS}*"):
            shutil.rmtree(path, ignore_errors=True)


def due(found: Certificate | None, wanted: Names, now: float, *, sure: bool) -> str:
    """Say why a new certificate is due; empty where it is not. A clock that is not ``sure`` judges nothing."""
    if found is None:
        return "there is none that can be used"
    if not wanted <= found.names:
        missing = {*wanted.hosts, *map(str, wanted.addresses)} - {*found.names.hosts, *map(str, found.names.addresses)}
        return f"the last one does not have {', '.join(sorted(missing))}"
    if sure and now < found.begins:
        return "the last one begins in the future: the clock was ahead when it was made"
    if sure and now > found.ends - RENEW:
        return "the last one ends soon, or has ended"
    return ""


def moment(found: Certificate | None, now: float, *, sure: bool) -> float:
    """Return what time to make a certificate for: the clock's, where that is not known to be behind."""
    if sure:
        return now
    return max(now, made(), found.begins + BACKDATED if found else 0.0)


def made() -> float:
    """Return when this Edge was made: no clock that says less is right."""
    return Path(edge.__file__).stat().st_mtime


def permitted(wanted: Names, authority: Certificate) -> Names:
    """Return those names that the authority may vouch for: a browser takes no certificate that has others too."""
    allowed = authority.permitted
    hosts = [name for name in wanted.hosts if any(name == one or name.endswith(f".{one}") for one in allowed)]
    return Names(frozenset(hosts), wanted.addresses)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
