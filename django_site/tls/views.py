"""The page that says how to trust the box, and the certificate of its authority. Neither holds a secret."""

import hashlib
import ssl

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from django_site import tls

FILE = "tls/ca.crt"  # in the data folder


@require_safe
def trust(request: HttpRequest) -> HttpResponse:
    """Show how to make a browser trust the box, with the fingerprint to compare."""
    keeper = tls.current()
    whose = keeper.serves if keeper is not None else None
    found = authority()
    fingerprint = fingerprint_of(found) if found else ""
    return render(request, "tls/trust.html", {"whose": whose, "fingerprint": fingerprint})


@require_safe
def box_certificate(request: HttpRequest) -> HttpResponse:
    """Give the certificate of the box's authority, as browsers and phones take one to trust."""
    del request
    found = authority()
    if not found:
        raise Http404("this box has made no authority of its own")
    headers = {"Content-Disposition": 'attachment; filename="edge-box.crt"', "Cache-Control": "no-cache"}
    return HttpResponse(found, content_type="application/x-x509-ca-cert", headers=headers)


def authority() -> str:
    """Return the certificate of the box's authority in PEM; empty where there is none."""
    try:
        return (settings.DATA / FILE).read_text("ascii")
    except (OSError, ValueError):
        return ""


def fingerprint_of(pem: str) -> str:
    """Return a certificate's SHA-256, as browsers and openssl show it."""
    try:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    except ValueError:
        return ""
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
