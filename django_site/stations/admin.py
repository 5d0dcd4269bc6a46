"""What was heard, to be searched and read. Nothing here can be changed: it happened."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from django_site.dashboard.lines import readable
from django_site.stations.models import Packet, Station

if TYPE_CHECKING:
    PacketModelAdmin = admin.ModelAdmin[Packet]
    StationModelAdmin = admin.ModelAdmin[Station]
else:  # Django's admin takes no type argument when the site runs
    PacketModelAdmin = StationModelAdmin = admin.ModelAdmin


class ReadOnly:
    """Look, but do not touch."""

    show_full_result_count = False  # it would count the whole table on each page

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Rows come from the recorder."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """What was heard was heard."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """The retention limit forgets."""
        return False


@admin.register(Packet)
class PacketAdmin(ReadOnly, PacketModelAdmin):
    """Packets, newest first."""

    list_display = ("when", "device", "direction", "source", "summary")
    list_filter = ("time", "direction", "device", "format")
    search_fields = ("source", "destination", "summary")
    exclude = ("info", "time")
    readonly_fields = ("when", "content")

    @admin.display(description="Time (UTC)", ordering="time")
    def when(self, packet: Packet) -> str:
        """Show the second, which the site's own format leaves out."""
        return f"{packet.time:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Content")
    def content(self, packet: Packet) -> str:
        """Show the bytes, as text where they are text."""
        return readable(bytes(packet.info))


@admin.register(Station)
class StationAdmin(ReadOnly, StationModelAdmin):
    """Stations, the last heard first."""

    list_display = ("callsign", "when", "count", "device", "place", "comment")
    list_filter = ("last_heard", "device")
    search_fields = ("callsign", "comment")
    exclude = ("last_heard",)
    readonly_fields = ("when",)

    @admin.display(description="Last heard (UTC)", ordering="last_heard")
    def when(self, station: Station) -> str:
        """Show the second, which the site's own format leaves out."""
        return f"{station.last_heard:%Y-%m-%d %H:%M:%S}"
