"""An open live page while the devices' process, which is another one, goes and comes back."""

import signal

import pytest

from tests.browser.conftest import PATIENCE
from tests.contract.layers import PrivateMosquitto
from tests.scenarios.running import make_rows
from tests.scenarios.test_roles import Role

pytestmark = pytest.mark.needs("chromium", "mosquitto")


@pytest.fixture
def settings(tmp_path):
    mosquitto = PrivateMosquitto(tmp_path)
    mosquitto.start()
    yield {"EDGE_LAYER": mosquitto.url}
    mosquitto.kill()


def test_an_open_page_says_that_the_devices_are_gone_and_goes_on_when_they_are_back(chromium, bench, folder, settings):
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    tnc, data = bench.plug(folder / "apart"), folder / "apart-data"
    data.mkdir()
    make_rows(data, {"name": "vhf", "kind": "aprs", "link": f"serial://{folder}/apart"})
    context = chromium.new_context()
    page = context.new_page()
    with Role(data, "web", "--port", "0", **settings) as web:
        with Role(data, "devices", **settings) as devices:
            devices.turns("vhf", "up")
            page.goto(web.url + web.login_path())
            page.get_by_role("main").get_by_role("button").click()
            expect(page.locator("#connection[data-state=open]")).to_have_text("Connected")
            state = page.locator('#devices [data-device="vhf"] [data-state]')
            expect(state).to_have_text("up")
            expect(page.locator("#problems p")).to_have_count(0)
            devices.process.send_signal(signal.SIGKILL)
            expect(page.locator("#problems p")).to_contain_text("The devices' process is not running")
            expect(state).to_have_text("unknown")
        with Role(data, "devices", **settings):
            expect(state).to_have_text("up")
            expect(page.locator("#problems p")).to_have_count(0)
            bench.hear(tnc, ">back on the air")
            expect(page.locator("#packets tr").filter(has_text="back on the air")).to_have_count(1)
        context.close()
