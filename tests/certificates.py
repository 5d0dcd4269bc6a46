"""Certificates for tests, by openssl itself, and a client that says what a port serves. Shares no code with ours."""

import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

SOON = 15.0  # seconds


def openssl(*words, given=None):
    done = subprocess.run(["openssl", *map(str, words)], input=given, capture_output=True, timeout=SOON, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def make_pair(folder, name="edge.example", days=90):
    """Make a certificate that vouches for itself, and its key; return the two paths."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days),
        *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate),
    )
    return certificate, key


def expire(pair, folder, begins, ends):
    """Put a certificate of the same key in the place of a pair's, that is good between two days from now."""
    days = [f"{datetime.now(UTC) + timedelta(days=days):%Y%m%d%H%M%SZ}" for days in (begins, ends)]
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=a\n[a]\nnew_certs_dir={folder}\ndatabase={folder}/index.txt\nrand_serial=yes\n"
        "default_md=sha256\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n"
    )
    name = pair[0].stem
    request = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-out", folder / "request"]
    openssl("req", "-new", "-key", pair[1], *request)
    signed = ["-selfsign", "-keyfile", pair[1], "-in", folder / "request", "-out", pair[0], "-batch", "-notext"]
    openssl("ca", "-config", folder / "ca.cnf", *signed, "-startdate", days[0], "-enddate", days[1])


def served(port, name, trusted, **more):
    """Shake hands as a client that trusts only this file, and calls the box by this name; return its certificate."""
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for setting, value in more.items():
        setattr(context, setting, value)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SOON) as sock,
        context.wrap_socket(sock, server_hostname=name) as secure,
    ):
        return secure.getpeercert()
