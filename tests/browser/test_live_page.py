"""The box through Chromium: an operator adds a TNC and a route, and sees packets as they come."""

import json
import re

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.browser.conftest import PATIENCE
from tests.scenarios.running import make_rows, until
from transports.probes import Browser
from transports.simulator.packets import decode_packet

pytestmark = pytest.mark.needs("chromium")

CHAT = "edge.contrib.chat.ChatConsumer"
PASSWORD = "correct horse battery staple"
PHONE = {"width": 360, "height": 740}
HOSTILE = """<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>"""


@pytest.fixture(autouse=True)
def patience():
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)


def expect(locator):
    from playwright.sync_api import expect as expect_

    return expect_(locator)


@pytest.fixture(scope="module")
def vhf(box, bench, folder):
    """A TNC that the box hears, with a chat on it."""
    tnc = bench.plug(folder / "vhf")
    make_rows(
        box.data,
        {
            "name": "vhf",
            "kind": "aprs",
            "link": f"serial://{folder}/vhf",
            "transmit": True,
            "options": {"callsign": "QQ1VHF"},
        },
        {"device": "vhf", "consumer": CHAT},
    )
    box.turns("vhf", "up")
    return tnc


def device(page, name="vhf"):
    return page.locator(f'#devices [data-device="{name}"]')


def packets(page, text):
    return page.locator("#packets tr").filter(has_text=text)


def connected(page):
    expect(page.locator("#connection[data-state=open]")).to_have_text("Connected")


def mark(page):
    """Leave a mark in the document, which a reload would wipe."""
    page.evaluate("window.notReloaded = true")


def is_marked(page):
    return page.evaluate("window.notReloaded === true")


def test_an_operator_signs_in_adds_a_tnc_and_a_route_and_sees_packets_without_a_reload(open_page, box, bench, folder):
    tnc = bench.plug(folder / "tnc")
    page = open_page()
    page.goto(box.url + box.login_path())
    page.get_by_role("main").get_by_role("button").click()
    connected(page)
    live = page.context.new_page()  # a page that is open while another one makes the device
    live.goto(box.url)
    connected(live)
    mark(live)

    page.get_by_role("link", name="Add a device").click()
    page.get_by_role("link", name="APRS by a KISS TNC").click()
    page.get_by_role("textbox", name="Name:", exact=True).fill("first")
    page.locator("#id_link").fill(f"serial://{folder}/tnc")
    page.get_by_label("May transmit").check()
    page.get_by_label("Callsign").fill("QQ1EDG")
    page.locator("#id_routes-0-consumer").fill(CHAT)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_contain_text("was added successfully")
    expect(page.locator('[data-device="first"] [data-state=up]')).to_be_visible()
    expect(device(live, "first").locator("[data-state=up]")).to_be_visible()

    page.goto(box.url)
    connected(page)
    expect(device(page, "first").locator("[data-state]")).to_have_text("up")
    expect(device(page, "first").locator("[data-routes]")).to_contain_text("ChatConsumer · running")
    mark(page)
    bench.hear(tnc, ":QQ1EDG   :hello from the hill{01", source="QQ1MIA-7")
    # It is on the air: an acknowledgement and a welcome; and once the station has that, the answer.
    acknowledged, welcome = (decode_packet(bench.do(tnc.next_sent())).info.decode() for _ in range(2))
    assert acknowledged == ":QQ1MIA-7 :ack01"
    number = re.fullmatch(r":QQ1MIA-7 :\[Welcome Anonymous!\]\{(\w+)", welcome)[1]
    bench.hear(tnc, f":QQ1EDG   :ack{number}", source="QQ1MIA-7")
    assert b"Anonymous: hello from the hill" in decode_packet(bench.do(tnc.next_sent())).info
    for each in (page, live):
        heard = each.locator("#packets tr[data-packet=heard]").filter(has_text="hello from the hill")
        expect(heard.locator("[data-cell=from]")).to_have_text("QQ1MIA-7")
        expect(heard.locator("[data-cell=device]")).to_have_text("first")
        expect(each.locator("#packets tr[data-packet=sent]").filter(has_text="Anonymous: hello")).to_be_visible()
        assert is_marked(each)
    expect(device(page, "first").locator("[data-field=heard]")).to_have_text("2")
    expect(device(page, "first").locator("[data-field=sent]")).to_have_text("3")
    expect(page.locator("#count")).to_be_hidden()


def test_the_status_beside_a_device_follows_its_cable_in_plain_words(signed_in, box, bench, vhf):
    live = signed_in()
    connected(live)
    mark(live)
    admin = live.context.new_page()
    admin.goto(f"{box.url}/admin/devices/device/")
    beside = admin.locator('[data-device="vhf"]')
    expect(beside.locator("[data-state]")).to_have_text("up")
    mark(admin)

    bench.call(vhf.unplug)
    for place in (device(live), beside):
        expect(place.locator("[data-state=waiting]")).to_have_text("waiting")
        expect(place.locator("[data-text]")).to_contain_text("unplugged?")
        expect(place.locator("[data-text]")).to_contain_text("trying again in")
    bench.call(vhf.replug)
    for place in (device(live), beside):
        expect(place.locator("[data-state=up]")).to_have_text("up")
        expect(place.locator("[data-text]")).to_have_text("")  # "up" says it all
    assert is_marked(live)
    assert is_marked(admin)


def test_a_hostile_packet_is_shown_as_text_everywhere(signed_in, box, bench, vhf):
    page = signed_in()
    connected(page)
    title = page.title()
    bench.hear(vhf, f">{HOSTILE}", source="QQ1BAD")
    bench.hear(vhf, f":QQ1VHF   :/name {HOSTILE[:50]}", source="QQ1BAD")
    expect(packets(page, HOSTILE)).to_be_visible()
    assert page.locator("#packets img, #packets script").count() == 0

    def station():
        page.goto(f"{box.url}/stations/")
        return page.locator("[data-station=QQ1BAD]").count()

    until(station, "the station is recorded")
    expect(page.locator("[data-station=QQ1BAD]")).to_contain_text("<img src=x onerror=")
    page.goto(f"{box.url}/admin/stations/packet/")
    expect(page.locator("#result_list")).to_contain_text("<img src=x onerror=")
    assert page.locator("#result_list img[src=x], #result_list script").count() == 0
    page.goto(box.url)
    expect(packets(page, HOSTILE)).to_be_visible()  # from the history now
    assert page.title() == title


def test_a_browser_that_is_signed_out_is_sent_to_sign_in_and_its_sockets_are_refused(open_page, box, complaints):
    page = open_page()
    for path in ("/", "/stations/", "/chat/", "/admin/devices/device/"):
        page.goto(box.url + path)
        assert "login" in page.url
        expect(page.locator("input[type=password]")).to_be_visible()
    attempt = """path => new Promise(done => {
        const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
        socket.onopen = () => done("opened");
        socket.onclose = () => done("refused");
    })"""
    for path in ("/ws/live/", "/ws/chat/", "/ws/nothing/"):
        assert page.evaluate(attempt, path) == "refused"
    assert all("WebSocket connection to" in text for text in complaints)
    complaints.clear()  # the browser said so, and that is all it said


def test_an_operator_chooses_a_password_signs_out_and_signs_in_to_the_admin_with_it(open_page, box):
    page = open_page()
    page.goto(box.url + box.edge("login", "--user", "anna", "--url", box.url).stdout.strip().removeprefix(box.url))
    page.get_by_role("main").get_by_role("button").click()
    page.get_by_role("link", name="Choose one").click()
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("main").get_by_role("button").click()
    expect(page.get_by_text("Your password is set.")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{box.url}/admin/")
    page.locator("[name=username]").fill("anna")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{box.url}/admin/")
    expect(page.get_by_role("link", name="Devices", exact=True).first).to_be_visible()


def test_a_socket_of_a_foreign_page_is_refused_though_the_browser_is_signed_in(box, vhf):
    browser = box.browser()
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    address = box.url.replace("http", "ws")
    headers = {"Cookie": cookies}
    for path in ("/ws/live/", "/ws/chat/"):
        for origin in ("http://evil.example", "null", box.url.replace("127.0.0.1", "127.0.0.1.evil.example")):
            with pytest.raises(InvalidStatus) as refused:
                connect(address + path, additional_headers=headers, origin=origin, proxy=None).close()
            assert refused.value.response.status_code == 403
        with connect(address + path, additional_headers=headers, origin=box.url, proxy=None) as socket:
            assert socket.recv(timeout=5)
    with pytest.raises(InvalidStatus):  # and a stranger with the right origin
        connect(address + "/ws/live/", origin=box.url, proxy=None).close()


def test_the_live_page_can_be_used_with_the_keyboard_alone(signed_in, bench, vhf):
    page = signed_in()
    connected(page)
    bench.hear(vhf, ">first of all", source="QQ1AAA")
    bench.hear(vhf, ">and another", source="QQ1BBB")
    expect(packets(page, "and another")).to_be_visible()

    def focused():
        return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")

    page.keyboard.press("Tab")
    assert focused() == "Skip to the content"
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    seen = []
    while focused() != "filter":
        page.keyboard.press("Tab")
        seen.append(focused())
        assert len(seen) < 30, seen
        assert page.evaluate(
            """() => {
                const style = getComputedStyle(document.activeElement);
                return style.outlineStyle !== "none" || style.boxShadow !== "none";
            }"""
        ), f"no one sees that {seen[-1]} has the focus"
    assert {"Live", "Stations", "Chat", "Devices", "Sign out", "vhf"} <= {text.split("\n")[0] for text in seen}
    page.keyboard.type("qq1aaa")
    expect(packets(page, "first of all")).to_be_visible()
    expect(packets(page, "and another")).to_be_hidden()
    expect(page.locator("#count")).to_have_text(re.compile(r"^1 of \d+ packets match the filter\.$"))
    page.keyboard.press("Tab")
    assert focused() in ("pause", "Pause")
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    bench.hear(vhf, ">while paused", source="QQ1AAA")
    expect(page.locator("#pause")).to_have_text("Go on (1 waiting)")
    page.keyboard.press("Enter")
    expect(packets(page, "while paused")).to_be_visible()


def test_a_device_can_be_added_with_the_keyboard_alone(signed_in, box, folder):
    page = signed_in()
    page.goto(f"{box.url}/admin/devices/device/add/")
    page.locator("[data-kind=aprs]").focus()
    page.keyboard.press("Enter")
    page.locator("#id_name").focus()
    page.keyboard.type("hf")
    while page.evaluate("document.activeElement.id") != "id_link":
        page.keyboard.press("Tab")
    page.keyboard.type(f"serial://{folder}/not-there")
    page.keyboard.press("Enter")
    expect(page.locator('[data-device="hf"] [data-text]')).to_contain_text("is not there (unplugged?)")


def test_a_form_says_beside_the_field_what_is_wrong(signed_in, box):
    page = signed_in()
    page.goto(f"{box.url}/admin/devices/device/add/?kind=aprs")
    page.locator("#id_name").fill("vhf")
    page.locator("#id_link").fill("ttyUSB0")
    page.get_by_label("Callsign").fill("N0CALL")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-link .errorlist")).to_contain_text("expected a URL such as serial:///dev/ttyUSB0")
    expect(page.locator(".field-option_callsign .errorlist")).to_contain_text("is a placeholder")
    expect(page.locator("#id_link")).to_have_value("ttyUSB0")  # nothing is lost


def test_every_page_fits_a_phone(signed_in, box, bench, vhf):
    page = signed_in(**PHONE)
    connected(page)
    bench.hear(vhf, f">a long text without any space {'x' * 150}", source="QQ1LNG-15", path=["WIDE1-1", "WIDE2-2"])
    row = packets(page, "a long text")
    expect(row).to_be_visible()
    place = row.bounding_box()
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= PHONE["width"]
    small = page.evaluate(
        """() => [...document.querySelectorAll("nav a, button, input")]
            .filter(each => each.offsetParent && each.getBoundingClientRect().height < 24)
            .map(each => each.outerHTML)"""
    )
    assert small == []  # WCAG 2.2, 2.5.8: a target is at least 24 px high
    for path in ("/", "/stations/", "/chat/", "/password/", "/admin/devices/device/add/"):
        assert page.goto(box.url + path).ok
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], f"{path} is {wide} px wide"


def test_the_chat_page_talks_to_the_consumer_that_answers_radios(signed_in, box):
    page = signed_in()
    page.goto(f"{box.url}/chat/")
    expect(page.locator("#messages [data-from=box]").last).to_have_text("[Welcome Anonymous!]")
    for text, answer in (("/name Anna", "[set your username to Anna]"), (HOSTILE, f"Anna: {HOSTILE}")):
        page.locator("#say").fill(text)
        page.keyboard.press("Enter")
        expect(page.locator("#messages [data-from=box]").last).to_have_text(answer)
    assert page.locator("#messages img, #messages script").count() == 0


def test_an_outsider_sees_no_more_than_the_login_page(box, vhf):
    with pytest.raises(Exception, match="HTTP Error 404"):
        Browser(box.url).get("/ws/live/")
    page = Browser(box.url).get("/")
    assert "vhf" not in page
    assert "QQ1EDG" not in json.dumps(page)
