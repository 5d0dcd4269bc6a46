"""What all tests share: a data folder of their own, the programs of Debian packages, and the corpora where they are."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

# Before anything reads Django's settings: they make their folder and their key when they are read.
if "EDGE_DATA" not in os.environ:
    folder = tempfile.mkdtemp(prefix="edge-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["EDGE_DATA"] = folder
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")
os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where Debian puts mosquitto

# How long an example takes says something of the machine, not of the code; bench/ is where speed is measured.
settings.register_profile("edge", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=3000)  # pytest --hypothesis-profile thorough
settings.load_profile("edge")


def pytest_runtest_setup(item):
    """Hold a test that needs a program to it: skipped by name where the program is missing, failed in CI."""
    for marker in item.iter_markers("needs"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if missing and os.environ.get("CI"):
            pytest.fail(f"{', '.join(missing)} missing; scripts/test installs it")
        if missing:
            pytest.skip(f"needs {', '.join(missing)} (Debian packages; scripts/test installs them where it may)")


@pytest.fixture(scope="session")
def shared():
    """The folder of corpora beside the checkout; tests that read them run where it is."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here")
    return SHARED
