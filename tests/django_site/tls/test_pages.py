"""What HTTPS means for the pages: the way to it, the redirect, the page of trust."""

import subprocess

import pytest
from django.test import Client

from django_site import tls
from django_site.tls import openssl
from django_site.tls.keeper import Keeper
from django_site.tls.middleware import HSTS
from django_site.tls.pairs import OwnFiles
from tests.certificates import make_pair

pytestmark = pytest.mark.django_db(databases=["default", "history"])


@pytest.fixture
async def keeper(tmp_path, settings):
    """The keeper of a port that works, as the site's process has one."""
    settings.DATA = tmp_path
    found = Keeper(tmp_path, OwnFiles())
    found.url = "https://127.0.0.1:8443"
    await found.look()
    assert found.serves == "box"
    tls.use(found)
    yield found
    tls.use(None)


@pytest.fixture
def only(settings, keeper):
    settings.HTTPS_ONLY = True
    return keeper


def ask(path, host="shack.example", secure=False, address="192.0.2.9", method="get"):
    headers = {"host": host}
    return getattr(Client(headers=headers), method)(path, secure=secure, REMOTE_ADDR=address)


@pytest.fixture(autouse=True)
def names(settings):
    settings.ALLOWED_HOSTS = ["shack.example", "localhost", "127.0.0.1", "[::1]"]


def test_the_sign_in_page_says_that_there_is_https_and_how_to_trust_it(keeper):
    page = ask("/login/?next=/chat/").content.decode()
    assert '<a href="https://shack.example:8443/login/?next=/chat/">HTTPS</a>' in page
    assert 'href="/tls/"' in page


def test_whoever_came_by_https_is_told_nothing_of_it(keeper):
    assert b"how to trust" not in ask("/login/", secure=True).content


def test_where_there_is_no_https_port_nothing_leads_to_it():
    assert b"how to trust" not in ask("/login/").content
    assert ask("/tls/").status_code == 200


def test_the_authority_can_be_downloaded_by_everybody_and_its_fingerprint_compared(keeper, tmp_path):
    answer = ask("/tls/box.crt")
    assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert b"PRIVATE KEY" not in answer.content
    certificate = tmp_path / "given.crt"
    certificate.write_bytes(answer.content)
    verify = ["openssl", "verify", "-CAfile", certificate, tmp_path / "tls/server.pem"]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0
    assert openssl.describe(answer.content).fingerprint in ask("/tls/").content.decode()
    assert ask("/tls/box.crt", method="post").status_code == 405


def test_a_box_without_an_authority_has_none_to_give(settings, tmp_path):
    settings.DATA = tmp_path
    assert ask("/tls/box.crt").status_code == 404


def test_by_default_nobody_is_redirected(keeper):
    assert ask("/login/").status_code == 200


def test_with_https_only_a_browser_is_led_to_the_same_page_for_now(only):
    answer = ask("/login/?next=/chat/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://shack.example:8443/login/?next=/chat/")
    answer = ask("/login/", host="[::1]:80")
    assert answer.headers["Location"] == "https://[::1]:8443/login/"


@pytest.mark.parametrize("path", ["/tls/", "/tls/box.crt"])
def test_how_to_trust_the_box_stays_reachable_before_it_is_trusted(only, path):
    assert ask(path).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]"])
def test_what_stays_in_the_machine_is_answered_as_checks_of_health_need_it(only, host):
    assert ask("/login/", host=host, address="127.0.0.1").status_code == 200
    assert ask("/login/", host=host).status_code == 302
    assert ask("/login/", address="127.0.0.1").status_code == 302


def test_a_host_that_is_not_ours_is_refused_and_not_led_anywhere(only):
    assert ask("/login/", host="evil.example").status_code == 400


def test_where_https_does_not_work_the_plain_page_is_there(only):
    only.serves = None
    assert ask("/login/").status_code == 200


async def test_browsers_are_told_to_insist_on_it_only_with_a_certificate_of_ones_own(only, tmp_path, async_client):
    first = await async_client.get("/login/", secure=True, headers={"host": "shack.example"})
    assert "Strict-Transport-Security" not in first.headers
    only.own = OwnFiles(*make_pair(tmp_path))
    await only.look()
    assert only.serves == "own"
    second = await async_client.get("/login/", secure=True, headers={"host": "shack.example"})
    assert second.headers["Strict-Transport-Security"] == HSTS
