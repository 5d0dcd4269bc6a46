"""Moments in words, as the pages' scripts write them too (``moments.js``)."""

import time

from django import template

from edge.status import RouteStatus

register = template.Library()

STEPS = ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (float("inf"), 86_400, "d"))  # below, divided by, unit


@register.filter
def ago(epoch: float | None) -> str:
    """Write how long ago a moment was, "12 s ago"; "never" where there was none."""
    return in_words(time.time() - epoch) if epoch else "never"


def in_words(seconds: float) -> str:
    """Write a span of time in its largest unit, whole."""
    span = max(seconds, 0)
    divisor, unit = next((divisor, unit) for limit, divisor, unit in STEPS if span < limit)
    return f"{int(span // divisor)} {unit} ago"


@register.filter
def route_words(route: RouteStatus) -> str:
    """Write a route in one line: which consumer, what it takes, how it is."""
    words = [route.consumer.rpartition(".")[2], route.match, route.text]
    words += [f"{count} {name}" for name, count in (("dropped", route.dropped), ("errors", route.errors)) if count]
    return " · ".join(word for word in words if word)
