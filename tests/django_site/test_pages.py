import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from django_site.devices.models import Device
from django_site.devices.templatetags.moments import in_words
from django_site.stations.models import Packet, Station

pytestmark = pytest.mark.django_db(databases=["default", "history"])

HOSTILE = '"><script>alert(1)</script>'
PAGES = ["/", "/stations/", "/chat/", "/admin/", "/admin/devices/device/", "/admin/devices/device/add/?kind=aprs"]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_holds_nothing_inline_and_may_load_from_here_alone(browser, address):
    answer = browser.get(address)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", page)
    assert not re.search(r"<style|\son[a-z]+=|javascript:", page)
    assert not re.search(r"<[^>]+\sstyle=", page)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self' ws://testserver wss://testserver" in policy
    assert "unsafe" not in policy


def test_the_policy_of_a_host_that_is_not_ours_names_no_host():
    answer = Client(headers={"host": "evil.example"}).get("/login/")
    assert answer.status_code == 400
    assert "evil" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("address", "content_type"),
    [
        ("/static/dashboard/live.js", "text/javascript"),
        ("/static/dashboard/edge.css", "text/css"),
        ("/static/admin/css/base.css", "text/css"),
    ],
)
def test_static_files_are_served_without_debug_and_without_collecting(address, content_type):
    answer = Client().get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert int(answer.headers["Content-Length"]) == len(answer.content) > 0
    again = Client().get(address, headers={"if-modified-since": answer.headers["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Type" not in again.headers


def test_the_live_page_has_its_anchors(browser):
    Device.objects.create(name="vhf", kind="aprs", link="tcp://127.0.0.1:8001")
    page = browser.get("/").content.decode()
    for anchor in (
        'id="devices"',
        'data-device="vhf"',
        'data-state="',
        'id="packets"',
        'id="connection"',
        'id="filter"',
    ):
        assert anchor in page
    assert "No devices" not in page


def test_a_box_without_devices_offers_to_add_one(browser):
    assert b"/admin/devices/device/add/" in browser.get("/").content


def test_stations_are_listed_searched_and_paged(browser):
    now = datetime.now(UTC)
    Station.objects.bulk_create(Station(callsign=f"QQ{number}A", device="vhf", last_heard=now) for number in range(150))
    assert b"Page 1 of 2" in browser.get("/stations/").content
    assert b"QQ149A" in browser.get("/stations/?q=qq149").content
    assert b"QQ148A" not in browser.get("/stations/?q=qq149").content
    page = browser.get("/stations/", {"q": HOSTILE}).content
    assert b"<script>alert" not in page
    assert b"No station has" in page


@pytest.mark.parametrize("address", ["/stations/", "/admin/stations/station/", "/admin/stations/packet/"])
def test_hostile_text_from_the_air_is_text(browser, address):
    now = datetime.now(UTC)
    Station.objects.create(callsign=HOSTILE[:20], device=HOSTILE, last_heard=now, comment=HOSTILE)
    Packet.objects.create(
        time=now, device=HOSTILE, direction="heard", source=HOSTILE, summary=HOSTILE, info=HOSTILE.encode()
    )
    page = browser.get(address).content
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert(1)" in page


def test_signing_out_needs_a_button_not_a_link(browser):
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/").headers["Location"] == "/login/"
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s ago"), (12.9, "12 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_moments_are_in_their_largest_unit(seconds, words):
    assert in_words(seconds) == words
