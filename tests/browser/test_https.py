"""A real browser on the box's HTTPS port: packets over wss, and its one jar of cookies for both ways."""

import pytest

from tests.browser.conftest import PATIENCE
from tests.scenarios.running import Box, make_rows, warnings_in

pytestmark = pytest.mark.needs("chromium", "openssl")

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def box(folder):
    with Box(folder / "data", "--https-port", "0") as running:
        running.secure = running.says(r"With HTTPS it is at (https://\S+?)/\s")[1]
        yield running
        assert not warnings_in(running.complained)
        assert "Traceback" not in running.complained, running.words()


@pytest.fixture
def page(open_page):
    return open_page(ignore_https_errors=True, color_scheme="dark", **PHONE)


def sign_in(page, box, url):
    page.goto(url + box.login_path())
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{url}/")


def test_the_live_page_receives_packets_over_wss(page, box, bench, folder):
    tnc = bench.plug(folder / "vhf")
    make_rows(box.data, {"name": "vhf", "kind": "aprs", "link": f"serial://{folder}/vhf"})
    box.turns("vhf", "up")
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    sign_in(page, box, box.secure)
    page.locator("#connection[data-state=open]").wait_for(timeout=PATIENCE)
    bench.hear(tnc, ">over TLS")
    page.locator("#packets tr").filter(has_text="over TLS").wait_for(timeout=PATIENCE)
    assert sockets
    assert all(url.startswith(box.secure.replace("https", "wss")) for url in sockets)


def test_whoever_signed_in_over_https_signs_in_without_it_too_and_stays_signed_in_there(page, box):
    sign_in(page, box, box.secure)
    sign_in(page, box, box.url)
    page.goto(f"{box.secure}/stations/")
    assert page.url == f"{box.secure}/stations/"


def test_the_plain_sign_in_page_leads_to_the_page_of_trust_and_to_https_on_a_phone(page, box):
    page.goto(f"{box.url}/login/")
    page.get_by_role("link", name="how to trust it").click()
    page.get_by_role("heading", name="HTTPS of this box").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the box's certificate").click()
    assert download.value.suggested_filename == "edge-box.crt"
    page.get_by_role("link", name="Go on with HTTPS").click()
    page.wait_for_url(f"{box.secure}/login/")
    assert page.get_by_text("how to trust").count() == 0
