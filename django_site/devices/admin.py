"""Devices and routes in the admin. Pages are made from the registry; what they mean is known by `edge.desired`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_site.devices.adopting import SCHEME
from django_site.devices.fields import FORGET, PREFIX, is_set
from django_site.devices.forms import (
    DeviceModelForm,
    RouteForm,
    RouteFormSet,
    RouteInlineFormSet,
    RouteModelForm,
    consumer_options,
    device_form,
    match_help,
    route_form,
    scope_type,
)
from django_site.devices.models import Device, Route
from django_site.devices.observed import absent, statuses
from django_site.devices.plugged_page import context
from edge import registry
from edge.options import OptionField

if TYPE_CHECKING:
    DeviceModelAdmin = admin.ModelAdmin[Device]
    RouteModelAdmin = admin.ModelAdmin[Route]
    RouteTabularInline = admin.TabularInline[Route, Device]
else:  # Django's admin takes no type argument when the site runs
    DeviceModelAdmin = RouteModelAdmin = admin.ModelAdmin
    RouteTabularInline = admin.TabularInline

NOT_RUNNING = "The devices' process is not running."
NOT_STARTED = "Not started yet."
MAX_DIGITS = 19  # of a row's number in an address: what SQLite can hold


class RouteInline(RouteTabularInline):
    """The routes of a device, on its page; a route's own options are on the route's page."""

    model = Route
    form = RouteForm
    formset = RouteFormSet
    fields = ("match", "consumer", "enabled", "position")
    extra = 1  # one to fill in without JavaScript
    show_change_link = True

    def get_formset(self, request: HttpRequest, obj: Device | None = None, **kwargs: Any) -> type[RouteInlineFormSet]:
        """Say what a match may be for the device's kind."""
        kind = obj.kind if obj else request.GET.get("kind", "")
        return super().get_formset(request, obj, help_texts={"match": match_help(kind)}, **kwargs)


@admin.register(Device)
class DeviceAdmin(DeviceModelAdmin):
    """A device: first its kind, then the fields of that kind."""

    list_display = ("name", "live", "kind_label", "shown_link", "transmits", "runs")
    list_display_links = ("name",)
    search_fields = ("name", "kind", "link")
    inlines = (RouteInline,)
    save_on_top = False

    class Media:
        """Status is kept live by the dashboard's own script; without it the page shows what was so when it was made."""

        js = (Script("dashboard/status-page.js", type="module"),)
        css: Mapping[str, tuple[str, ...]] = {"all": ("devices/admin.css",)}

    @admin.display(description="Kind", ordering="kind")
    def kind_label(self, device: Device) -> str:
        """Name the kind as people know it."""
        kind = registry.kinds().get(device.kind)
        return kind.label if kind else f"{device.kind} (not installed)"

    @admin.display(description="Link", ordering="link")
    def shown_link(self, device: Device) -> str:
        """Show the link without its password."""
        return device.shown_link

    @admin.display(description="May transmit", ordering="transmit")
    def transmits(self, device: Device) -> str:
        """Say so in a word: the admin's red cross would make silence, the good default, look like a fault."""
        kind = registry.kinds().get(device.kind)
        if kind and not kind.radio:
            return "–"  # a broker is no radio; its form does not ask
        return "yes" if device.transmit else "no"

    @admin.display(description="Enabled", ordering="enabled")
    def runs(self, device: Device) -> str:
        """Say so in a word, as beside it."""
        return "yes" if device.enabled else "no"

    @admin.display(description="Now")
    def live(self, device: Device) -> SafeString:
        """Show what the device does now."""
        status = statuses().get(device.name)
        missing = NOT_RUNNING if absent() else NOT_STARTED
        return render_to_string("devices/status.html", {"name": device.name, "status": status, "missing": missing})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the kind first."""
        if request.GET.get("kind") in registry.kinds():
            return super().add_view(request, form_url, extra_context)
        return self._choose_kind(request)

    def get_form(
        self,
        request: HttpRequest,
        obj: Device | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        **kwargs: Any,
    ) -> type[DeviceModelForm]:
        """Make the form of the device's kind."""
        kwargs["form"] = device_form(*_kind_and_options(request, obj))
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Device | None = None) -> Any:
        """Put the kind's own options under their own heading."""
        kind, stored = _kind_and_options(request, obj)
        form = device_form(kind, stored)
        first = ("live", "name", "kind", "link") if obj else ("name", "kind", "link")
        found = registry.kinds().get(kind)
        radio = ("transmit",) if found is None or found.radio else ()
        spare = ("spare",) if found and SCHEME in found.schemes else ()
        return [
            (None, {"fields": (*first, "enabled", *radio, *spare)}),
            *_option_sets("Options", form.offered_options, form.base_fields, stored),
        ]

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002  (Django's signature)
        obj: Device | None = None,
    ) -> tuple[str, ...]:
        """Show the status of a device that exists."""
        return ("live",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """Add the page of what is plugged in."""
        page = self.admin_site.admin_view(self.plugged_view)
        return [path("plugged/", page, name="devices_device_plugged"), *super().get_urls()]

    def plugged_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is plugged in; by POST, listen to one port first."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        listened = request.POST.get("port", "") if request.method == "POST" else ""
        shown = {**self.admin_site.each_context(request), "opts": self.opts, **context(listened)}
        return TemplateResponse(request, "admin/devices/device/plugged.html", shown)

    def _choose_kind(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "What kind of device?",
            "opts": self.opts,
            "kinds": registry.kinds().values(),
            "asked": request.GET.get("kind", ""),
        }
        return TemplateResponse(request, "admin/devices/device/kinds.html", context)


@admin.register(Route)
class RouteAdmin(RouteModelAdmin):
    """A route, with its consumer's own options once the consumer is known."""

    list_display = ("__str__", "device", "match", "consumer", "enabled", "position")
    list_filter = ("device", "enabled")
    list_select_related = ("device",)
    search_fields = ("consumer", "match", "device__name")

    class Media:
        """The look of forms that the admin has not."""

        css: Mapping[str, tuple[str, ...]] = {"all": ("devices/admin.css",)}

    def get_form(
        self,
        request: HttpRequest,
        obj: Route | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        **kwargs: Any,
    ) -> type[RouteModelForm]:
        """Make the form with the options of the consumer, and the help of the device's kind."""
        kwargs["form"] = route_form(*_shown(request, obj), obj.options if obj else {})
        kwargs["help_texts"] = {"match": match_help(obj.device.kind if obj else "")}
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Route | None = None) -> Any:
        """Put the consumer's own options under their own heading."""
        stored = obj.options if obj else {}
        form = route_form(*_shown(request, obj), stored)
        heading = f"Options of {form.options_of.rpartition('.')[2]}"
        return [
            (None, {"fields": ("device", "match", "consumer", "enabled", "position", "options_for")}),
            *_option_sets(heading, form.offered_options, form.base_fields, stored),
        ]

    def response_add(self, request: HttpRequest, obj: Route, post_url_continue: str | None = None) -> HttpResponse:
        """Mention options that the page could not show yet."""
        self._mention_options(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Route) -> HttpResponse:
        """Mention options that the page could not show yet."""
        self._mention_options(request, obj)
        return super().response_change(request, obj)

    def _mention_options(self, request: HttpRequest, route: Route) -> None:
        here = route.consumer, scope_type(route.device)
        if here == _shown(request, route) or not consumer_options(*here):
            return
        address = reverse("admin:devices_route_change", args=[route.pk])
        text = 'This route has options of its own, which are at their defaults. <a href="{}">Look at them</a>.'
        messages.info(request, format_html(text, address))


def _kind_and_options(request: HttpRequest, device: Device | None) -> tuple[str, dict[str, Any]]:
    return (device.kind, device.options) if device else (request.GET.get("kind", ""), {})


def _shown(request: HttpRequest, route: Route | None) -> tuple[str, str]:
    """Return the consumer whose options the page shows, and the scope type of the device on which it has them.

    A request can only name a consumer that is offered or stored: nobody makes this site import a module by giving away
    a link.
    """
    known = {consumer.path for consumer in registry.offered_consumers()} | ({route.consumer} if route else set())
    if request.method == "POST":
        scope, _, asked = request.POST.get("options_for", "").partition(" ")
    else:
        scope = scope_type(route.device if route else _asked_device(request))
        asked = request.GET.get("consumer", "") or (route.consumer if route else "")
    return (asked, scope) if asked in known else ("", "")


def _asked_device(request: HttpRequest) -> Device | None:
    number = request.GET.get("device", "")
    return Device.objects.filter(pk=number).first() if number.isdecimal() and len(number) < MAX_DIGITS else None


def _option_sets(
    heading: str, options: Iterable[OptionField], fields: Mapping[str, forms.Field], stored: Mapping[str, Any]
) -> list[Any]:
    """Make a fieldset of each group of options; one with a name is folded until something in it is set."""
    groups: dict[str, list[OptionField]] = {}
    for option in options:
        groups.setdefault(option.group, []).append(option)
    sets = []
    for group, members in sorted(groups.items(), key=lambda item: bool(item[0])):  # the main ones first
        folded = group and not any(is_set(option, stored) for option in members)
        names = tuple(name for option in members for name in (PREFIX + option.name, FORGET + option.name))
        sets.append(
            (
                group or heading,
                {
                    "fields": tuple(name for name in names if name in fields),
                    "classes": ("collapse",) if folded else (),
                },
            )
        )
    return sets
