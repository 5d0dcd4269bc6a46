"""The page of what is plugged in, through Chromium at the width of a phone: adopted in two clicks."""

import shutil

import pytest

from tests.browser.conftest import ARGUMENTS, PATIENCE

pytestmark = pytest.mark.needs("umockdev-wrapper", "chromium")

TNC4 = {"vendor": "1d50", "product": "6018", "serial": "T4", "maker": "Mobilinkd", "model": "Mobilinkd TNC4"}
TWIN = {"vendor": "1a86", "product": "7523", "maker": "QinHeng", "model": "USB Serial"}


@pytest.fixture
def page():
    """A page of a browser as wide as a phone; what it complains of is the test's failure."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 360, "height": 740})
        context.set_default_timeout(2 * PATIENCE)
        context.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        yield context.new_page()
        browser.close()
    assert complaints == []


def test_a_tnc_is_adopted_in_two_clicks_on_a_phone(page, box, sockets):
    from playwright.sync_api import expect

    sockets.plug("ttyACM0", socket=1, **TNC4)
    sockets.plug("ttyUSB0", socket=2, **TWIN)
    sockets.plug("ttyUSB1", socket=3, **TWIN)
    page.goto(box.url + box.login_path())
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{box.url}/")
    page.get_by_role("link", name="is nobody's").click()

    port = page.locator('[data-port="/dev/ttyACM0"]')
    expect(port).to_contain_text("May be Mobilinkd TNC3, TNC4: product name 'Mobilinkd TNC4'")
    expect(page.locator('[data-port="/dev/ttyUSB0"] .twins')).to_contain_text("It has a twin, /dev/ttyUSB1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    port.locator("[data-adopt=aprs]").click()  # one
    page.get_by_role("button", name="Save", exact=True).click()  # two
    expect(page.locator(".messagelist .success")).to_contain_text("was added successfully")
    device = box.turns("mobilinkd", "up")
    assert device["link"] == "usb://1d50:6018/T4"
    refused = box.edge("send", "mobilinkd", "--status", "not allowed")
    assert (refused.returncode, "transmitting is off" in refused.stderr) == (4, True)

    page.goto(f"{box.url}/admin/devices/device/plugged/")
    expect(page.locator('[data-port="/dev/ttyACM0"]')).to_contain_text("This is mobilinkd.")
    page.locator('[data-port="/dev/ttyUSB0"] [data-listen]').click()
    expect(page.locator("[data-heard]")).to_contain_text("nothing was said in 16 s", timeout=60_000)
    assert sockets.read("ttyUSB0") == b""
