"""What pages make of what another process says of itself, be it of another version, or silent."""

import asyncio
import json

import pytest
from django.conf import settings

from django_site import control, far_box
from edge import __version__, outbox
from edge.outbox import OutboxRefused
from edge.registry import import_string

DEVICE = {"name": "vhf", "kind": "aprs", "state": "up", "text": "up", "since": 5.0, "routes": [{"consumer": "a.B"}]}


@pytest.fixture
def asked_anew():
    far_box.forget()
    yield
    far_box.forget()


@pytest.fixture
async def answered(asked_anew, tmp_path, monkeypatch):
    """Answer on the control socket with what a test says."""
    monkeypatch.setattr(settings, "DATA", tmp_path)
    answers = {}

    async def app(scope, _receive, send):
        status, content = answers.get(scope["path"], (404, {"error": "no such address"}))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    server = import_string("transports.web:WebServer")(app, uds=str(control.socket_path(tmp_path)))
    await server.start()
    yield answers
    await server.stop(timeout=1.0)


async def look():
    return await asyncio.to_thread(far_box.look)


async def test_what_an_older_process_does_not_say_is_nothing_and_what_a_newer_one_adds_is_passed_over(answered):
    device = {**DEVICE, "mood": "sunny", "state": "dancing"}
    answered["/status"] = 200, {"box": {"version": "0.0", "problems": ["no clock"]}, "devices": [device]}
    found = await look()
    vhf = found.devices["vhf"]
    assert (vhf.state.value, vhf.heard, vhf.last_heard, vhf.routes[0].text) == ("waiting", 0, None, "")
    assert found.problems[0] == "no clock"
    assert f"is of version 0.0 and the pages are of {__version__}" in found.problems[1]
    assert found.absent == ""


async def test_of_its_own_version_it_has_no_complaint(answered):
    answered["/status"] = 200, {"box": {"version": __version__, "problems": []}, "devices": [DEVICE]}
    found = await look()
    assert (found.problems, found.devices["vhf"].state.value) == ([], "up")


async def test_one_that_says_nonsense_does_not_answer(answered):
    answered["/status"] = 500, {}
    assert "does not answer (500)" in (await look()).absent


def test_one_that_is_not_there_is_told_with_what_to_do(asked_anew, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "DATA", tmp_path)
    assert f"start it: edge serve --role devices --data {tmp_path}" in far_box.look().absent
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    far_box.forget()
    assert "sudo systemctl start edge-devices starts it" in far_box.look().absent


async def test_what_cannot_be_kept_there_is_refused_with_its_reason(answered, monkeypatch):
    monkeypatch.setattr(outbox, "_elsewhere", far_box.keep)
    answered["/keep"] = 409, {"error": "the disk is full"}
    with pytest.raises(OutboxRefused, match="the disk is full"):
        await outbox.put("vhf", {"type": "aprs.send"})
    answered["/keep"] = 200, {"number": 7}
    assert await outbox.put("vhf", {"type": "aprs.send", "info": b"\x00"}) == 7
