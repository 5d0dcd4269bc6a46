"""The package is built, installed, upgraded, turned back and purged by the real dpkg; the box runs from it."""

import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest

from tests.package.conftest import ROOT, build, changed

pytestmark = pytest.mark.needs("dpkg-deb", "unshare")

MIGRATION = """
from django.db import migrations

def change(apps, schema_editor):
    {body}

class Migration(migrations.Migration):
    dependencies = [("devices", "{after}")]
    operations = [migrations.RunSQL("CREATE TABLE brought_by_{name} (x)"), migrations.RunPython(change)]
"""

SERVE = r"""
edge serve --port 8137 >/tmp/out 2>/tmp/log &
box=$!
for _ in $(seq 300); do
    python3 -c 'from urllib.request import urlopen; print("PAGE", urlopen("http://127.0.0.1:8137/login/").status)' \
        2>/dev/null && break
    kill -0 $box || { cat /tmp/out /tmp/log; exit 1; }
    sleep 0.2
done
"""
STATION = '{"station": {"name": "vhf", "kind": "aprs", "link": "tcp://127.0.0.1:1", "callsign": "QQ1ABC"}}'


def migration(name, after, body="pass"):
    return MIGRATION.format(name=name, after=after, body=body)


def newest_migration():
    return max((ROOT / "django_site/devices/migrations").glob("0*.py")).stem


def test_it_installs_serves_stops_and_purges(debian, package, tmp_path):
    shutil.copy(package, tmp_path / "edge.deb")
    ran = debian(
        f"""
        dpkg -i /given/edge.deb
        stat -c 'FOLDER %U %a' /var/lib/edge
        id -nG edge | sed 's/^/GROUPS /'
        ls /etc/systemd/system/*.wants | grep edge | sed 's/^/ENABLED /'
        edge check
        echo '{STATION}' | edge provision
        {SERVE}
        edge status --json >/tmp/status || true
        python3 -c 'import json; print("DEVICE", json.load(open("/tmp/status"))["devices"][0]["name"])'
        ps -o user= -p $box | sed 's/^/USER /'
        began=$(date +%s); kill $box; wait $box; echo "STOPPED $? $(( $(date +%s) - began ))"
        find /var/lib/edge ! -user edge | sed 's/^/FOREIGN /'
        echo '# mine' >>/etc/edge/edge.env
        dpkg -i /given/edge.deb
        tail -n 1 /etc/edge/edge.env | sed 's/^/KEPT /'
        dpkg -r edge
        ls -d /var/lib/edge /etc/edge/edge.env | sed 's/^/LEFT /'
        [ ! -e /usr/lib/edge ]
        dpkg -P edge
        ls -d /var/lib/edge /etc/edge /var/cache/edge /usr/lib/edge /usr/bin/edge 2>/dev/null | sed 's/^/STILL /'
        ls /etc/systemd/system/*.wants | grep edge | sed 's/^/STILL /' || true
        getent passwd edge && echo STILL user || echo END
        """,
        tmp_path,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    said = dict(line.split(" ", 1) for line in ran.stdout.splitlines() if re.match(r"[A-Z]{4,} ", line))
    assert said["FOLDER"] == "edge 700"
    assert said["GROUPS"].split() == ["edge", "dialout"]
    assert said["PAGE"] == "200"
    assert said["DEVICE"] == "vhf"
    assert said["USER"] == "edge"
    code, seconds = said["STOPPED"].split()
    assert code == "0"
    assert int(seconds) <= 10
    assert "ENABLED edge-http.socket" in ran.stdout
    assert "ENABLED edge-https.socket" in ran.stdout
    assert "ENABLED edge.service" in ran.stdout
    assert "KEPT # mine" in ran.stdout
    assert "LEFT /etc/edge/edge.env" in ran.stdout
    assert "LEFT /var/lib/edge" in ran.stdout
    assert "removing /var/lib/edge with its users" in ran.stdout
    assert not re.findall("^(?:STILL|FOREIGN) .*", ran.stdout, re.MULTILINE)
    assert ran.stdout.splitlines()[-1] == "END"


PUT = """
import sqlite3
database = sqlite3.connect("/var/lib/edge/edge.sqlite3")
database.execute("INSERT INTO outbox_entry (device, key, event, state, reason, put_at, expires_at)"
                 " VALUES ('vhf', '', '{\\"type\\": \\"aprs.send\\"}', 'waiting', '', 1, 9e9)")
database.commit()
"""


def test_an_upgrade_that_fails_leaves_the_version_before_with_all_that_waits(debian, package, tmp_path):
    first = newest_migration()
    good = changed(
        package, tmp_path, "9.1.0", {"django_site/devices/migrations/0901_good.py": migration("good", first)}
    )
    bad = changed(
        package,
        tmp_path,
        "9.2.0",
        {
            "django_site/devices/migrations/0901_good.py": migration("good", first),
            "django_site/devices/migrations/0902_half.py": migration("half", "0901_good"),
            "django_site/devices/migrations/0903_bad.py": migration(
                "bad", "0902_half", 'raise RuntimeError("the card is tired")'
            ),
        },
    )
    shutil.copy(package, tmp_path / "edge.deb")
    (tmp_path / "put.py").write_text(PUT)
    ran = debian(
        f"""
        dpkg -i /given/edge.deb
        echo '{STATION}' | edge provision
        python3 /given/put.py
        dpkg -i /given/{good.name}
        edge --version | sed 's/^/GOOD /'
        [ -f /var/lib/edge/backups/edge-before-9.1.0.sqlite3 ]
        dpkg -i /given/{bad.name} && echo "SURPRISE it did not fail" || echo "FAILED"
        dpkg-query -W -f '${{Status}}' edge | sed 's/^/STATE /'; echo
        edge --version | sed 's/^/BACK /'
        edge check
        {SERVE}
        kill $box; wait $box; echo "STOPPED $?"
        find /var/lib/edge ! -user edge | sed 's/^/FOREIGN /'
        cp /var/lib/edge/edge.sqlite3* /given/
        rm /usr/lib/edge/app/django_site/devices/migrations/0903_bad.py
        dpkg --configure edge
        edge --version | sed 's/^/MENDED /'
        """,
        tmp_path,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert "GOOD edge 9.1.0" in ran.stdout
    assert "FAILED" in ran.stdout
    assert "SURPRISE" not in ran.stdout
    assert "RuntimeError: the card is tired" in ran.stderr
    assert "going back to the version before" in ran.stderr
    assert "STATE install ok half-configured" in ran.stdout
    assert "BACK edge 9.1.0" in ran.stdout
    assert "PAGE 200" in ran.stdout
    assert "STOPPED 0" in ran.stdout
    assert "FOREIGN" not in ran.stdout
    assert "MENDED edge 9.2.0" in ran.stdout
    with closing(sqlite3.connect(tmp_path / "edge.sqlite3")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert tables & {"brought_by_good", "brought_by_half", "brought_by_bad"} == {"brought_by_good"}
        assert database.execute("SELECT device, event FROM outbox_entry").fetchall() == [
            ("vhf", json.dumps({"type": "aprs.send"}))
        ]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


SYSTEMCTL = r"""#!/bin/sh
# A systemd that notes what it is asked, for none runs in here: the box is two services.
for unit; do :; done
case "$*" in
    *is-enabled*) case "$unit" in edge-web* | edge-devices*) echo enabled ;; *) echo disabled && exit 1 ;; esac ;;
    *is-active* | *daemon* | *journald*) ;;
    *) echo "$*" | sed 's/--quiet //; s/--system //' >>/tmp/asked ;;
esac
"""


def test_of_two_services_the_devices_run_on_until_the_end_of_an_upgrade(debian, package, tmp_path):
    first = newest_migration()
    plain = changed(package, tmp_path, "9.1.0", {})
    tables = changed(
        package, tmp_path, "9.2.0", {"django_site/devices/migrations/0901_good.py": migration("good", first)}
    )
    bad = changed(
        package,
        tmp_path,
        "9.3.0",
        {
            "django_site/devices/migrations/0901_good.py": migration("good", first),
            "django_site/devices/migrations/0902_bad.py": migration("bad", "0901_good", "raise RuntimeError"),
        },
    )
    shutil.copy(package, tmp_path / "edge.deb")
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    ran = debian(
        f"""
        dpkg -i /given/edge.deb
        edge migrate
        rm -f /usr/sbin/policy-rc.d
        install -m 755 /given/systemctl /usr/sbin/systemctl
        for name in udevadm modprobe; do install -m 755 /usr/bin/true /usr/sbin/$name; done
        mkdir -p /run/systemd/system
        dpkg --unpack /given/{plain.name}
        readlink /usr/lib/edge/current | sed 's/^/UNPACKED /'
        edge --version | sed 's/^/STILL /'
        dpkg --configure edge
        readlink /usr/lib/edge/current | sed 's/^/CONFIGURED /'
        sed 's/^/PLAIN /' /tmp/asked && rm /tmp/asked
        dpkg -i /given/{tables.name}
        sed 's/^/TABLES /' /tmp/asked && rm /tmp/asked
        dpkg -i /given/{bad.name} && echo "SURPRISE it did not fail"
        sed 's/^/BAD /' /tmp/asked && rm /tmp/asked
        edge --version | sed 's/^/BACK /'
        dpkg -r edge
        sed 's/^/REMOVED /' /tmp/asked
        """,
        tmp_path,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    said = {name: re.findall(rf"^{name} (.*)$", ran.stdout, re.MULTILINE) for name in ("PLAIN", "TABLES", "BAD")}
    sockets = "edge-http.socket edge-https.socket edge-web-http.socket edge-web-https.socket"
    stop = f"stop {sockets} edge.service edge-web.service"
    doors = ["start edge-web-http.socket", "start edge-web-https.socket"]
    end = [*doors, "start edge-web.service", "restart edge-devices.service"]
    assert said["PLAIN"] == [stop, *end]
    assert said["TABLES"] == [stop, "stop edge-devices.service", *end]
    assert said["BAD"][:2] == [stop, "stop edge-devices.service"]
    assert said["BAD"][2] == f"{stop} edge-devices.service"
    again = "start edge-web-http.socket edge-web-https.socket edge-web.service edge-devices.service"
    assert said["BAD"][-1] == again
    assert "SURPRISE" not in ran.stdout
    assert "UNPACKED previous" in ran.stdout
    assert "STILL edge 9.1.0" not in ran.stdout
    assert "CONFIGURED app" in ran.stdout
    assert "BACK edge 9.2.0" in ran.stdout
    assert f"REMOVED {stop} edge-devices.service" in ran.stdout


def test_the_same_checkout_gives_the_same_bytes(package, tmp_path):
    assert build(tmp_path / "again").read_bytes() == package.read_bytes()


def test_the_package_says_what_it_needs_and_keeps_its_settings(package):
    fields = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^Depends: python3 \(>= 3\.1[13]\), python3 \(<< 3\.1[24]\)", fields, re.MULTILINE)
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert all(" root/root " in line for line in listed.splitlines())
    assert not re.search(r"__pycache__|\.pyc$|\.venv|direct_url", listed)
    for name in (
        "usr/bin/edge",
        "usr/lib/systemd/system/edge.service",
        "usr/lib/systemd/system-preset/50-edge.preset",
        "usr/lib/udev/rules.d/70-edge-serial.rules",
        "usr/lib/modules-load.d/edge.conf",
        "usr/share/doc/edge/copyright",
        "usr/share/doc/edge/services.md",
        "usr/lib/edge/app/transports/firmware_configs/direwolf/direwolf.conf",
    ):
        assert f" ./{name}\n" in listed, name
