"""Devices and routes in the admin, through the pages that a person sees."""

import html
import re
import sys
import types
from dataclasses import make_dataclass
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_site import box
from django_site.devices.models import Device, Route
from edge.consumers import AsyncAprsConsumer
from edge.options import option
from edge.status import DeviceStatus, State

pytestmark = pytest.mark.django_db(databases=["default", "history"])

DEVICES = "/admin/devices/device/"
ROUTES = "/admin/devices/route/"
CHAT = "edge.contrib.chat.ChatConsumer"
ECHO = "edge.consumers.AsyncAprsConsumer"

APRS = {
    "name": "vhf",
    "link": "serial:///dev/ttyUSB7",
    "enabled": "on",
    "option_baud": "9600",
    "option_path": "WIDE1-1",
}
MQTT = {"name": "broker", "link": "mqtt://localhost:1883", "enabled": "on", "option_protocol": "5"}


def with_routes(values, *routes):
    """A device page's form with its rows of routes."""
    rows = {"routes-TOTAL_FORMS": str(len(routes)), "routes-INITIAL_FORMS": "0"}
    for number, route in enumerate(routes):
        rows |= {
            f"routes-{number}-{name}": value for name, value in {"enabled": "on", "position": "0", **route}.items()
        }
    return {**values, **rows}


def errors(answer, prefix="adminform"):
    assert answer.status_code == 200, answer.headers.get("Location")
    return {name: " ".join(map(str, texts)) for name, texts in answer.context[prefix].form.errors.items()}


def route_errors(answer):
    (formset,) = answer.context["inline_admin_formsets"]
    return [{name: " ".join(map(str, texts)) for name, texts in form.items()} for form in formset.formset.errors]


def add(browser, kind, values, *routes):
    return browser.post(f"{DEVICES}add/?kind={kind}", with_routes(values, *routes))


@pytest.fixture
def vhf():
    return Device.objects.create(name="vhf", kind="aprs", link="serial:///dev/ttyUSB7", options={"callsign": "QQ1ABC"})


@pytest.fixture
def broker():
    return Device.objects.create(
        name="broker",
        kind="mqtt",
        link="mqtt://ann:t0psecret@localhost",
        options={"username": "ann", "password": "hush-hush"},
    )


def test_adding_a_device_asks_for_its_kind_first(browser):
    page = browser.get(f"{DEVICES}add/").content.decode()
    assert re.findall(r'href="\?kind=(\w+)"', page) == ["aprs", "ax25", "mqtt", "serial"]
    assert "Positions, messages, weather and telemetry" in page
    assert "<script>" not in page


def test_an_unknown_kind_is_named_beside_those_there_are(browser):
    page = html.unescape(browser.get(f"{DEVICES}add/?kind=<lora>").content.decode())
    assert "There is no kind “<lora>” here" in page
    assert 'data-kind="aprs"' in page


def test_the_form_of_a_kind_shows_its_options_with_help_units_and_bounds(browser):
    page = browser.get(f"{DEVICES}add/?kind=aprs").content.decode()
    for words in (
        "APRS by a KISS TNC",
        "Speed on the air (Bd)",
        "What the gate reckons air time with.",
        "45 to 1,000,000 Bd.",
    ):
        assert words in page
    assert 'name="option_path"' in page
    assert 'min="45"' in page
    assert "option_keepalive" not in page


def test_a_choice_is_a_choice_and_a_secret_is_a_password_field(browser):
    page = browser.get(f"{DEVICES}add/?kind=mqtt").content.decode()
    assert re.search(r'<select name="option_protocol"', page)
    assert re.search(r'<input type="password" name="option_password"', page)


def test_only_a_radio_is_asked_whether_it_may_transmit(browser, broker):
    assert 'name="transmit"' in browser.get(f"{DEVICES}add/?kind=aprs").content.decode()
    address = f"{DEVICES}{broker.pk}/change/"
    assert 'name="transmit"' not in browser.get(address).content.decode()
    assert browser.post(address, with_routes({**MQTT, "link": "mqtt://localhost"})).status_code == 302


def test_a_good_device_with_a_route_is_saved(browser):
    answer = add(browser, "aprs", {**APRS, "option_callsign": "QQ1ABC"}, {"consumer": ECHO, "match": "source=QQ1*"})
    assert answer.status_code == 302
    device = Device.objects.get()
    assert (device.kind, device.transmit, device.enabled) == ("aprs", False, True)
    assert device.options.items() >= {"callsign": "QQ1ABC", "baud": 9600, "path": "WIDE1-1"}.items()
    assert list(device.routes.values_list("consumer", "match")) == [(ECHO, "source=QQ1*")]


def test_a_tncs_profile_is_a_choice_and_its_speed_may_stay_empty(browser):
    page = browser.get(f"{DEVICES}add/?kind=aprs").content.decode()
    assert re.search(
        r'<select name="option_profile".*?<option value="kiss" selected>Any KISS TNC</option>', page, re.DOTALL
    )
    assert '<option value="kantronics">' in page
    assert re.search(r'<input type="number" name="option_baud" min="300"', page)
    answer = add(
        browser, "aprs", {**APRS, "option_baud": "", "option_profile": "kantronics", "option_enter_kiss": "on"}
    )
    assert answer.status_code == 302
    options = Device.objects.get().options
    assert (options["profile"], options["enter_kiss"], "baud" in options) == ("kantronics", True, False)


def test_entering_what_is_always_in_kiss_mode_is_a_mistake_at_its_field(browser):
    found = errors(add(browser, "aprs", {**APRS, "option_profile": "ninotnc", "option_enter_kiss": "on"}))
    assert list(found) == ["option_enter_kiss"]
    assert "turn this off" in found["option_enter_kiss"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"link": "ttyUSB0"}, "link", "expected a URL such as serial:///dev/ttyUSB0"),
        ({"link": "mqtt://localhost"}, "link", "with serial:// or usb:// or tcp:// or agwpe:// or memory://"),
        ({"link": "tcp://127.0.0.1"}, "link", "names no port"),
        ({"link": ""}, "link", "required"),
        ({"name": "VHF Radio"}, "name", "expected 1 to 40 of a-z"),
        ({"option_callsign": "qq1abc!"}, "option_callsign", "expected a callsign such as QQ1ABC"),
        ({"option_callsign": "N0CALL"}, "option_callsign", "is a placeholder; put in your own callsign"),
        ({"transmit": "on"}, "option_callsign", "transmitting needs your own callsign"),
        ({"option_baud": "100"}, "option_baud", "expected at least 300 Bd; got 100"),
        ({"option_duty_percent": "101"}, "option_duty_percent", "expected at most 100 %; got 101"),
        ({"option_baud": "fast"}, "option_baud", "Expected a whole number"),
    ],
)
def test_each_mistake_lands_at_its_field_and_nothing_is_lost(browser, change, field, words):
    values = {**APRS, **change}
    answer = add(browser, "aprs", values)
    found = errors(answer)
    assert list(found) == [field]
    assert words in found[field]
    assert not Device.objects.exists()
    form = answer.context["adminform"].form
    assert {name: form[name].value() for name in values if name not in ("enabled", "transmit")} == {
        name: value for name, value in values.items() if name not in ("enabled", "transmit")
    }


def test_several_mistakes_are_said_at_once(browser):
    found = errors(add(browser, "aprs", {**APRS, "link": "x", "name": "", "option_baud": "1", "option_callsign": "??"}))
    assert set(found) == {"link", "name", "option_baud", "option_callsign"}


def test_two_devices_on_one_port_and_of_one_name(browser, vhf):
    found = errors(add(browser, "aprs", APRS))
    assert "another device is called 'vhf' already" in found["name"]
    assert "device 'vhf' uses /dev/ttyUSB7 already" in found["link"]


def test_a_device_is_no_rival_of_itself(browser, vhf):
    answer = browser.post(f"{DEVICES}{vhf.pk}/change/", with_routes({**APRS, "option_callsign": "QQ1ABC"}))
    assert answer.status_code == 302


def test_a_device_whose_kind_is_gone_says_so_at_its_kind(browser):
    device = Device.objects.create(name="old", kind="lora", link="serial:///dev/ttyUSB0")
    page = browser.get(f"{DEVICES}{device.pk}/change/")
    assert b"lora (not installed)" in page.content
    found = errors(
        browser.post(f"{DEVICES}{device.pk}/change/", with_routes({"name": "old", "link": "serial:///dev/x"}))
    )
    assert "unknown kind 'lora'; installed are aprs, ax25, mqtt, serial" in found["kind"]


@pytest.mark.parametrize(
    ("route", "field", "words"),
    [
        ({"consumer": "no.such.Consumer"}, "consumer", "cannot import no.such"),
        ({"consumer": "edge.consumers.Nothing"}, "consumer", "has no 'Nothing'"),
        ({"consumer": "Nothing"}, "consumer", "expected a path such as package.module.Name"),
        ({"consumer": ECHO, "match": "colour=red"}, "match", "expected terms such as source=QQ1*"),
    ],
)
def test_a_mistake_in_a_route_lands_in_its_row(browser, route, field, words):
    (found,) = route_errors(add(browser, "aprs", APRS, route))
    assert words in found[field]
    assert not Device.objects.exists()


@pytest.mark.parametrize("match", ["", "home/#/attic", "home/at+tic"])
def test_a_bad_topic_filter_lands_in_its_row(browser, match):
    route = {"consumer": "edge.consumers.AsyncMqttConsumer", "match": match}
    (found,) = route_errors(add(browser, "mqtt", MQTT, route))
    assert "topic filter" in found["match"]


def test_an_empty_row_of_routes_is_no_route(browser):
    assert add(browser, "aprs", APRS, {}).status_code == 302
    assert not Route.objects.exists()


def test_no_page_ever_shows_a_secret(browser, broker, vhf):
    Route.objects.create(device=broker, consumer="edge.consumers.AsyncMqttConsumer", match="#")
    bad = browser.post(f"{DEVICES}{broker.pk}/change/", with_routes({**MQTT, "link": "mqtt://", "name": "!"}))
    addresses = (
        DEVICES,
        f"{DEVICES}{broker.pk}/change/",
        f"{DEVICES}{broker.pk}/history/",
        ROUTES,
        "/",
        f"{DEVICES}?q=t0psecret",
    )
    for content in [bad.content, *(browser.get(address).content for address in addresses)]:
        assert b"hush-hush" not in content
        assert b"ann:t0psecret" not in content
    assert b"mqtt://ann:***@localhost" in browser.get(f"{DEVICES}{broker.pk}/change/").content


def test_an_empty_password_keeps_the_old_one_and_the_masked_link_the_stored_one(browser, broker):
    masked = {**MQTT, "link": "mqtt://ann:***@localhost", "option_username": "ann"}
    assert browser.post(f"{DEVICES}{broker.pk}/change/", with_routes(masked)).status_code == 302
    broker.refresh_from_db()
    assert broker.options["password"] == "hush-hush"
    assert broker.link == "mqtt://ann:t0psecret@localhost"


def test_a_stored_password_can_be_replaced_and_removed(browser, broker):
    address = f"{DEVICES}{broker.pk}/change/"
    browser.post(address, with_routes({**MQTT, "option_password": "another"}))
    assert Device.objects.get().options["password"] == "another"
    browser.post(address, with_routes({**MQTT, "forget_password": "on"}))
    assert "password" not in Device.objects.get().options


def test_the_mask_of_a_password_is_not_taken_for_one(browser, broker):
    found = errors(
        browser.post(f"{DEVICES}{broker.pk}/change/", with_routes({**MQTT, "link": "mqtt://ann:***@elsewhere"}))
    )
    assert "With a new address, write the password too" in found["link"]


def test_offered_consumers_are_proposed_and_help_depends_on_the_kind(browser, vhf, broker):
    page = browser.get(f"{DEVICES}{vhf.pk}/change/").content.decode()
    assert '<datalist id="id_routes-0-consumer_offered">' in page
    assert "source=QQ1*" in page
    assert "sensors/+room/temperature" in browser.get(f"{DEVICES}{broker.pk}/change/").content.decode()


def route_values(device, consumer, **more):
    return {"device": device.pk, "consumer": consumer, "enabled": "on", "position": "0", **more}


def test_a_route_is_added_on_its_own_page_and_its_options_are_mentioned(browser, vhf, shout):
    answer = browser.post(f"{ROUTES}add/", route_values(vhf, shout), follow=True)
    assert b"has options of its own" in answer.content
    assert Route.objects.get().options == {}


def test_a_routes_page_has_its_consumers_own_options(browser, vhf, shout):
    route = Route.objects.create(device=vhf, consumer=shout, options={"times": 3, "key": "hush-hush"})
    address = f"{ROUTES}{route.pk}/change/"
    page = browser.get(address).content.decode()
    assert "Options of Shout" in page
    assert re.search(r'name="option_times" value="3"', page)
    assert "hush-hush" not in page
    values = route_values(vhf, shout, options_for=f"aprs {shout}", option_times="4", option_key="")
    assert browser.post(address, values).status_code == 302
    assert Route.objects.get().options == {"times": 4, "loud": False, "key": "hush-hush"}
    found = errors(browser.post(address, {**values, "option_times": "10"}))
    assert found == {"option_times": "expected at most 9; got 10"}


def test_an_option_of_a_strangers_consumer_may_have_any_name(browser, vhf, monkeypatch):
    options = make_dataclass("Options", [("fields", str, option("abc", label="Fields"))], frozen=True, kw_only=True)
    module = types.ModuleType("strangers")
    module.Odd = type("Odd", (AsyncAprsConsumer,), {"Options": options})
    monkeypatch.setitem(sys.modules, "strangers", module)
    route = Route.objects.create(device=vhf, consumer="strangers.Odd")
    address = f"{ROUTES}{route.pk}/change/"
    assert re.search(r'name="option_fields" value="abc"', browser.get(address).content.decode())
    values = route_values(vhf, "strangers.Odd", options_for="aprs strangers.Odd", option_fields="xyz")
    assert browser.post(address, values).status_code == 302
    assert Route.objects.get().options == {"fields": "xyz"}


def test_another_consumer_begins_with_its_own_defaults(browser, vhf, shout):
    route = Route.objects.create(device=vhf, consumer=shout, options={"times": 3})
    values = route_values(vhf, ECHO, options_for=f"aprs {shout}", option_times="3")
    assert browser.post(f"{ROUTES}{route.pk}/change/", values).status_code == 302
    assert Route.objects.get().options == {}


def test_a_routes_page_has_what_carries_its_consumer_on_such_a_device(browser, broker):
    packet = Device.objects.create(name="packet", kind="ax25", link="tcp://localhost:8001")
    route = Route.objects.create(device=packet, consumer=CHAT)
    address = f"{ROUTES}{route.pk}/change/"
    page = browser.get(address).content.decode()
    assert "Answers as" in page
    assert "subscribe_qos" not in page
    values = route_values(packet, CHAT, options_for=f"ax25 {CHAT}", option_callsign="QQ1ABC-2", option_answer="on")
    assert browser.post(address, values).status_code == 302
    assert Route.objects.get().options == {"callsign": "QQ1ABC-2", "answer": True, "call": ""}
    found = errors(browser.post(address, {**values, "option_callsign": "what?"}))
    assert list(found) == ["option_callsign"]
    # On a broker nobody answers as a callsign: the route begins with the defaults of what is there.
    assert browser.post(address, {**values, "device": broker.pk, "match": "chat/+peer/in"}).status_code == 302
    assert Route.objects.get().options == {}
    assert "subscribe_qos" in browser.get(address).content.decode()


def test_options_that_few_need_are_folded_until_one_is_set(browser, vhf):
    address = f"{DEVICES}{vhf.pk}/change/"
    folded = re.compile(r"<summary>\s*<h2[^>]*>([^<]*)<")
    assert folded.findall(browser.get(address).content.decode()) == [
        "Limits on transmitting",
        "What the TNC is told (KISS parameters)",
        "Checksum, confirmations, questions",
        "AGWPE login",
    ]
    Device.objects.update(options={"txdelay": 300})
    assert "What the TNC is told (KISS parameters)" not in folded.findall(browser.get(address).content.decode())
    answer = browser.post(address, with_routes({**APRS, "option_duty_percent": "200"}))
    assert "Limits on transmitting" not in folded.findall(answer.content.decode()), "a mistake must be seen"


def test_a_route_saved_on_its_devices_page_keeps_its_options(browser, vhf, shout):
    route = Route.objects.create(device=vhf, consumer=shout, options={"times": 3})
    rows = with_routes(
        {**APRS, "option_callsign": "QQ1ABC"}, {"id": route.pk, "device": vhf.pk, "consumer": shout, "match": ""}
    )
    answer = browser.post(f"{DEVICES}{vhf.pk}/change/", {**rows, "routes-INITIAL_FORMS": "1"})
    assert answer.status_code == 302
    assert Route.objects.get().options == {"times": 3}


def test_a_link_that_names_a_module_does_not_import_it(browser):
    sys.modules.pop("this", None)  # a module of the standard library that nobody needs
    assert browser.get(f"{ROUTES}add/?consumer=this.s").status_code == 200
    assert "this" not in sys.modules


def test_lists_say_what_a_device_does_now_as_text(browser, vhf, monkeypatch):
    status = DeviceStatus(
        name="vhf", kind="aprs", link="tcp://…", state=State.WAITING, text="<b>no answer</b>; trying again", since=1.0,
        heard=1234, sent=5, refused=6, refusal="too fast", last_heard=None, routes=(),
    )  # fmt: skip
    monkeypatch.setattr(
        box,
        "current",
        lambda: SimpleNamespace(
            status=lambda: (status,), about=lambda: {"problems": []}, ports=SimpleNamespace(ports=())
        ),
    )
    for address in (DEVICES, f"{DEVICES}{vhf.pk}/change/", "/"):
        page = browser.get(address).content.decode()
        assert 'data-device="vhf"' in page
        assert 'data-state="waiting">waiting<' in page
        assert "&lt;b&gt;no answer&lt;/b&gt;; trying again" in page
        assert "1234" in page
        assert "never" in page


def test_without_a_box_the_lists_say_that(browser, vhf):
    assert "The devices' process is not running." in html.unescape(browser.get(DEVICES).content.decode())


def test_whoever_may_not_add_devices_does_not_see_the_kinds():
    user = User.objects.create_user("guest", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get(f"{DEVICES}add/").status_code == 403


@pytest.mark.parametrize("address", ["/admin/stations/packet/", "/admin/stations/station/"])
def test_history_can_be_searched_but_not_changed(browser, address):
    assert browser.get(f"{address}?q=QQ1").status_code == 200
    assert browser.get(f"{address}add/").status_code == 403
    assert browser.post(f"{address}add/", {}).status_code == 403


@pytest.mark.parametrize("address", ["/admin/", DEVICES, f"{DEVICES}add/", ROUTES, f"{ROUTES}add/"])
def test_the_admin_leads_back_to_the_live_page(browser, address):
    assert b'<a href="/">Live</a>' in browser.get(address).content
