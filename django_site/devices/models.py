"""Devices and routes as rows: wishes, in plain values. What they mean is known by `edge.desired` and the registry.

The options of a row are plain values for the options dataclass of its kind or consumer, checked by the forms and by the
system checks, never here: a row that cannot work must still load, so that a person can see it and put it right.
"""

from django.db import models

from edge.desired import DeviceWish, RouteWish, mask


class Device(models.Model):
    """A device that a person wants."""

    class Spare(models.TextChoices):
        """What may take the place of a device's adapter that is missing (`django_site.devices.spares`)."""

        NEVER = "", "nothing"
        SAME = "same", "a spare of the same make (USB vendor and product)"
        PROFILE = "profile", "a spare that fits its profile"

    name = models.CharField(
        max_length=40,
        unique=True,
        help_text="Short and plain: vhf, broker, attic-gps. Channels and topics are named after it.",
    )
    kind = models.CharField(max_length=40)
    link = models.CharField(max_length=500, help_text="Where it is, as a URL.")
    options = models.JSONField(default=dict, blank=True)
    transmit = models.BooleanField(
        "may transmit", default=False, help_text="A radio is silent until you say otherwise."
    )
    enabled = models.BooleanField(default=True)
    spare = models.CharField(
        "when its adapter is missing, take",
        max_length=10,
        blank=True,
        default=Spare.NEVER,
        choices=Spare.choices,
        help_text="Only one that is plugged in and nobody's. All other settings stay, transmitting too.",
    )

    class Meta:
        """By name, as people look for them."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def shown_link(self) -> str:
        """The link without its password."""
        return mask(self.link)

    def wish(self) -> DeviceWish:
        """Return what this row asks for."""
        return DeviceWish(
            name=self.name,
            kind=self.kind,
            link=self.link,
            options=self.options,
            transmit=self.transmit,
            enabled=self.enabled,
        )


class Route(models.Model):
    """What of a device goes to which consumer."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="routes")
    match = models.CharField(max_length=500, blank=True)
    consumer = models.CharField(max_length=300)
    options = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    position = models.PositiveIntegerField(
        "order", default=0, help_text="For the eye: each route that matches gets each event."
    )

    class Meta:
        """Device by device, in the order that the person gave."""

        ordering = ("device__name", "position", "pk")

    def __str__(self) -> str:
        return f"{self.device_id and self.device} → {self.consumer.rpartition('.')[2]}"

    def wish(self) -> RouteWish:
        """Return what this row asks for. The row must have a device."""
        return RouteWish(
            device=self.device.name,
            consumer=self.consumer,
            match=self.match,
            options=self.options,
            enabled=self.enabled,
        )
