"""The keeper under open doors: real handshakes, while files come, go and are replaced."""

import argparse
import asyncio
import contextlib
import http.client
import itertools
import socket
import ssl
import subprocess

import pytest

from django_site import tls
from django_site.doors import Doors
from django_site.problem_page import show_problem
from django_site.tls.names import wanted
from edge.errors import ConfigError
from tests.certificates import expire, make_pair, served

SOON = 15.0


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


def get(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SOON)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("EDGE_DATA", str(folder))
    for name in ("EDGE_TLS_CERT", "EDGE_TLS_KEY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A person's own pair, named by the settings."""
    pair = make_pair(tmp_path)
    monkeypatch.setenv("EDGE_TLS_CERT", str(pair[0]))
    monkeypatch.setenv("EDGE_TLS_KEY", str(pair[1]))
    return pair


@contextlib.asynccontextmanager
async def open_doors(**handed):
    options = argparse.Namespace(host="127.0.0.1", port=0, https_port=None if handed else 0)
    doors = Doors(hello, options, handed)
    try:
        await doors.start()
        yield doors
    finally:
        await doors.stop(0.5)


async def shake(name, trusted, **more):
    return await asyncio.to_thread(served, tls.current().port, name, trusted, **more)


def names_of(certificate):
    return {value for kind, value in certificate["subjectAltName"] if kind == "DNS"}


async def test_the_box_is_trusted_by_its_own_authority_for_each_name(data):
    async with open_doors() as doors:
        assert doors.url.startswith("http://")
        assert await asyncio.to_thread(get, doors.url) == b"http"
        for name in ("localhost", "127.0.0.1", *[name for name in wanted().hosts if name != "localhost"]):
            await shake(name, data / "tls/ca.crt")
        with pytest.raises(ssl.SSLCertVerificationError):
            await shake("bank.example", data / "tls/ca.crt")
        assert tls.problems() == []
    assert tls.current() is None


@pytest.mark.parametrize(
    ("version", "said"), [("-tls1_1", "no peer certificate available"), ("-tls1_2", "Verified peername: localhost")]
)
async def test_openssl_verifies_it_from_tls_1_2_on(data, version, said):
    async with open_doors():
        to = ["s_client", "-connect", f"127.0.0.1:{tls.current().port}", "-servername", "localhost"]
        trusting = ["-CAfile", str(data / "tls/ca.crt"), "-verify_hostname", "localhost"]
        command = ["openssl", *to, *trusting, version, "-cipher", "DEFAULT@SECLEVEL=0"]
        done = await asyncio.to_thread(subprocess.run, command, input=b"", capture_output=True, timeout=SOON)
        assert said in (done.stdout + done.stderr).decode()


async def test_an_own_certificate_is_served_and_its_renewal_is_taken_without_a_restart(own, tmp_path):
    async with open_doors():
        assert tls.current().serves == "own"
        first = await shake("edge.example", own[0])
        renewed = tmp_path / "renewed"
        renewed.mkdir()
        certificate, key = make_pair(renewed)
        key.replace(own[1])
        await tls.current().look()  # half of it is there
        assert "do not belong together" in tls.problems()[0]
        assert "Meanwhile the one before is served" in tls.problems()[0]
        assert await shake("edge.example", own[0]) == first
        certificate.replace(own[0])
        await tls.current().look()
        assert tls.problems() == []
        assert await shake("edge.example", own[0]) != first


async def test_a_wrong_pair_leaves_the_plain_page_and_the_boxs_own_certificate(own, tmp_path, data, monkeypatch):
    other = make_pair(tmp_path, "other.example")
    monkeypatch.setenv("EDGE_TLS_KEY", str(other[1]))
    async with open_doors() as doors:
        assert await asyncio.to_thread(get, doors.url) == b"http"
        assert tls.current().serves == "box"
        await shake("localhost", data / "tls/ca.crt")
        assert "Meanwhile the box's own is served" in tls.problems()[0]
        other[1].write_bytes(own[1].read_bytes())
        await tls.current().look()
        assert tls.problems() == []
        await shake("edge.example", own[0])


@pytest.mark.parametrize(("begins", "ends", "word"), [(-1, 3, "ends"), (-9, -2, "ended")])
async def test_an_own_certificate_that_ends_is_said_and_served(own, tmp_path, begins, ends, word):
    expire(own, tmp_path, begins, ends)
    async with open_doors():
        (problem,) = tls.problems()
        assert f"your certificate {own[0]} {word} on" in problem
        if ends > 0:
            await shake("edge.example", own[0])
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            await shake("edge.example", None)  # it is served, though nobody may trust it


async def test_without_openssl_the_plain_page_is_there_and_https_refuses_at_once(monkeypatch, data):
    monkeypatch.setenv("PATH", "/nowhere")
    async with open_doors() as doors:
        assert await asyncio.to_thread(get, doors.url) == b"http"
        assert "sudo apt install openssl" in tls.problems()[0]
        assert "there is no HTTPS" in tls.problems()[0]
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(served, tls.current().port, "localhost", None)
        monkeypatch.undo()
        monkeypatch.setenv("EDGE_DATA", str(data))
        await tls.current().look()
        assert tls.problems() == []
        await shake("localhost", data / "tls/ca.crt")


async def test_a_folder_that_cannot_be_written_is_a_problem_and_no_more(data):
    (data / "tls").touch()
    async with open_doors() as doors:
        assert await asyncio.to_thread(get, doors.url) == b"http"
        assert "no certificate of the box can be had" in tls.problems()[0]


async def test_a_key_that_is_damaged_on_the_disk_is_made_anew(data):
    async with open_doors():
        path = data / "tls/server.pem"
        text = path.read_text()
        path.write_text(text.replace(text.splitlines()[1], text.splitlines()[1][::-1]))
        await tls.current().look()
        assert "made anew within a minute" in tls.problems()[0]
        await shake("localhost", data / "tls/ca.crt")  # with the one before
        await tls.current().look()
        assert tls.problems() == []
        await shake("localhost", data / "tls/ca.crt")


@pytest.mark.parametrize("order", list(itertools.permutations(["http", "https"])))
async def test_sockets_are_told_apart_by_their_names(order, data):
    with contextlib.ExitStack() as opened:
        handed = {name: [opened.enter_context(socket.create_server(("127.0.0.1", 0)))] for name in order}
        plain, secure = (handed[name][0].getsockname()[1] for name in ("http", "https"))
        async with open_doors(**handed) as doors:
            assert doors.url == f"http://127.0.0.1:{plain}"
            assert tls.current().port == secure
            assert await asyncio.to_thread(get, doors.url) == b"http"
            await shake("localhost", data / "tls/ca.crt")


async def test_a_socket_of_https_alone_will_do(data):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with open_doors(https=[sock]) as doors:
            assert doors.url == f"https://127.0.0.1:{sock.getsockname()[1]}"
            await shake("localhost", data / "tls/ca.crt")


async def test_a_socket_of_another_name_is_a_mistake():
    words = "expected sockets of the names http and https; got gopher"
    with socket.create_server(("127.0.0.1", 0)) as sock, pytest.raises(ConfigError, match=words):
        Doors(hello, argparse.Namespace(), {"gopher": [sock]})


async def test_where_one_port_cannot_be_had_the_other_is_let_go():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        doors = Doors(hello, argparse.Namespace(host="127.0.0.1", port=0, https_port=sock.getsockname()[1]), {})
        with pytest.raises(ConfigError, match="is in use"):
            await doors.start()
        assert doors.ended()
        await doors.stop(0.5)


async def test_the_page_of_what_keeps_the_box_from_starting_is_there_with_tls_too(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGE_DATA", str(tmp_path / "file" / "data"))  # which cannot be made
    with contextlib.ExitStack() as opened:
        handed = {name: [opened.enter_context(socket.create_server(("127.0.0.1", 0)))] for name in ("http", "https")}
        url = f"http://127.0.0.1:{handed['http'][0].getsockname()[1]}"
        options = argparse.Namespace(handed=handed)
        shown = asyncio.create_task(show_problem(ConfigError("what is wrong"), options, seconds=SOON))
        try:
            assert b"what is wrong" in await asyncio.to_thread(get, url)
        finally:
            shown.cancel()
            await asyncio.wait([shown])


async def test_without_an_https_port_nothing_of_it_is_made(data):
    doors = Doors(hello, argparse.Namespace(host="127.0.0.1", port=0), {})
    await doors.start()
    await doors.stop(0.5)
    assert not (data / "tls").exists()
