import json
import os
from pathlib import Path

import pytest

from django_site import control
from edge.mailbox import Mailbox


class Answer:
    """Collects what an HTTP app sends."""

    def __init__(self):
        self.status = None
        self.body = b""

    async def __call__(self, event):
        self.status = event.get("status", self.status)
        self.body += event.get("body", b"")


class Supervisor:
    async def transmit(self, device, event):
        return "" if event == {"type": "serial.send", "bytes": b"\x00\xff"} else f"{device}: refused"


class Box:
    """What the control app asks of a box, answered by hand."""

    data = Path("/nowhere")
    supervisor = Supervisor()
    reloaded = 0

    def about(self):
        return {"version": "0", "problems": []}

    def status(self):
        return ()

    def reload(self):
        self.reloaded += 1


async def ask(method, path, content=None):
    requests, answer = Mailbox(), Answer()
    body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
    requests.offer({"type": "http.request", "body": body})
    box = Box()
    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    await control.ControlServer(box)(scope, requests.receive, answer)
    return answer.status, json.loads(answer.body), box


async def test_status_says_what_the_box_is_and_what_its_devices_are():
    status, content, _ = await ask("GET", "/status")
    assert (status, content) == (200, {"box": {"version": "0", "problems": []}, "devices": []})


async def test_an_event_with_bytes_arrives_whole_and_the_refusal_comes_back():
    event = control.plain({"type": "serial.send", "bytes": b"\x00\xff"})
    assert (await ask("POST", "/send", {"device": "gps", "event": event}))[:2] == (200, {"refused": ""})
    refused = await ask("POST", "/send", {"device": "gps", "event": {"type": "serial.send", "text": "x"}})
    assert refused[:2] == (200, {"refused": "gps: refused"})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"not json", b'{"device": "gps"}', b"\xff"])
async def test_a_request_that_is_not_understood_is_answered_with_what_was_expected(body):
    status, content, _ = await ask("POST", "/send", body)
    assert status == 400
    assert "expected device and event" in content["error"]


async def test_a_body_without_bound_is_refused():
    status, content, _ = await ask("POST", "/send", b"x" * (control.MAX_BODY + 1))
    assert status == 400
    assert str(control.MAX_BODY) in content["error"]


async def test_reload_is_passed_on_and_other_addresses_are_not_found():
    assert (await ask("POST", "/reload"))[2].reloaded == 1
    assert (await ask("GET", "/reload"))[0] == 404


def test_plain_values_and_bytes_come_back_as_they_were():
    value = {"a": [1, b"\x00", {"b": b""}], "hex": "no bytes", "c": None, "d": (1, 2)}
    assert control.from_plain(json.loads(json.dumps(control.plain(value)))) == {**value, "d": [1, 2]}


def test_a_path_too_long_for_a_socket_gets_a_short_one_of_its_own():
    short, long = Path("/data"), Path("/" + "x" * 200)
    assert control.socket_path(short) == short / "control.sock"
    assert len(os.fsencode(control.socket_path(long))) <= control.LONGEST_PATH
    assert control.socket_path(long) != control.socket_path(long / "y")
