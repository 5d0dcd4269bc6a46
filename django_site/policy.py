"""What a page of this site may load: only what this site serves (Content Security Policy, level 3).

No page here has an inline script or style, and neither has Django's admin; so text from the air that found its way into
a page as markup would still not run.
"""

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",  # the admin's own style sheets hold small pictures
    "font-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


class ContentSecurityPolicyMiddleware:
    """Put the policy on every answer that has none of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with the policy."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy(own_host(request)))
        return response


def policy(host: str) -> str:
    """Write the policy for pages of one host. Older Safari does not count WebSockets of the same host as 'self'."""
    connect = f"'self' ws://{host} wss://{host}" if host else "'self'"
    return "; ".join(f"{name} {sources}" for name, sources in {**POLICY, "connect-src": connect}.items())


def own_host(request: HttpRequest) -> str:
    """Return the host and port that the browser asked for, or nothing where it is not ours."""
    try:
        return request.get_host()
    except DisallowedHost:
        return ""
