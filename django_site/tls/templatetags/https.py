"""Where a page is found over HTTPS."""

from typing import Any

from django import template
from django.core.exceptions import DisallowedHost

from django_site import tls
from django_site.tls.middleware import address

register = template.Library()


@register.simple_tag(takes_context=True)
def over_https(context: dict[str, Any], path: str = "") -> str:  # Any: what templates hold
    """Return the address of a page, by default this one, over HTTPS; empty where there is none, or it came so."""
    keeper, request = tls.current(), context["request"]
    if keeper is None or keeper.serves is None or request.is_secure():
        return ""
    try:
        return address(request, keeper.port, path)
    except DisallowedHost:
        return ""
