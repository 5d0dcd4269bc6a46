import asyncio
import sqlite3
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connections

from django_site.stations.models import Packet, Station
from django_site.stations.recorder import MAX_INFO, PacketLog

pytestmark = pytest.mark.django_db(databases=["default", "history"])


def heard(source="QQ1ABC", **more):
    return {
        "type": "aprs.receive", "source": source, "destination": "APRS", "via": ["WIDE1-1*"], "info": b">hi",
        "raw": b"", "time": time.time(), "format": "status", "packet": {"status": "hi"}, "summary": "status hi", **more,
    }  # fmt: skip


def place(latitude, longitude, **more):
    return {"latitude": latitude, "longitude": longitude, "symbol": "/>", **more}


@pytest.fixture
def history():
    with connections["history"].cursor() as cursor:
        yield cursor


def test_nothing_is_written_until_it_is_flushed(django_assert_num_queries):
    log = PacketLog()
    with django_assert_num_queries(0, using="history"):
        log.add("vhf", "heard", heard())
    assert len(log) == 1
    assert log.flush() == 1
    assert len(log) == 0
    packet = Packet.objects.get()
    assert (packet.device, packet.direction, packet.source, packet.via) == ("vhf", "heard", "QQ1ABC", "WIDE1-1*")
    assert (packet.summary, bytes(packet.info)) == ("status hi", b">hi")


def test_a_batch_costs_a_few_queries_however_large_it_is(django_assert_max_num_queries):
    log = PacketLog()
    for number in range(300):
        log.add("vhf", "heard", heard(f"QQ{number % 50}A"))
    with django_assert_max_num_queries(12, using="history"):
        assert log.flush() == 300
    assert Packet.objects.count() == 300
    assert Station.objects.count() == 50


def test_an_empty_flush_asks_the_database_nothing(django_assert_num_queries):
    with django_assert_num_queries(0, using="history"):
        assert PacketLog().flush() == 0


def test_a_station_is_one_row_over_batches_and_devices():
    log = PacketLog()
    log.add("vhf", "heard", heard(format="position", packet=place(48.2, 16.3)))
    log.flush()
    log.add("hf", "heard", heard(summary="later", packet={}))
    log.add("hf", "heard", heard(summary="last", packet={}))
    log.flush()
    station = Station.objects.get()
    assert (station.count, station.device, station.comment) == (3, "hf", "last")
    assert (station.latitude, station.longitude, station.symbol) == (48.2, 16.3, "/>")
    assert station.place == "48.2000° N 16.3000° E"


def test_an_objects_place_is_not_its_senders():
    log = PacketLog()
    log.add("vhf", "heard", heard(format="object", packet=place(1.0, 2.0, name="LEADER")))
    log.flush()
    assert Station.objects.get().latitude is None


@pytest.mark.parametrize(
    ("direction", "event"),
    [
        ("sent", {"type": "aprs.send", "source": "QQ1ABC", "info": b"x"}),
        ("heard", {"type": "mqtt.receive", "topic": "home/attic", "payload": b"21"}),
        ("heard", {"type": "serial.receive", "bytes": b"$GPGGA"}),
    ],
)
def test_only_who_was_heard_on_a_radio_is_a_station(direction, event):
    log = PacketLog()
    log.add("d", direction, event)
    assert log.flush() == 1
    assert not Station.objects.exists()


def test_at_the_bound_the_oldest_is_dropped_and_counted():
    log = PacketLog(bound=10)
    for number in range(25):
        log.add("vhf", "heard", heard(summary=str(number)))
    assert (len(log), log.dropped) == (10, 15)
    log.flush()
    assert set(Packet.objects.values_list("summary", flat=True)) == {str(number) for number in range(15, 25)}


def test_a_brokers_large_payload_is_cut_before_it_waits():
    log = PacketLog()
    log.add("broker", "heard", {"type": "mqtt.receive", "topic": "t" * 60_000, "payload": b"x" * 200_000})
    assert len(log._waiting[0].event["payload"]) == MAX_INFO
    log.flush()
    packet = Packet.objects.get()
    assert len(packet.info) == MAX_INFO
    assert len(packet.source) == 100


def test_packets_are_kept_up_to_the_limit(settings):
    settings.KEEP_PACKETS = 20
    log = PacketLog()
    for batch in range(5):
        for number in range(10):
            log.add("vhf", "heard", heard(summary=f"{batch}-{number}"))
        log.flush()
    assert Packet.objects.count() == 20
    assert Packet.objects.order_by("pk").first().summary == "3-0"


def test_stations_not_heard_for_long_are_forgotten(settings):
    settings.KEEP_STATION_DAYS = 90
    now = datetime.now(UTC)
    Station.objects.create(callsign="OLD", device="vhf", last_heard=now - timedelta(days=91))
    Station.objects.create(callsign="RECENT", device="vhf", last_heard=now - timedelta(days=89))
    log = PacketLog()
    log.add("vhf", "heard", heard("NEW"))
    log.flush()
    assert set(Station.objects.values_list("callsign", flat=True)) == {"RECENT", "NEW"}


def test_a_flood_of_invented_callsigns_has_a_bound(settings):
    settings.KEEP_STATIONS = 30
    log = PacketLog()
    for number in range(100):
        log.add("vhf", "heard", heard(f"F{number}", time=time.time() + number))
    log.flush()
    assert Station.objects.count() == 30
    assert Station.objects.filter(callsign="F99").exists()


def test_hostile_text_is_recorded_as_text():
    log = PacketLog()
    log.add("vhf", "heard", heard("<b>\x00\ud800", summary="\x00\x1b[2J<script>alert(1)</script>"))
    assert log.flush() == 1
    assert Packet.objects.get().summary == "··[2J<script>alert(1)</script>"


def test_an_event_that_cannot_be_recorded_costs_its_batch_and_no_more():
    log = PacketLog()
    log.add("vhf", "heard", heard(time=1e30))
    assert log.flush() == 0
    assert (len(log), log.dropped) == (0, 1)
    assert "could not be recorded" in log.problem
    log.add("vhf", "heard", heard())
    assert log.flush() == 1
    assert log.problem == ""


@pytest.mark.django_db(databases=["default", "history"], transaction=True)
def test_a_full_disk_is_told_and_the_batch_is_kept(history):
    pages = history.execute("PRAGMA page_count").fetchone()[0]
    history.execute(f"PRAGMA max_page_count = {pages}")
    log = PacketLog(bound=500)
    for number in range(1000):
        log.add("vhf", "heard", heard(f"Q{number}", info=b"x" * 2000))
    try:
        assert log.flush() == 0
        assert "database or disk is full" in log.problem
        assert (len(log), log.dropped) == (500, 500)
        log.add("vhf", "heard", heard("LAST"))
        assert (len(log), log.dropped) == (500, 501)
    finally:
        connections["history"].cursor().execute("PRAGMA max_page_count = 1073741823")
    assert log.flush() == 500
    assert log.problem == ""


@pytest.mark.django_db(databases=["default", "history"], transaction=True)
def test_a_locked_database_is_told_and_the_batch_is_kept_in_order():
    log = PacketLog()
    log.add("vhf", "heard", heard(summary="first"))
    other = sqlite3.connect(connections["history"].settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    connections["history"].cursor().execute("PRAGMA busy_timeout = 20")
    try:
        assert log.flush() == 0
        assert "locked" in log.problem
        assert "1 packets wait" in log.problem
        log.add("vhf", "heard", heard(summary="second"))
    finally:
        other.rollback()
        other.close()
    assert log.flush() == 2
    assert log.problem == ""
    assert list(Packet.objects.order_by("pk").values_list("summary", flat=True)) == ["first", "second"]


@pytest.mark.django_db(databases=["default", "history"], transaction=True)
async def test_run_writes_by_the_interval_and_once_at_the_end():
    log = PacketLog()
    task = asyncio.create_task(log.run(interval=0.01))
    log.add("vhf", "heard", heard(summary="first"))
    async with asyncio.timeout(5):
        while not await Packet.objects.aexists():
            await asyncio.sleep(0.01)
    log.add("vhf", "heard", heard(summary="second"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await Packet.objects.acount() == 2


def test_the_defaults_are_those_that_are_documented():
    assert (django_settings.KEEP_PACKETS, django_settings.KEEP_STATION_DAYS) == (50_000, 90)


def test_what_is_not_written_yet_can_be_asked_for_as_lines():
    log = PacketLog()
    for number in range(3):
        log.add("vhf", "heard", heard(f"QQ1AB{number}"))
    assert [each.source for each in log.unwritten(2)] == ["QQ1AB1", "QQ1AB2"]
    log.flush()
    assert log.unwritten(2) == []
