import logging
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_site.access.links import issue_login_link, look_at_link, use_link
from django_site.access.logs import HideLoginLinks
from django_site.access.models import LoginLink
from edge.errors import ConfigError

pytestmark = pytest.mark.django_db(databases=["default", "history"])


def token_of(path: str) -> str:
    return path.strip("/").rpartition("/")[2]


def test_the_first_link_makes_a_superuser_without_a_password():
    path = issue_login_link()
    user = User.objects.get(username="operator")
    assert user.is_superuser
    assert user.is_staff
    assert not user.has_usable_password()
    assert re.fullmatch(r"/login/[\w-]{40,}/", path)


def test_only_a_hash_of_the_token_is_stored():
    token = token_of(issue_login_link())
    assert token not in str(LoginLink.objects.values())


def test_looking_at_a_link_signs_nobody_in_and_uses_nothing_up():
    path = issue_login_link()
    client = Client()
    for _ in range(3):  # a preview, another preview, the person
        answer = client.get(path)
        assert answer.status_code == 200
        assert "no-store" in answer.headers["Cache-Control"]
    assert "_auth_user_id" not in client.session
    assert b"Sign in as operator" in answer.content


def test_pressing_the_button_signs_in_once():
    path = issue_login_link()
    client = Client()
    assert client.post(path).headers["Location"] == "/"
    assert client.session["_auth_user_id"]
    answer = Client().post(path)
    assert answer.status_code == 410
    assert b"edge login" in answer.content


def test_the_button_needs_the_token_of_its_own_page():
    client = Client(enforce_csrf_checks=True)
    assert client.post(issue_login_link()).status_code == 403


def test_an_expired_link_says_what_to_do():
    path = issue_login_link(minutes=15)
    LoginLink.objects.update(expires=timezone.now() - timedelta(seconds=1))
    for answer in (Client().get(path), Client().post(path)):
        assert answer.status_code == 410
        assert b"edge login" in answer.content


def test_a_new_link_takes_the_place_of_the_old_one():
    old, new = token_of(issue_login_link()), token_of(issue_login_link())
    assert look_at_link(old) is None
    assert look_at_link(new)
    assert LoginLink.objects.count() == 1


def test_a_made_up_link_is_no_link():
    issue_login_link()
    assert use_link("x" * 43) is None


def test_a_deactivated_user_gets_no_link_and_cannot_use_one():
    token = token_of(issue_login_link())
    User.objects.update(is_active=False)
    assert use_link(token) is None
    with pytest.raises(ConfigError, match="deactivated"):
        issue_login_link()


def test_after_a_link_the_live_page_offers_a_password_until_there_is_one():
    client = Client()
    client.post(issue_login_link())
    assert b"/password/" in client.get("/").content
    words = {"new_password1": "quiet river stone", "new_password2": "quiet river stone"}
    assert client.post("/password/", words).headers["Location"] == "/"
    page = client.get("/")  # still signed in
    assert page.status_code == 200
    assert b"You have no password yet" not in page.content
    assert Client().login(username="operator", password="quiet river stone")


def test_whoever_has_a_password_changes_it_where_the_old_one_is_asked_for(browser):
    assert browser.get("/password/").headers["Location"] == "/admin/password_change/"
    words = {"new_password1": "quiet river stone", "new_password2": "quiet river stone"}
    assert browser.post("/password/", words).headers["Location"] == "/admin/password_change/"
    assert not Client().login(username="operator", password="quiet river stone")


def test_the_sign_in_page_says_what_to_do_without_a_password():
    assert b"edge login" in Client().get("/login/").content


def test_the_admin_signs_in_on_the_same_page():
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0] == "/login/?next=%2Fadmin%2F"


@pytest.mark.parametrize("address", ["/", "/stations/", "/chat/", "/password/"])
def test_strangers_are_sent_to_sign_in(address):
    assert Client().get(address).headers["Location"] == f"/login/?next={address}"


def test_no_log_shows_a_token():
    token = token_of(issue_login_link())
    record = logging.LogRecord("django.request", 30, "", 0, "Forbidden: %s", (f"/login/{token}/",), None)
    assert HideLoginLinks().filter(record)
    assert token not in record.getMessage()
    assert record.getMessage() == "Forbidden: /login/***/"


def test_what_django_itself_logs_of_a_bad_link_has_no_token(caplog):
    token = token_of(issue_login_link())
    caplog.handler.addFilter(HideLoginLinks())
    Client(enforce_csrf_checks=True).post(f"/login/{token}/")
    assert caplog.messages
    assert token not in "".join(caplog.messages)
