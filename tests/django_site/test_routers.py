import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections, router

from django_site.devices.models import Device, Route
from django_site.stations.models import Packet, Station

pytestmark = pytest.mark.django_db(databases=["default", "history"])


def tables(alias: str) -> set[str]:
    return set(connections[alias].introspection.table_names())


def test_what_was_heard_has_tables_in_the_history_alone():
    assert {"stations_packet", "stations_station"} <= tables("history")
    assert not {"stations_packet", "stations_station"} & tables("default")


def test_what_a_person_decided_has_no_table_in_the_history():
    assert {"devices_device", "devices_route", "auth_user", "access_loginlink"} <= tables("default")
    assert tables("history") <= {"stations_packet", "stations_station", "django_migrations"}


@pytest.mark.parametrize("model", [Packet, Station])
def test_history_is_read_and_written_in_its_own_file(model):
    assert router.db_for_read(model) == router.db_for_write(model) == "history"


def test_no_relation_crosses_the_files():
    assert router.allow_relation(Device(), Route())
    assert not router.allow_relation(Device(), Packet())


def test_the_admin_knows_the_history_models():
    assert ContentType.objects.filter(app_label="stations", model="packet").exists()
