"""Making and reading certificates with the program openssl, 3.0 or newer. docs/dependencies.md says why with it.

Everything here waits for the program, some milliseconds, so it is for threads. Each function raises ConfigError with
words for people where it cannot.
"""

import ipaddress
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django_site.tls.names import NETWORKS, Names
from edge.errors import ConfigError

ANSWER = 20.0  # seconds; a Pi Zero that has much else to do makes a key in less than one
COMMON = 64  # characters of a common name (RFC 5280, appendix A: ub-common-name)
NEVER_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)  # older than every Edge, so in no corrected clock's future
DRAFTS = ".making-"  # folders of keys that are being made

CONFIGURATION = """
[ca]
default_ca = box
[box]
new_certs_dir = {folder}
database = {folder}/index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = subject
prompt = no
utf8 = yes
[subject]
O = Edge
CN = {common}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical, @names
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = @names
[names]
{names}
"""


class NotTakenError(ConfigError):
    """openssl looked at what it was given, and cannot take it; with any other ConfigError it did not look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says. Times are seconds of the epoch, the fingerprint is of SHA-256."""

    names: Names
    begins: float
    ends: float
    fingerprint: str
    permitted: frozenset[str] = frozenset()  # of an authority: the names, and all below them, that it may vouch for


def describe(pem: bytes) -> Certificate:
    """Read the first certificate of a PEM text."""
    asked = ["x509", "-noout", "-dates", "-dateopt", "iso_8601", "-fingerprint", "-sha256"]
    said = _openssl([*asked, "-ext", "subjectAltName,nameConstraints"], pem)
    fields = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    names, _, constraints = said.partition("Name Constraints:")
    hosts = frozenset(re.findall(r"DNS:([^\s,]+)", names))
    addresses = [ipaddress.ip_address(text) for text in re.findall(r"IP Address:([0-9A-Fa-f.:]+)", names)]
    return Certificate(
        names=Names(hosts, frozenset(addresses)),
        begins=datetime.fromisoformat(fields["notBefore"]).timestamp(),
        ends=datetime.fromisoformat(fields["notAfter"]).timestamp(),
        fingerprint=fields["sha256 Fingerprint"],
        permitted=frozenset(re.findall(r"DNS:([^\s,]+)", constraints)),
    )


def vouches(authority: Path, pem: bytes) -> bool:
    """Tell whether an authority made a certificate, whatever the clock says; False for what is damaged, too."""
    try:
        _openssl(["verify", "-no_check_time", "-CAfile", str(authority)], pem)
    except NotTakenError:
        return False
    return True


def make_authority(folder: Path, common: str, permitted: Iterable[str], ends: float) -> tuple[bytes, bytes]:
    """Make an authority for names, all below them, and private addresses; return its key and its certificate."""
    lines = [f"permitted;DNS.{number} = {name}" for number, name in enumerate(sorted(permitted))]
    lines += [f"permitted;IP.{number} = {net.network_address}/{net.netmask}" for number, net in enumerate(NETWORKS)]
    dates = [*("-startdate", f"{NEVER_BEFORE:%Y%m%d%H%M%SZ}"), *("-enddate", _stamp(ends))]
    with _draft(folder, common, lines) as work:
        key = _request(Path(work))
        made = _sign(Path(work), ["-selfsign", "-keyfile", f"{work}/key", "-extensions", "authority", *dates])
        return key, made


def make_server(folder: Path, names: Names, begins: float, ends: float) -> bytes:
    """Make a server's pair; return its key and its certificate in one PEM text.

    The authority that vouches for it is in ``folder`` too, as ``ca.crt`` and ``ca.key``.
    """
    lines = [f"DNS.{number} = {name}" for number, name in enumerate(sorted(names.hosts))]
    lines += [f"IP.{number} = {address}" for number, address in enumerate(sorted(names.addresses, key=str))]
    common = min((name for name in names.hosts if name != "localhost"), key=len, default="localhost")
    dates = [*("-startdate", _stamp(begins)), *("-enddate", _stamp(ends))]
    with _draft(folder, common, lines) as work:
        made = _request(Path(work))
        signed_by = ["-cert", f"{folder}/ca.crt", "-keyfile", f"{folder}/ca.key", "-extensions", "server"]
        return made + _sign(Path(work), [*signed_by, *dates])


def _draft(folder: Path, common: str, names: list[str]) -> "tempfile.TemporaryDirectory[str]":
    """Make a folder of its owner's alone for the making, inside ``folder``: no key is ever written elsewhere."""
    draft = tempfile.TemporaryDirectory(dir=folder, prefix=DRAFTS)
    work = Path(draft.name)
    (work / "index.txt").touch()
    told = CONFIGURATION.format(folder=work, common=common[:COMMON], names="\n".join(names))
    (work / "openssl.cnf").write_text(told, "utf-8")
    return draft


def _request(work: Path) -> bytes:
    """Make a key and a request for it in a draft; return the key."""
    key = work / "key"
    key.touch(mode=0o600)
    _openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)])
    _openssl(["req", "-new", "-config", f"{work}/openssl.cnf", "-key", str(key), "-out", f"{work}/request"])
    return key.read_bytes()


def _sign(work: Path, words: list[str]) -> bytes:
    # ``openssl ca``, because before 3.4 no other of its commands takes the dates as they shall be.
    common = ["ca", "-batch", "-notext", "-config", f"{work}/openssl.cnf", "-in", f"{work}/request"]
    _openssl([*common, *words, "-out", f"{work}/certificate"])
    return (work / "certificate").read_bytes()


def _openssl(words: list[str], given: bytes = b"") -> str:
    try:
        done = subprocess.run(["openssl", *words], input=given, capture_output=True, timeout=ANSWER, check=False)  # noqa: S603, S607  (our own words; wherever the system has it)
    except FileNotFoundError:
        raise ConfigError("the program openssl is not there; sudo apt install openssl") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"openssl {words[0]} did not end within {ANSWER:g} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotTakenError(f"openssl {words[0]} could not do it: {said[-1] if said else done.returncode}")
    return done.stdout.decode(errors="replace")


def _stamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%SZ}"
