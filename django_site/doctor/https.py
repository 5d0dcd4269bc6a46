"""HTTPS: the certificate that the box serves, its own or a person's, and who may read the keys."""

import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.http.request import validate_host

from django_site import clock
from django_site.doctor import Finding, Level
from django_site.environment import tls_files
from django_site.tls import keeper, names, openssl, pairs
from django_site.tls.box_pair import permitted
from django_site.tls.openssl import Certificate
from django_site.tls.pairs import OwnFiles
from edge.errors import ConfigError

ABOUT = "https"
OPEN_TO_OTHERS = 0o077
READ_BY_ALL = 0o004


def https(data: Path) -> Iterator[Finding]:
    """Look at the certificates. Makes none: that is the running box's."""
    own = OwnFiles(*tls_files())
    if own:
        yield from _own(own)
    yield from _box(data / "tls")


def _own(own: OwnFiles) -> Iterator[Finding]:
    try:
        pem = pairs.read_pair(own)
        pairs.try_pair(pem, keeper.in_words(own))
    except ConfigError as error:
        do = "docs/settings.md, HTTPS, says what the files must be; they are taken within a minute"
        yield Finding(about=ABOUT, level=Level.ERROR, text=str(error), do=do)
        return
    if own.key and own.key.stat().st_mode & READ_BY_ALL:
        text = f"everybody on this machine may read {own.key}, the key of your certificate"
        yield Finding(about=ABOUT, level=Level.WARNING, text=text, do=f"sudo chmod o= {own.key}")
    found = openssl.describe(pem)
    if found.names.hosts and not any(validate_host(name, settings.ALLOWED_HOSTS) for name in found.names.hosts):
        text = f"your certificate is for {_names(found)}, and to no name of it the pages answer"
        name = min(found.names.hosts).removeprefix("*")
        yield Finding(about=ABOUT, level=Level.WARNING, text=text, do=f"EDGE_ALLOWED_HOSTS={name}, and restart the box")
    if told := keeper.ended(own, found.ends):
        level = Level.ERROR if time.time() > found.ends else Level.WARNING
        yield Finding(about=ABOUT, level=level, text=told[0], do="renew it; the box takes it within a minute")
    else:
        yield Finding(about=ABOUT, text=f"your certificate {own.certificate}, for {_names(found)}, {_until(found)}")


def _box(folder: Path) -> Iterator[Finding]:
    authority, server = folder / "ca.crt", folder / "server.pem"
    if not authority.exists() or not server.exists():
        return  # made by the first box with an HTTPS port
    for path in (folder, *folder.glob("*")):
        if path.stat().st_mode & OPEN_TO_OTHERS:
            text = f"others than its owner may look at {path}"
            yield Finding(about=ABOUT, level=Level.WARNING, text=text, do=f"chmod go= {path}")
    try:
        vouching, served = openssl.describe(authority.read_bytes()), openssl.describe(server.read_bytes())
    except ConfigError as error:
        do = "restart the box, which makes a new one where it must"
        yield Finding(about=ABOUT, level=Level.ERROR, text=f"the box's certificate cannot be read: {error}", do=do)
        return
    yield from _ends(vouching, served, folder)
    wanted = names.wanted()
    if left := wanted.hosts - permitted(wanted, vouching).hosts:
        text = f"the box's authority may not vouch for {', '.join(sorted(left))}, a name that the box got later"
        do = f"use the name with .local, or: sudo rm -r {folder}, and trust the box anew"
        yield Finding(about=ABOUT, level=Level.WARNING, text=text, do=do)
    yield Finding(about=ABOUT, text=f"the box's authority, to be trusted, has the SHA-256 {vouching.fingerprint}")


def _ends(authority: Certificate, served: Certificate, folder: Path) -> Iterator[Finding]:
    now, sure = time.time(), clock.trusted() is not False
    if sure and not served.begins <= now <= served.ends:
        text = f"the box's certificate is not for today ({_until(served)})"
        do = "a running box with an HTTPS port makes a new one within a minute: journalctl -u edge"
        yield Finding(about=ABOUT, level=Level.ERROR, text=text, do=do)
    elif sure and now > authority.ends:
        do = f"sudo rm -r {folder}, and trust the box anew"
        yield Finding(
            about=ABOUT, level=Level.ERROR, text=f"the box's authority has ended ({_until(authority)})", do=do
        )
    else:
        yield Finding(about=ABOUT, text=f"the box's own certificate, for {_names(served)}, {_until(served)}")


def _names(found: Certificate) -> str:
    return ", ".join(sorted({*found.names.hosts, *map(str, found.names.addresses)})) or "no name"


def _until(found: Certificate) -> str:
    return f"until {time.strftime('%Y-%m-%d', time.gmtime(found.ends))}"
