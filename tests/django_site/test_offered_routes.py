"""A person can set every option of every consumer that is offered: its page has a field for each."""

import pytest

from django_site.devices.models import Device, Route
from edge.legs import options_types, speaks
from edge.options import describe
from edge.registry import import_string, kinds, offered_consumers

pytestmark = pytest.mark.django_db

PAIRS = [
    pytest.param(offered.path, kind, id=f"{offered.label} on {kind.name}")
    for offered in offered_consumers()
    for kind in kinds().values()
    if not speaks(import_string(offered.path), kind.scope_type)
]


@pytest.mark.parametrize(("path", "kind"), PAIRS)
def test_the_page_of_a_route_has_a_field_for_each_option(admin_client, path, kind):
    device = Device.objects.create(name="here", kind=kind.name, link=kind.link_example)
    route = Route.objects.create(device=device, consumer=path, match="a/+b/in" if kind.scope_type == "mqtt" else "")
    page = admin_client.get(f"/admin/devices/route/{route.pk}/change/").content.decode()
    for type_ in options_types(import_string(path), kind.scope_type):
        for option in describe(type_):
            assert f'name="option_{option.name}"' in page, option.name
