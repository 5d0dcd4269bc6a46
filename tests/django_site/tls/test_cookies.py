import pytest

from django_site.tls.cookies import guard_cookies

PAGE = {"type": "http", "path": "/", "headers": []}


class Site:
    """Sets the cookies that Django sets, and keeps what it was asked with."""

    def __init__(self):
        self.asked = []

    async def __call__(self, scope, receive, send):
        self.asked.append(dict(scope["headers"]).get(b"cookie", b""))
        cookies = [b"sessionid=abc; HttpOnly; Path=/", b"csrftoken=xyz; Path=/; Secure", b"theme=dark; Path=/"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", one) for one in cookies]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def site():
    return Site()


async def ask(site, scheme, cookies=b"", kind="http"):
    sent = []

    async def send(event):
        sent.append(event)

    scope = {**PAGE, "type": kind, "scheme": scheme, "headers": [(b"cookie", cookies)]}
    await guard_cookies(site)(scope, None, send)
    return [value for _, value in sent[0]["headers"]]


async def test_over_tls_what_signs_in_has_a_name_that_only_tls_can_set(site):
    assert await ask(site, "https") == [
        b"__Host-sessionid=abc; HttpOnly; Path=/; Secure",
        b"__Host-csrftoken=xyz; Path=/; Secure",
        b"theme=dark; Path=/",
    ]


async def test_without_tls_nothing_changes(site):
    assert (await ask(site, "http", b"sessionid=abc; a=b"))[0] == b"sessionid=abc; HttpOnly; Path=/"
    assert site.asked == [b"sessionid=abc; a=b"]


@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("websocket", "wss")])
async def test_over_tls_a_cookie_that_plain_http_set_does_not_count(site, kind, scheme):
    await ask(site, scheme, b"sessionid=planted; __Host-sessionid=own; theme=dark", kind)
    await ask(site, scheme, b"sessionid=planted", kind)
    assert site.asked == [b"sessionid=own; theme=dark", b""]


async def test_a_site_of_several_hosts_keeps_its_domain(site, settings):
    settings.SESSION_COOKIE_DOMAIN = "edge.example"
    assert (await ask(site, "https"))[0].startswith(b"__Secure-sessionid=abc")
