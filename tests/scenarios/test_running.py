"""What runs the stories: nothing of it stays behind, even where the tests themselves are killed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.running import START, environment, until

STARTS = """
import sys, time
from pathlib import Path
from tests.scenarios.running import Process
print(Process("sleep", "600", folder=Path(sys.argv[1])).process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv (util-linux)")
def test_what_tests_start_dies_with_them(tmp_path):
    tests = subprocess.Popen([sys.executable, "-c", STARTS, tmp_path], stdout=subprocess.PIPE, env=environment())
    try:
        status = Path("/proc", tests.stdout.readline().decode().strip(), "status")
        assert status.exists()
    finally:
        tests.kill()
        tests.communicate(timeout=START)
    until(lambda: not status.exists() or "\nState:\tZ" in status.read_text(), "it is still there")
