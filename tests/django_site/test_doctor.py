"""The doctor looks at real files, ports and certificates; the one that it is asked about is always somebody's."""

import json
import os
import socket
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from django_site.doctor import Finding, Level, examine, machine
from tests.scenarios.running import Box, edge, make_rows


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


def asked(data, **more):
    """Ask it, and return its exit code, and the findings that are not well, by what they are about."""
    done = edge("doctor", "--json", data=data, **more)
    found = json.loads(done.stdout)
    return done.returncode, {
        one["about"]: (one["level"], one["text"], one["do"]) for one in found if one["level"] != "ok"
    }


def test_a_folder_that_no_box_ever_used_is_left_untouched(data):
    code, found = asked(data)
    assert code == 0
    assert found.keys() <= {"box", "clock", "disk", "service"}
    assert "no box runs" in found["box"][1]
    assert not (data / "edge.sqlite3").exists()


def test_the_broker_of_a_shared_channel_layer_is_looked_for(data):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    edge("migrate", data=data)
    code, found = asked(data, EDGE_LAYER=f"mqtt://127.0.0.1:{port}")
    assert code == 1
    assert f"127.0.0.1:{port} is not reached" in found["broker of the channel layer"][1]


def test_it_says_of_each_thing_what_is_wrong_and_what_to_do(data, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    old = tmp_path / "old.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "3", "-subj", "/CN=broker", "-keyout", os.devnull, "-out", old),
        ],
        check=True,
        capture_output=True,
    )
    make_rows(
        data,
        {"name": "vhf", "kind": "aprs", "link": "serial:///dev/ttyNobody"},
        {"name": "uhf", "kind": "aprs", "link": f"serial://{tmp_path}/old.pem"},
        {"name": "hf", "kind": "aprs", "link": "usb://ffff:fffe/NOBODY"},
        {"name": "broker", "kind": "mqtt", "link": f"mqtt://127.0.0.1:{port}", "options": {"ca_file": str(old)}},
    )
    with closing(sqlite3.connect(data / "edge.sqlite3")) as database, database:
        database.execute(
            "INSERT INTO outbox_entry (device, key, event, state, reason, put_at, expires_at)"
            " VALUES ('gone', '', '{}', 'waiting', '', ?, 9e9)",
            (time.time() - 7200,),
        )
    code, found = asked(data)
    assert code == 1
    assert found["port of vhf"][0] == "error"
    assert found["port of vhf"][1] == "/dev/ttyNobody is not there"
    assert "/dev/serial/by-id" in found["port of vhf"][2]
    assert "is no serial port" in found["port of uhf"][1]
    assert found["port of hf"][1:] == (
        "usb://ffff:fffe/NOBODY is not there (unplugged?)",
        "plug it in; edge devices shows what is there",
    )
    assert "is not reached: [Errno 111] Connection refused" in found["broker of broker"][1]
    assert found["certificate of broker"][0] == "warning"
    assert "ends on" in found["certificate of broker"][1]
    assert found["outbox"][0] == "warning"
    assert all(do for _, _, do in found.values())


def test_a_damaged_database_is_found(data):
    edge("migrate", data=data)
    path = data / "history.sqlite3"
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 4] = b"\xff" * 8192
    path.write_bytes(content)
    code, found = asked(data)
    assert code == 1
    assert "history.sqlite3 is damaged" in found["database"][1]


def test_a_folder_that_others_may_look_into_is_said_so(data):
    data.chmod(0o755)
    assert asked(data)[1]["folder"] == (
        "warning",
        f"others may look into {data}, which holds passwords of brokers",
        f"chmod 700 {data}",
    )


def test_a_running_box_is_asked_and_goes_on(data):
    make_rows(data, {"name": "vhf", "kind": "aprs", "link": "tcp://127.0.0.1:1"})
    with Box(data) as box:
        code, found = asked(data)
        assert code == 1
        assert found["device vhf"][0] == "error"
        assert "waiting" in found["device vhf"][1]
        assert "box" not in found
        assert box.status()["devices"]["vhf"]["sent"] == 0


def test_a_check_that_fails_itself_is_a_finding_and_keeps_no_other_from_being_made(tmp_path):
    def broken(_):
        raise RuntimeError("no such luck")

    found = examine(tmp_path, {"one": broken, "two": lambda _: iter([Finding(about="two", text="well")])})
    assert [(one.about, one.level) for one in found] == [("one", Level.WARNING), ("two", Level.OK)]
    assert "RuntimeError: no such luck" in found[0].text


def test_what_the_disk_says_of_itself_is_passed_on(tmp_path):
    for name, text in (("fs/ext4/sda2/errors_count", "3\n"), ("block/mmcblk0/device/life_time", "0x09 0x0a\n")):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    found = list(machine._health(tmp_path))
    assert [one.level for one in found] == [Level.ERROR, Level.WARNING]
    assert "sda2 has had 3 errors" in found[0].text
    assert "mmcblk0 has 100 % of its life" in found[1].text


def test_for_a_person_the_worst_stands_last(data):
    data.chmod(0o755)
    lines = edge("doctor", data=data).stdout.splitlines()
    assert lines[0].startswith("ok ")
    assert lines[-1].endswith("things to look after.")
    assert any("→ chmod 700" in line for line in lines)
