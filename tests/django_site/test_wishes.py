import pytest

from django_site import box
from django_site.devices.models import Device, Route
from django_site.devices.wishes import desired
from edge.desired import Desired, DeviceWish, RouteWish

pytestmark = pytest.mark.django_db(databases=["default", "history"])


def test_no_rows_are_no_wishes():
    assert desired() == Desired()


def test_all_rows_compile_into_one_value_in_a_steady_order(django_assert_num_queries):
    vhf = Device.objects.create(name="vhf", kind="aprs", link="tcp://127.0.0.1:8001", options={"baud": 1200})
    Device.objects.create(name="broker", kind="mqtt", link="mqtt://localhost", transmit=True, enabled=False)
    Route.objects.create(device=vhf, consumer="a.Second", position=2)
    Route.objects.create(device=vhf, consumer="a.First", position=1, match="source=QQ1*", options={"x": 1})
    with django_assert_num_queries(2):
        found = desired()
    assert found.devices == (
        DeviceWish(name="vhf", kind="aprs", link="tcp://127.0.0.1:8001", options={"baud": 1200}),
        DeviceWish(name="broker", kind="mqtt", link="mqtt://localhost", transmit=True, enabled=False),
    )
    assert found.routes == (
        RouteWish(device="vhf", consumer="a.First", match="source=QQ1*", options={"x": 1}),
        RouteWish(device="vhf", consumer="a.Second"),
    )
    assert found == desired()


def test_the_box_is_told_of_each_change_once_it_is_committed(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as told:
        device = Device.objects.create(name="vhf", kind="aprs", link="tcp://127.0.0.1:8001")
        route = Route.objects.create(device=device, consumer="a.B")
        route.delete()
        device.delete()
    assert told == [box.rows_changed] * 4
