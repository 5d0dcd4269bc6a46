"""What was heard and sent. Observed, never a wish: written by `recorder` alone, and read by everyone."""

from django.db import models


class Packet(models.Model):
    """One event of a device, as it was recorded. Rows are in the order in which they came."""

    class Direction(models.TextChoices):
        """Which way it went."""

        HEARD = "heard"
        SENT = "sent"

    time = models.DateTimeField()
    device = models.CharField(max_length=40)
    direction = models.CharField(max_length=5, choices=Direction.choices)
    source = models.CharField(max_length=100, blank=True)  # a callsign, or the first part of a topic
    destination = models.CharField(max_length=20, blank=True)
    via = models.CharField(max_length=100, blank=True)
    format = models.CharField(max_length=24, blank=True)
    summary = models.CharField(max_length=200, blank=True)
    info = models.BinaryField()  # the payload, of at most `recorder.MAX_INFO` bytes

    class Meta:
        """Newest first, by the key: the clock of a box without a battery may jump."""

        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["time"], name="packet_time"),
            models.Index(fields=["source", "-time"], name="packet_source_time"),
        )

    def __str__(self) -> str:
        return f"{self.source} {self.summary}".strip()


class Station(models.Model):
    """A station that was heard, by whichever device: a person asks who is out there, not which antenna heard it."""

    callsign = models.CharField(max_length=20, unique=True)
    device = models.CharField("heard by", max_length=40)  # the last one
    last_heard = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField("packets", default=0)
    latitude = models.FloatField(null=True, blank=True)  # degrees, north positive
    longitude = models.FloatField(null=True, blank=True)  # degrees, east positive
    symbol = models.CharField(max_length=2, blank=True)  # APRS symbol table and code
    comment = models.CharField("last said", max_length=200, blank=True)

    class Meta:
        """Whom we heard last comes first."""

        ordering = ("-last_heard",)

    def __str__(self) -> str:
        return self.callsign

    @property
    def place(self) -> str:
        """The last position in degrees, or nothing."""
        if self.latitude is None or self.longitude is None:
            return ""
        north, east = "NS"[self.latitude < 0], "EW"[self.longitude < 0]
        return f"{abs(self.latitude):.4f}° {north} {abs(self.longitude):.4f}° {east}"
