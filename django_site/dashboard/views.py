"""The pages for looking. They gather; what is shown is made elsewhere."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import Q, QuerySet
from django.views.generic import ListView, TemplateView

from django_site.devices.models import Device
from django_site.devices.observed import absent, nobodys, problems, statuses
from django_site.stations.models import Station

if TYPE_CHECKING:
    StationListView = ListView[Station]
else:  # Django's classes take no type argument when the site runs
    StationListView = ListView


class LiveView(LoginRequiredMixin, TemplateView):
    """Live traffic, with the devices as they are when the page is made."""

    template_name = "dashboard/live.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what is wrong with the box, and each device with its status, if it has one."""
        now = statuses()
        devices = [{"row": row, "status": now.get(row.name)} for row in Device.objects.all()]
        wrong = {"problems": problems(), "absent": absent()}
        return super().get_context_data(devices=devices, nobodys=nobodys(), **wrong, **kwargs)


class StationsView(LoginRequiredMixin, StationListView):
    """The stations that were heard, the latest first."""

    template_name = "dashboard/stations.html"
    context_object_name = "stations"
    paginate_by = 100

    def get_queryset(self) -> QuerySet[Station]:
        """Return those that hold what was searched for, in their callsign or in what they said."""
        wanted = self.request.GET.get("q", "").strip()
        stations = Station.objects.all()
        return stations.filter(Q(callsign__icontains=wanted) | Q(comment__icontains=wanted)) if wanted else stations


class ChatView(LoginRequiredMixin, TemplateView):
    """A chat with the consumer at ``/ws/chat/``."""

    template_name = "dashboard/chat.html"
