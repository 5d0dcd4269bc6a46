"""The forms of devices and routes: a class per kind, made from the kind's typed options.

A form holds no rule of its own. It asks `edge.desired` what is wrong with the wish that it would make, and puts each
answer at the field that it is about, so that a form, ``edge check`` and the supervisor say the same.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from django_site.devices.fields import PREFIX, form_fields, plain_values
from django_site.devices.models import Device, Route
from edge import registry
from edge.desired import DeviceWish, Problem, RouteWish, device_problems, mask, route_problems
from edge.errors import ConfigError
from edge.legs import options_types
from edge.options import OptionField, describe

if TYPE_CHECKING:
    DeviceModelForm = forms.ModelForm[Device]
    RouteModelForm = forms.ModelForm[Route]
    RouteInlineFormSet = forms.BaseInlineFormSet[Route, Device, forms.ModelForm[Route]]
else:  # these classes of Django take no type argument when the site runs
    DeviceModelForm = RouteModelForm = forms.ModelForm
    RouteInlineFormSet = forms.BaseInlineFormSet

MASKED = ":***@"  # what `edge.desired.mask` leaves of a password
MATCH_HELP = {
    "mqtt": "A topic filter, such as sensors/+room/temperature or home/#.",
    "serial": "Leave this empty: a serial line is taken whole.",
}
ANY_MATCH_HELP = "Terms that must all hold, such as source=QQ1* format=message. Empty takes everything."


class ConsumerInput(forms.TextInput):
    """A text field that proposes the consumers that packages offer, and takes any import path."""

    template_name = "devices/consumer_input.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Give each field a list of its own; an id must be on a page once."""
        list_id = f"{(attrs or {}).get('id', name)}_offered"
        context = super().get_context(name, value, {**(attrs or {}), "list": list_id})
        return {**context, "list_id": list_id, "offered": registry.offered_consumers()}


class DeviceForm(DeviceModelForm):
    """A device of one kind. Use a class that `device_form` made."""

    offered_options: ClassVar[tuple[OptionField, ...]] = ()

    class Meta:
        """What every kind has; its own options stand beside it."""

        model = Device
        fields = ("name", "kind", "link", "transmit", "enabled", "spare")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored_link = self.instance.link
        self.stored_options = dict(self.instance.options)
        if self.stored_link:
            self.initial["link"] = mask(self.stored_link)

    def clean_link(self) -> str:
        """Take the masked link for the stored one, which the page never had."""
        link: str = self.cleaned_data["link"]
        if self.stored_link and link == mask(self.stored_link):
            return self.stored_link
        if MASKED in link:
            raise forms.ValidationError(
                "*** stands for the stored password. With a new address, write the password too."
            )
        return link

    def clean(self) -> dict[str, Any]:
        """Ask what is wrong with the device that this form describes, beside all the others."""
        cleaned = super().clean() or self.cleaned_data
        self.instance.options = plain_values(self.offered_options, cleaned, self.stored_options)
        others = [row.wish() for row in Device.objects.exclude(pk=self.instance.pk)]
        add_problems(self, device_problems(self._wish(cleaned), others))
        return cleaned

    def _wish(self, cleaned: Mapping[str, Any]) -> DeviceWish:
        return DeviceWish(
            name=cleaned.get("name", ""),
            kind=cleaned.get("kind", ""),
            link=cleaned.get("link", ""),
            options=self.instance.options,
            transmit=cleaned.get("transmit", False),
            enabled=cleaned.get("enabled", False),
        )


class RouteForm(RouteModelForm):
    """A route, on its own page or in a row of its device's; ``device`` is given where the form has no such field."""

    offered_options: ClassVar[tuple[OptionField, ...]] = ()
    options_of: ClassVar[str] = ""  # the consumer whose options the page showed,
    options_on: ClassVar[str] = ""  # and the scope type of the device on which it has them

    class Meta:
        """All but the options, which depend on the consumer."""

        model = Route
        fields = ("device", "match", "consumer", "enabled", "position")
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "match": forms.TextInput(attrs={"class": "vTextField"}),
            "consumer": ConsumerInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, device: Device | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device = device
        self.stored_consumer = self.instance.consumer
        self.stored_scope = scope_type(self.instance.device) if self.instance.pk else ""
        self.stored_options = dict(self.instance.options)
        if "consumer" in self.fields:
            self.fields[
                "consumer"
            ].help_text = "Choose one, or write the import path of your own: package.module.Class."

    def clean(self) -> dict[str, Any]:
        """Ask what is wrong with the route that this form describes."""
        cleaned = super().clean() or self.cleaned_data
        device = self.device or cleaned.get("device")
        consumer = cleaned.get("consumer", "")
        self.instance.options = self._options(consumer, scope_type(device), cleaned)
        if device is not None and consumer:
            others = [other.wish() for other in Device.objects.exclude(pk=device.pk)]  # a route may name another device
            add_problems(self, route_problems(self._wish(device, cleaned), [device.wish(), *others]))
        return cleaned

    def _options(self, consumer: str, scope: str, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        if self.options_of and (consumer, scope) == (self.options_of, self.options_on):
            return plain_values(self.offered_options, cleaned, self.stored_options)
        # Another consumer begins with its own defaults: the old one's options would mean nothing to it. So does the
        # same one on another sort of device, where other things can be set.
        return self.stored_options if (consumer, scope) == (self.stored_consumer, self.stored_scope) else {}

    def _wish(self, device: Device, cleaned: Mapping[str, Any]) -> RouteWish:
        return RouteWish(
            device=device.name,
            consumer=cleaned.get("consumer", ""),
            match=cleaned.get("match", ""),
            options=self.instance.options,
            enabled=cleaned.get("enabled", False),
        )


class RouteFormSet(RouteInlineFormSet):
    """The routes on a device's page. A new device has no row yet, so its forms are told what it would be."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Hand on the device."""
        return {**super().get_form_kwargs(index), "device": self.instance}


def device_form(kind_name: str, stored: Mapping[str, Any]) -> type[DeviceForm]:
    """Make the form class of one kind. One that is not installed has no options; its form says so at ``kind``."""
    kind = registry.kinds().get(kind_name)
    options = describe(kind.options_type()) if kind else ()
    chosen = (kind_name, kind.label if kind else f"{kind_name} (not installed)")
    body: dict[str, Any] = {
        "__doc__": f"A device of kind {kind_name}.",
        "__module__": __name__,
        "offered_options": options,
        "kind": forms.ChoiceField(choices=[chosen], initial=kind_name, disabled=True),
        "link": forms.CharField(max_length=500, help_text=_link_help(kind), widget=_wide(spellcheck="false")),
        **form_fields(options, stored),
    }
    return type("KindDeviceForm", (DeviceForm,), body)


def route_form(consumer: str, scope: str, stored: Mapping[str, Any]) -> type[RouteForm]:
    """Make the form class of a route to ``consumer`` on a device of scope type ``scope``, with what may be set there.

    Where either is empty its page shows no options.
    """
    options = consumer_options(consumer, scope)
    body: dict[str, Any] = {
        "__doc__": f"A route to {consumer or 'a consumer to be chosen'}.",
        "__module__": __name__,
        "offered_options": options,
        "options_of": consumer,
        "options_on": scope,
        "options_for": forms.CharField(required=False, initial=f"{scope} {consumer}".strip(), widget=forms.HiddenInput),
        **form_fields(options, stored),
    }
    return type("ConsumerRouteForm", (RouteForm,), body)


def consumer_options(path: str, scope: str) -> tuple[OptionField, ...]:
    """List what a route to this consumer may set: its own options, and those of what carries it on such a device.

    There are none where it cannot be imported (its field will say so).
    """
    try:
        types = options_types(registry.import_string(path), scope) if path else ()
    except ConfigError:
        return ()
    return tuple({option.name: option for type_ in types for option in describe(type_)}.values())


def scope_type(device: Device | None) -> str:
    """Return the scope type that a device offers; nothing where there is no device, or its kind is not installed."""
    kind = registry.kinds().get(device.kind) if device else None
    return kind.scope_type if kind else ""


def match_help(kind_name: str) -> str:
    """Say what a route's match may be, for a device of this kind."""
    kind = registry.kinds().get(kind_name)
    if kind is None:
        return f"For a broker: {MATCH_HELP['mqtt']} For a radio: {ANY_MATCH_HELP}"
    return MATCH_HELP.get(kind.scope_type, ANY_MATCH_HELP)


def add_problems(form: forms.BaseForm, found: Iterable[Problem]) -> None:
    """Put each problem at its field, once. What Django already complained about is not said twice."""
    for problem in found:
        name, message = _place(problem, form.fields)
        if name is None or not form.has_error(name):
            form.add_error(name, message)


def _place(problem: Problem, fields: Mapping[str, forms.Field]) -> tuple[str | None, str]:
    if problem.field in fields:
        return problem.field, problem.message
    *heads, message = problem.message.split(": ", 2)  # "baud: expected …", or "Options: baud: expected …"
    option = next((PREFIX + head for head in heads if PREFIX + head in fields), None)
    return (option, message) if option else (None, problem.message)


def _link_help(kind: registry.Kind | None) -> str:
    return f"Where it is, as a URL: {kind.link_example}" if kind else "Where it is, as a URL."


def _wide(**attributes: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "vTextField", **attributes})
