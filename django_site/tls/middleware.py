"""With EDGE_HTTPS_ONLY, browsers are led from the plain pages to HTTPS."""

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost, MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect

from django_site import tls

HTTPS_PORT = 443
HSTS = "max-age=2592000"  # a month: whoever goes back to plain HTTP waits no longer
PLAIN = "/tls/"  # how to trust the box, and its authority: needed before HTTPS works


class HttpsOnlyMiddleware:
    """Redirects what came without TLS, while this process has an HTTPS port that works.

    Not what stays in this machine, which needs no TLS: checks of health, a tunnel's end. The redirect is for now (302):
    a browser that remembered it could not come back to the plain page that says why HTTPS broke. For the same reason
    browsers are told to insist on HTTPS only where a person's own certificate is served.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.HTTPS_ONLY:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or redirect."""
        keeper = tls.current()
        if keeper is None or keeper.serves is None:
            return self.get_response(request)
        if request.is_secure():
            response = self.get_response(request)
            if keeper.serves == "own":
                response.headers.setdefault("Strict-Transport-Security", HSTS)
            return response
        try:
            target = address(request, keeper.port)
        except DisallowedHost:  # which the next one answers
            target = ""
        if not target or request.path.startswith(PLAIN) or stays_here(request):
            return self.get_response(request)
        return redirect(target)


def address(request: HttpRequest, port: int, path: str = "") -> str:
    """Return a page, by default the same, on the HTTPS port. Raises DisallowedHost where the host is not ours."""
    domain, _ = split_domain_port(request.get_host())
    return f"https://{domain}{'' if port == HTTPS_PORT else f':{port}'}{path or request.get_full_path()}"


def stays_here(request: HttpRequest) -> bool:
    """Tell whether a request comes from this machine and asks for it by an address that no other has."""
    domain, _ = split_domain_port(request.get_host())
    return _is_loopback(request.META.get("REMOTE_ADDR", "")) and (domain == "localhost" or _is_loopback(domain))


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.strip("[]")).is_loopback
    except ValueError:
        return False
