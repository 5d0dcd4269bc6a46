import logging

import pytest

from edge.security import AllowedHostsOriginValidator, OriginValidator, WebsocketDenier
from edge.testing import HttpCommunicator, WebsocketCommunicator


async def accepting(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


async def is_let_in(app, *headers):
    communicator = WebsocketCommunicator(app, "/live/", headers=headers)
    accepted, _ = await communicator.connect()
    await communicator.disconnect()
    return accepted


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("http://edge.example", b"http://edge.example"),
        ("http://edge.example", b"http://edge.example:80"),
        ("https://edge.example:443", b"https://edge.example"),
        ("https://Edge.Example", b"https://edge.example"),
        ("http://edge.example:8000", b"http://edge.example:8000"),
        ("http://.example", b"http://deep.edge.example"),
        ("edge.example", b"https://edge.example:8443"),
        ("edge.example:8000", b"http://edge.example:8000"),
        (".example", b"http://edge.example"),
        ("[::1]", b"http://[::1]:8000"),
        ("::1", b"http://[::1]:8000"),
        ("*", b"http://anything.example"),
        ("*", b"null"),
    ],
)
async def test_an_allowed_origin_is_let_in(allowed, origin):
    assert await is_let_in(OriginValidator(accepting, [allowed]), (b"origin", origin))


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("http://edge.example", b"https://edge.example"),
        ("http://edge.example", b"http://edge.example:8000"),
        ("http://edge.example", b"http://edge.example.evil.example"),
        ("edge.example", b"http://notedge.example"),
        ("edge.example:8000", b"http://edge.example:9000"),
        (".example", b"http://badexample"),
        ("edge.example", b"http://edge.example@evil.example"),
        ("edge.example", b"null"),
        ("edge.example", b"edge.example"),
        ("edge.example", b""),
    ],
)
async def test_another_origin_is_refused(allowed, origin):
    assert not await is_let_in(OriginValidator(accepting, [allowed]), (b"origin", origin))


@pytest.mark.parametrize(
    "origin",
    [b"http://[::1", b"http://edge.example:port", b"http://edge.example:99999", "http://\u2100.example".encode()],
)
@pytest.mark.parametrize("allowed", ["edge.example", "http://edge.example"])
async def test_a_malformed_origin_is_a_refusal_and_no_error(allowed, origin):
    assert not await is_let_in(OriginValidator(accepting, [allowed]), (b"origin", origin))


async def test_a_malformed_origin_is_refused_even_where_all_are_allowed():
    assert not await is_let_in(OriginValidator(accepting, ["*"]), (b"origin", b"http://[::1"))


async def test_two_origins_are_refused():
    headers = [(b"origin", b"http://edge.example"), (b"origin", b"http://evil.example")]
    assert not await is_let_in(OriginValidator(accepting, ["edge.example"]), *headers)


async def test_a_malformed_pattern_allows_nothing_and_raises_nothing():
    app = OriginValidator(accepting, ["http://[::1", "edge.example"])
    assert not await is_let_in(app, (b"origin", b"http://[::1]"))
    assert await is_let_in(app, (b"origin", b"http://edge.example"))


async def test_a_client_without_origin_is_refused_unless_that_was_chosen():
    assert not await is_let_in(OriginValidator(accepting, ["edge.example"]))
    assert await is_let_in(OriginValidator(accepting, ["*"]))
    assert await is_let_in(OriginValidator(accepting, ["edge.example"], allow_missing=True))
    assert not await is_let_in(AllowedHostsOriginValidator(accepting))
    assert await is_let_in(AllowedHostsOriginValidator(accepting, allow_missing=True))


async def test_to_allow_a_missing_origin_allows_no_other():
    app = OriginValidator(accepting, ["edge.example"], allow_missing=True)
    assert not await is_let_in(app, (b"origin", b"http://evil.example"))
    assert not await is_let_in(app, (b"origin", b"http://[::1"))


async def test_only_websockets_have_an_origin_to_look_at():
    communicator = HttpCommunicator(OriginValidator(accepting, ["*"]), "GET", "/")
    with pytest.raises(ValueError, match="http"):
        await communicator.get_response()


async def test_a_refusal_is_a_close_before_the_accept_and_is_logged(caplog):
    caplog.set_level(logging.INFO, "edge.security")
    app = OriginValidator(accepting, ["edge.example"])
    communicator = WebsocketCommunicator(app, "/live/", headers=[(b"origin", b"http://evil.example\nforged")])
    assert await communicator.connect() == (False, 1000)
    await communicator.disconnect()
    (record,) = caplog.records
    assert "'http://evil.example\\nforged'" in record.getMessage()
    assert "/live/" in record.getMessage()


async def test_the_denier_denies():
    assert not await is_let_in(WebsocketDenier.as_asgi())


async def test_allowed_hosts_are_read_at_each_connection(settings):
    app = AllowedHostsOriginValidator(accepting)
    settings.ALLOWED_HOSTS = ["edge.example"]
    assert await is_let_in(app, (b"origin", b"https://edge.example:8443"))
    settings.ALLOWED_HOSTS = ["other.example"]
    assert not await is_let_in(app, (b"origin", b"https://edge.example:8443"))
    assert await is_let_in(app, (b"origin", b"http://other.example"))


async def test_in_debug_this_machine_is_allowed_where_no_hosts_are(settings):
    settings.ALLOWED_HOSTS = []
    app = AllowedHostsOriginValidator(accepting)
    assert not await is_let_in(app, (b"origin", b"http://localhost:8000"))
    settings.DEBUG = True
    for host in (b"localhost", b"127.0.0.1", b"[::1]"):
        assert await is_let_in(app, (b"origin", b"http://%s:8000" % host))
    assert not await is_let_in(app, (b"origin", b"http://evil.example"))


async def test_a_page_may_talk_to_the_host_and_port_that_it_came_from(settings):
    settings.ALLOWED_HOSTS = ["edge.example:80"]  # a pattern with a port matches no other origin by itself
    app = AllowedHostsOriginValidator(accepting)
    assert not await is_let_in(app, (b"origin", b"http://edge.example:8000"))
    settings.ALLOWED_HOSTS = ["edge.example"]
    assert await is_let_in(app, (b"origin", b"http://edge.example.:8000"), (b"host", b"edge.example.:8000"))
    assert await is_let_in(app, (b"origin", b"https://edge.example."), (b"host", b"edge.example.:443"))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://evil.example", b"edge.example"),
        (b"http://evil.example", b"evil.example"),  # a name of the attacker's that leads here (DNS rebinding)
        (b"http://edge.example.:8000", b"edge.example.:9000"),
        (b"http://evil.example", b"edge.example@evil.example"),
        (b"http://edge.example.", b"[::1"),
        (b"null", b"edge.example"),
        (b"http://[::1", b"edge.example"),
    ],
)
async def test_the_host_header_opens_no_other_door(settings, origin, host):
    settings.ALLOWED_HOSTS = ["edge.example"]
    assert not await is_let_in(AllowedHostsOriginValidator(accepting), (b"origin", origin), (b"host", host))
