"""A certificate and its key as they are on the disk: read whole, tried, and only then taken by the port that is open.

A pair is one PEM text from the reading on. Whoever renews it replaces two files, one after the other, and a context
that was given the files' names could meet one of each.
"""

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError

LARGEST = 262_144  # bytes of a file; a long chain has 20,000


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """The files that a person named, by EDGE_TLS_CERT and EDGE_TLS_KEY."""

    certificate: Path | None = None
    key: Path | None = None

    def __bool__(self) -> bool:
        """Tell whether a person named any."""
        return bool(self.certificate or self.key)


def make_context() -> ssl.SSLContext:
    """Make the context of a port: TLS 1.2 and newer. Until it has a certificate, it refuses every handshake at once."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def read_pair(files: OwnFiles) -> bytes:
    """Read a person's pair. Raises ConfigError that names the setting, the file and what is wrong with it."""
    if files.certificate is None or files.key is None:
        given, missing = ("EDGE_TLS_KEY", "EDGE_TLS_CERT") if files.key else ("EDGE_TLS_CERT", "EDGE_TLS_KEY")
        raise ConfigError(f"{given} is set and {missing} is not; a certificate needs both")
    certificate = _read("EDGE_TLS_CERT", files.certificate)
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        raise ConfigError(f"EDGE_TLS_CERT: expected a certificate in PEM; {files.certificate} has none")
    key = _read("EDGE_TLS_KEY", files.key)
    if b"ENCRYPTED" in key:
        raise ConfigError(f"EDGE_TLS_KEY: {files.key} has a passphrase, and nobody is there to type it; take it away")
    if b"PRIVATE KEY-----" not in key:
        raise ConfigError(f"EDGE_TLS_KEY: expected a private key in PEM; {files.key} has none")
    return key.strip() + b"\n" + certificate


def try_pair(pem: bytes, said: str) -> None:
    """Try a pair where it does no harm. Raises ConfigError; ``said`` names its files."""
    try:
        load(make_context(), pem)
    except ssl.SSLError as error:
        if error.reason and "MISMATCH" in error.reason:
            raise ConfigError(f"{said} do not belong together: the key is another certificate's") from error
        raise ConfigError(f"{said} cannot be used: {error.reason or error}") from error


def load(context: ssl.SSLContext, pem: bytes) -> None:
    """Give a context a pair; connections from now on see it. Raises ssl.SSLError.

    OpenSSL takes files alone, so it is given one that is in memory and nowhere else.
    """
    descriptor = os.memfd_create("edge-tls", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")  # never asked for on a terminal


def _read(setting: str, path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would have us wait
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{setting}: {path} is not a file")
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{setting}: {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ConfigError(f"{setting}: {path} has more than {LARGEST:,} bytes, and so is no certificate")
    return content
