"""A box with HTTPS in a process of its own: signed in, live over wss, looked at by the doctor."""

import json
import re
import ssl
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.certificates import make_pair, served
from tests.scenarios.running import Box
from transports.probes import Browser

HTTPS = ("--https-port", "0")

pytestmark = pytest.mark.needs("openssl")


def trusting(file):
    return ssl.create_default_context(cafile=str(file))


@pytest.fixture
def box(tmp_path):
    with Box(tmp_path / "data", *HTTPS) as running:
        running.secure = running.says(r"With HTTPS it is at (https://\S+?)/\s")[1]
        yield running


def browse(box, context):
    """Sign in over HTTPS as the operator."""
    browser = Browser(box.secure, context)
    browser.submit(box.login_path())
    return browser


def test_a_person_signs_in_over_https_and_the_live_page_talks_over_wss(box, tmp_path):
    authority = tmp_path / "box.crt"
    authority.write_bytes(urllib.request.urlopen(f"{box.url}/tls/box.crt", timeout=15).read())
    context = trusting(authority)
    browser = browse(box, context)
    assert {cookie.name for cookie in browser.cookies} == {"__Host-sessionid", "__Host-csrftoken"}
    assert all(cookie.secure for cookie in browser.cookies)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    address = box.secure.replace("https", "wss") + "/ws/live/"
    asked = {"additional_headers": {"Cookie": cookies}, "ssl": context, "proxy": None}
    with connect(address, origin=box.secure, **asked) as socket:
        assert "type" in json.loads(socket.recv(timeout=15))
    with pytest.raises(InvalidStatus):
        connect(address, origin=box.url, **asked)  # a page that came without TLS
    planted = {**asked, "additional_headers": {"Cookie": cookies.replace("__Host-", "")}}
    with pytest.raises(InvalidStatus):
        connect(address, origin=box.secure, **planted)


def test_whoever_signed_in_over_https_may_sign_in_without_it_too(box):
    browse(box, trusting(box.data / "tls/ca.crt"))
    assert "Sign out" in box.browser().get("/")


def test_the_doctor_says_what_to_compare(box):
    told = box.edge("doctor").stdout
    assert re.search(r"ok +https: the box's own certificate, for .*localhost.*, until 20", told)
    (fingerprint,) = re.findall(r"SHA-256 ([0-9A-F:]{95})", told)
    assert fingerprint in urllib.request.urlopen(f"{box.url}/tls/", timeout=15).read().decode()


def test_a_wrong_pair_keeps_no_page_from_coming_up_and_the_status_says_it(tmp_path):
    (certificate, _), (_, key) = make_pair(tmp_path), make_pair(tmp_path, "other.example")
    with Box(tmp_path / "data", *HTTPS, EDGE_TLS_CERT=str(certificate), EDGE_TLS_KEY=str(key)) as box:
        port = int(box.says(r"With HTTPS it is at https://127.0.0.1:(\d+)/")[1])
        assert any("do not belong together" in problem for problem in box.status()["box"]["problems"])
        served(port, "localhost", box.data / "tls/ca.crt")
        with urllib.request.urlopen(f"{box.url}/login/", timeout=15) as page:
            assert page.status == 200
