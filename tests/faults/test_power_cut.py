"""The power goes after each single write: nothing that was acknowledged is lost, and nothing is torn.

What is written is written by our own code in a process of its own; `disk` says what would be found. That the model
would notice is shown on the cheaper ways of writing, which lose.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.faults.disk import CALLS, Disk
from tests.scenarios.running import edge, environment

pytestmark = pytest.mark.needs("strace")

ROUNDS = 12

PUT = """
import sys, time, django
django.setup()
from django.db import connections, transaction
from django_site.outbox.models import Entry
with open(sys.argv[1], "wb", buffering=0) as acknowledged:
    for number in range({rounds}):
        with transaction.atomic():
            Entry.objects.create(device="vhf", event=str(number), put_at=number, expires_at=9e9)
        acknowledged.write(b"%d\\n" % number)
"""
CHEAPER = PUT.replace(
    "django.setup()",
    """from django.conf import settings
options = settings.DATABASES["default"]["OPTIONS"]
assert "synchronous=FULL" in options["init_command"]
options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=NORMAL")
django.setup()""",
)
REPLACE = """
import sys
from pathlib import Path
from edge.files import write_whole
with open(sys.argv[1], "wb", buffering=0) as acknowledged:
    for number in range({rounds}):
        write_whole(Path(sys.argv[2]) / "settings", str(number) * 5000)
        acknowledged.write(b"%d\\n" % number)
"""
NAIVE = REPLACE.replace(
    'write_whole(Path(sys.argv[2]) / "settings", str(number) * 5000)',
    '(Path(sys.argv[2]) / "settings").write_text(str(number) * 5000)',
)


def watched(script, folder, tmp_path):
    """Run a script and give what would be found after each of its writes, and how much it had acknowledged."""
    disk, log, acknowledged = Disk(folder), tmp_path / "calls", tmp_path / "acknowledged"
    done = subprocess.run(
        [
            *(
                "strace",
                "-f",
                "-qq",
                "-y",
                "-xx",
                "-s",
                "100000",
                "-e",
                f"trace={CALLS}",
                "-e",
                "signal=none",
                "-o",
                log,
            ),
            *(sys.executable, "-B", "-c", script.format(rounds=ROUNDS), acknowledged, folder),
        ],
        env=environment(EDGE_DATA=str(folder)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "PTRACE" in done.stderr:
        pytest.skip(f"strace may not watch here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert len(acknowledged.read_text().split()) == ROUNDS
    return disk.after(log.read_text(), str(acknowledged))


def rows_found(files, folder):
    """Open the database that is found, as the box does after a power cut, and return how many rows it has."""
    folder.mkdir()
    for name, content in files.items():
        if name.startswith("edge.sqlite3") and not name.endswith("-shm"):  # memory of those that had it open
            (folder / name).write_bytes(content)
    with closing(sqlite3.connect(folder / "edge.sqlite3")) as database:
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
        return database.execute("SELECT count(*) FROM outbox_entry").fetchone()[0]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    assert edge("migrate", data=folder).returncode == 0
    return folder


def crashes(script, folder, tmp_path):
    """Give, for each moment, how many rows were acknowledged and how many are found."""
    for moment, (files, acknowledged) in enumerate(watched(script, folder, tmp_path)):
        yield acknowledged, rows_found(files, tmp_path / f"found-{moment}")


def test_what_the_outbox_took_is_there_whenever_the_power_goes(data, tmp_path):
    seen = list(crashes(PUT, data, tmp_path))
    assert len(seen) > 2 * ROUNDS
    assert [(acknowledged, found) for acknowledged, found in seen if found < acknowledged] == []
    assert max(acknowledged for acknowledged, _ in seen) >= ROUNDS - 1


def test_the_cheaper_setting_would_lose_some_and_the_model_sees_it(data, tmp_path):
    assert any(found < acknowledged for acknowledged, found in crashes(CHEAPER, data, tmp_path))


def test_a_file_is_whole_and_as_new_as_was_said_whenever_the_power_goes(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    moments = 0
    for files, acknowledged in watched(REPLACE, folder, tmp_path):
        moments += 1
        content = files.get("settings")
        number = -1 if content is None else int(content[: len(content) // 5000])
        assert content is None or content == (str(number) * 5000).encode()
        assert number >= acknowledged - 1
    assert moments > 3 * ROUNDS


def test_the_plain_way_would_tear_it_and_the_model_sees_it(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    lost = [count for files, count in watched(NAIVE, folder, tmp_path) if count and not files.get("settings")]
    assert lost
